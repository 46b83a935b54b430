"""Recognise a shop by its orders, not by its address, when it is added or its end point changes.

A stored order is confirmed if the end point has one with the same id, number and time of placing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select

from channels.base import Channel
from channels.base import Order as ShopOrder
from errors import ChannelError, Conflict, InvalidInput
from extensions import db, reading
from models import Integration, Listing, Order, Shop
from models.sku_key import sku_key
from services.integrations.lifecycle import address_of
from services.shops import connection

ASKED_FOR = 5
"""Stored orders that an end point is asked to confirm."""
NEWEST, OLDEST = 2, 3
"""The same where a copy is looked for: one that has gone its own way since it was made shares the older orders alone."""
PRODUCTS = 20
"""Products that an end point is asked for where no order tells."""
CANDIDATES = 5
"""Removed shops that are tried, the last removed first; those at the same address come before them."""
MOST_CONNECTED = 20
"""Connected shops that a new end point is compared with by asking it for their orders."""


@dataclass(frozen=True, slots=True)
class History:
    """A shop that was connected before. ``connected_as`` is the name of its present integration, empty if it has none."""

    shop_id: int
    name: str
    orders: int
    removed_at: datetime | None
    connected_as: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Number and time of placing (in seconds) of a stored order, and of what an end point has under its id."""

    stored: tuple[str, int]
    shown: tuple[str, int]

    @property
    def same(self) -> bool:
        return self.stored == self.shown

    def in_words(self) -> str:
        here, there = (
            f"order {number} of {datetime.fromtimestamp(placed, UTC):%d %b %Y, %H:%M} UTC"
            for number, placed in (self.stored, self.shown)
        )
        return f"Stored is {here}; that shop shows {there} in its place."


def find_history(kind: str, endpoint: str, channel: Channel, orders: Sequence[ShopOrder]) -> History | None:
    """The stored shop of an end point, or None. ``orders`` were just read there: if they are stored, they identify it
    without another request. Raises ChannelError if the shop does not answer."""
    shop_id = _shop_with(kind, orders)
    if shop_id is None:
        candidates = _candidates(kind, address_of(endpoint))
        shop_id = next((candidate for candidate in candidates if is_same_shop(candidate, endpoint, channel)), None)
    return _history(shop_id) if shop_id is not None else None


def refuse_connected(kind: str, endpoint: str, orders: Sequence[ShopOrder], but: int = 0) -> None:
    """The one check that a shop is not connected already, for pages, commands and the API: by its address, and by orders that were
    just read from it, which a copy of the shop at another address shows as well. ``but`` is a shop that does not count. Asks no shop. Raises
    Conflict."""
    address = address_of(endpoint)
    here = select(Integration.name).join(Shop).where(
        Shop.kind == kind, Shop.address == address, Integration.removed_at.is_(None), Shop.id != but
    )  # fmt: skip
    with reading():
        name = db.session.scalar(here.limit(1)) or _connected_as(_shops_with(kind, orders))
    if name:
        raise already_connected(name)


def refuse_copy(kind: str, endpoint: str, channel: Channel, orders: Sequence[ShopOrder], but: int = 0) -> None:
    """``refuse_connected``, and the same for connected shops of which other orders are stored than those just read, because a first
    download is under way or an integration was switched off for a while: the new end point is asked for orders that are stored, also where
    it could not show its last ones. Where it has none of them, the connected shop is asked for those just read: a copy made before the first stored order has only such.
    Raises Conflict, or ChannelError where the end point does not answer."""
    refuse_connected(kind, endpoint, orders, but)
    with reading():
        present = db.session.execute(
            select(Integration.id, Integration.shop_id, Integration.name)
            .join(Shop)
            .where(Shop.kind == kind, Integration.removed_at.is_(None), Shop.id != but)
            .order_by(Integration.id.desc())
            .limit(MOST_CONNECTED)
        ).all()
    for integration_id, shop_id, name in present:
        found = _shares_stored_orders(shop_id, channel)
        if found or (found is None and _has_them_unread(integration_id, orders)):
            raise already_connected(name)


def _has_them_unread(integration_id: int, orders: Sequence[ShopOrder]) -> bool:
    """Whether a connected shop has one of these orders, newest first, of which none is stored. A shop that is switched off is not asked, and
    one that does not answer tells nothing."""
    with reading():
        integration = db.session.get_one(Integration, integration_id)
        channel = connection.open_channel(integration) if integration.enabled else None
    if channel is None:
        return False
    try:
        asked = [*orders[:NEWEST], *orders[NEWEST:][-OLDEST:]]
        known = {order.external_id: (order.number, _second(order.placed_at)) for order in asked}
        return any(seen.same for seen in _are_there(known, channel))
    except ChannelError:
        return False
    finally:
        channel.close()


def already_connected(name: str) -> Conflict:
    return Conflict(f"That shop is connected already, as {name}.", "Open that integration instead.")


def _connected_as(shop_ids: Sequence[int]) -> str:
    """The name of the integration of the first of these shops that is connected; empty where none is."""
    rows = select(Integration.shop_id, Integration.name).where(
        Integration.shop_id.in_(shop_ids), Integration.removed_at.is_(None)
    )  # fmt: skip
    names = dict(db.session.execute(rows).all())
    return next((names[shop_id] for shop_id in shop_ids if shop_id in names), "")


def is_same_shop(shop_id: int, endpoint: str, channel: Channel) -> bool:
    """Whether an end point has the orders that are stored of a shop; by the address where none is stored yet."""
    return _is_at(shop_id, endpoint) if is_empty(shop_id) else _has_stored_orders(shop_id, channel)[0] is True


def refuse_other_shop(shop_id: int, endpoint: str, channel: Channel) -> None:
    """Check that an end point is that of a connected shop, which gets a new key or a new address. Where its orders are deleted in the shop
    by now, the old address is enough. A shop of which no order is stored is known by its address or its products; where none of those is
    stored either, it may be any. Raises InvalidInput, or ChannelError where the end point does not answer."""
    (found, evidence), what = _has_stored_orders(shop_id, channel), "orders that were downloaded"
    if found is None and not _is_at(shop_id, endpoint):
        empty = is_empty(shop_id)
        found = _has_stored_listings(shop_id, channel) if empty else False
        what = "products that were read" if empty else what
    if found is False:
        raise InvalidInput(
            f"Another shop answers at {endpoint}: it does not have the {what} from this one. {evidence}".rstrip(),
            "Add it as a new sales channel instead.", field="endpoint",
        )  # fmt: skip


def is_empty(shop_id: int) -> bool:
    """Whether no order is stored by which a shop can be recognised."""
    with reading():
        return db.session.scalar(select(Order.id).where(*_distinctive(shop_id)).limit(1)) is None


def _distinctive(shop_id: int) -> tuple[ColumnElement[bool], ...]:
    """The stored orders of a shop by which it can be recognised."""
    return Order.shop_id == shop_id, Order.number != "", Order.superseded_at.is_(None)


def _is_at(shop_id: int, endpoint: str) -> bool:
    with reading():
        return db.session.scalar(select(Shop.address).where(Shop.id == shop_id)) == address_of(endpoint)


def _shares_stored_orders(shop_id: int, channel: Channel) -> bool | None:
    """Whether an end point has some of a shop's stored orders, the newest and the oldest; None where it has none of their ids."""
    with reading():
        stored = {**_stored(shop_id, Order.placed_at.desc(), NEWEST), **_stored(shop_id, Order.placed_at.asc(), OLDEST)}
    try:
        same = [seen.same for seen in _are_there(stored, channel)]
    except ChannelError as trouble:
        if trouble.concerns == "shop":
            raise
        same = []
    return any(same) if same else None


def _stored(shop_id: int, order: ColumnElement[Any], most: int) -> dict[str, tuple[str, int]]:
    """Number and time of placing of the first stored orders of a shop, by their ids."""
    query = select(Order.external_id, Order.number, Order.placed_at).where(*_distinctive(shop_id)).order_by(order).limit(most)
    return {external_id: (number, _second(placed_at)) for external_id, number, placed_at in db.session.execute(query)}


def _are_there(stored: Mapping[str, tuple[str, int]], channel: Channel) -> Iterator[Seen]:
    """Each of these orders whose id an end point has, as it is there. Those that it does not have, because they were deleted
    or never there, and those that it cannot print are no evidence. Raises ChannelError for what concerns more than one order, or where it
    answers to none of them."""
    broken, answered = None, False
    for external_id, known in stored.items():
        try:
            order = channel.read_order(external_id)
        except ChannelError as trouble:
            # X-Cart 5.5 fails on an order with a product that was deleted, as a shop does that is broken.
            if trouble.concerns == "shop":
                raise
            broken = trouble
            continue
        answered = True
        if order is not None:
            yield Seen(known, (order.number, _second(order.placed_at)))
    if broken is not None and not answered:
        raise broken


def _has_stored_orders(shop_id: int, channel: Channel) -> tuple[bool | None, str]:
    """Whether an end point has the newest stored orders of a shop, and what differs; None where it shows none of them: they may have been deleted there."""
    with reading():
        stored = _stored(shop_id, Order.placed_at.desc(), ASKED_FOR)
    confirmed = None
    for seen in _are_there(stored, channel):
        if not seen.same:
            return False, seen.in_words()
        confirmed = True
    return confirmed, ""


def _has_stored_listings(shop_id: int, channel: Channel) -> bool | None:
    """Whether the first page of an end point's products shows stored listings of a shop under their SKUs; None where none is stored."""
    with reading():
        if db.session.scalar(select(Listing.id).where(Listing.shop_id == shop_id).limit(1)) is None:
            return None
    page = next(iter(channel.iter_listings(page_size=PRODUCTS, names=False)), None)
    shown = {each.external_id: sku_key(each.sku) for each in page.listings} if page is not None else {}
    query = select(Listing.external_id, Listing.sku_key).where(Listing.shop_id == shop_id, Listing.external_id.in_(shown))
    with reading():
        same = [shown[external_id] == key for external_id, key in db.session.execute(query)]
    return same.count(True) > same.count(False)


def _shop_with(kind: str, orders: Sequence[ShopOrder]) -> int | None:
    """The shop that has stored these very orders; the one with most of them."""
    return next(iter(_shops_with(kind, orders)), None)


def _shops_with(kind: str, orders: Sequence[ShopOrder]) -> list[int]:
    """The shops that have stored these very orders, those with most of them first."""
    shown = {order.external_id: (order.number, _second(order.placed_at)) for order in orders if order.number}
    if not shown:
        return []
    query = select(Order.shop_id, Order.external_id, Order.number, Order.placed_at).join(Shop).where(
        Shop.kind == kind, Order.external_id.in_(shown)
    )  # fmt: skip
    matches: dict[int, int] = {}
    with reading():
        for shop_id, external_id, number, placed_at in db.session.execute(query):
            if shown[external_id] == (number, _second(placed_at)):
                matches[shop_id] = matches.get(shop_id, 0) + 1
    return sorted(matches, key=lambda shop_id: (matches[shop_id], shop_id), reverse=True)


def _candidates(kind: str, address: str) -> list[int]:
    """Shops at this address, then the last removed."""
    with reading():
        here = db.session.scalars(
            select(Shop.id).where(Shop.kind == kind, Shop.address == address).order_by(Shop.id.desc())
        ).all()
        present = select(Integration.shop_id).where(Integration.removed_at.is_(None))
        removed = db.session.scalars(
            select(Integration.shop_id)
            .join(Shop)
            .where(Shop.kind == kind, Integration.shop_id.not_in(present))
            .group_by(Integration.shop_id)
            .order_by(func.max(Integration.removed_at).desc())
            .limit(CANDIDATES)
        ).all()
    return list(dict.fromkeys((*here, *removed)))


def _history(shop_id: int) -> History:
    with reading():
        integrations = db.session.execute(
            select(Integration.name, Integration.removed_at).where(Integration.shop_id == shop_id).order_by(Integration.id.desc())
        ).all()
        orders = db.session.scalar(select(func.count()).where(Order.shop_id == shop_id)) or 0
    connected = next((name for name, removed_at in integrations if removed_at is None), "")
    name, removed_at = integrations[0] if integrations else ("", None)
    return History(shop_id, name, orders, removed_at, connected)


def _second(moment: datetime) -> int:
    return int(moment.timestamp())
