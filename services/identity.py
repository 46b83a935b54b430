"""Which shop stands behind an end point: known by its orders, not by its address (design.md, "Remove and come back").

A stored order is confirmed where the end point has one with the same id, the same number and the same time of placing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from channels.base import Channel
from channels.base import Order as ShopOrder
from errors import ChannelError
from extensions import db
from models import Integration, Order, Shop
from services.integrations import address_of

ASKED_FOR = 5
"""Stored orders that an end point is asked to confirm."""
CANDIDATES = 5
"""Removed shops that are tried, the last removed first; those at the same address come before them."""


@dataclass(frozen=True, slots=True)
class History:
    """A shop that was connected before. ``connected_as`` names the integration it has now, empty where it has none."""

    shop_id: int
    name: str
    orders: int
    removed_at: datetime | None
    connected_as: str


def find_history(kind: str, endpoint: str, channel: Channel, orders: Sequence[ShopOrder]) -> History | None:
    """The shop behind an end point, where Cartlink knows it. ``orders`` are some that were just read there: they tell
    without another request where they are stored. Raises ChannelError where the shop does not answer."""
    shop_id = _shop_with(kind, orders)
    if shop_id is None:
        candidates = _candidates(kind, address_of(endpoint))
        shop_id = next((candidate for candidate in candidates if is_same_shop(candidate, endpoint, channel)), None)
    return _history(shop_id) if shop_id is not None else None


def is_same_shop(shop_id: int, endpoint: str, channel: Channel) -> bool:
    """Whether an end point has the orders that are stored of a shop; by the address where none is stored yet."""
    stored = db.session.execute(
        select(Order.external_id, Order.number, Order.placed_at)
        .where(Order.shop_id == shop_id, Order.number != "")
        .order_by(Order.placed_at.desc())
        .limit(ASKED_FOR)
    ).all()
    address = db.session.scalar(select(Shop.address).where(Shop.id == shop_id))
    db.session.rollback()
    if not stored:
        return address == address_of(endpoint)
    confirmed = 0
    for external_id, number, placed_at in stored:
        try:
            order = channel.read_order(external_id)
        except ChannelError as trouble:
            if trouble.retryable:
                raise
            continue
        if order is None:
            # Deleted in the shop, or never there: it tells nothing either way.
            continue
        if (order.number, _second(order.placed_at)) != (number, _second(placed_at)):
            return False
        confirmed += 1
    return confirmed > 0


def _shop_with(kind: str, orders: Sequence[ShopOrder]) -> int | None:
    """The shop that has stored these very orders; the one with most of them."""
    shown = {order.external_id: (order.number, _second(order.placed_at)) for order in orders if order.number}
    if not shown:
        return None
    query = select(Order.shop_id, Order.external_id, Order.number, Order.placed_at).join(Shop).where(
        Shop.kind == kind, Order.external_id.in_(shown)
    )  # fmt: skip
    matches: dict[int, int] = {}
    for shop_id, external_id, number, placed_at in db.session.execute(query):
        if shown[external_id] == (number, _second(placed_at)):
            matches[shop_id] = matches.get(shop_id, 0) + 1
    db.session.rollback()
    return max(matches, key=lambda shop_id: (matches[shop_id], shop_id)) if matches else None


def _candidates(kind: str, address: str) -> list[int]:
    """Shops at this address, then the last removed."""
    here = db.session.scalars(select(Shop.id).where(Shop.kind == kind, Shop.address == address).order_by(Shop.id.desc())).all()
    present = select(Integration.shop_id).where(Integration.removed_at.is_(None))
    removed = db.session.scalars(
        select(Integration.shop_id)
        .join(Shop)
        .where(Shop.kind == kind, Integration.shop_id.not_in(present))
        .group_by(Integration.shop_id)
        .order_by(func.max(Integration.removed_at).desc())
        .limit(CANDIDATES)
    ).all()
    db.session.rollback()
    return list(dict.fromkeys((*here, *removed)))


def _history(shop_id: int) -> History:
    integrations = db.session.execute(
        select(Integration.name, Integration.removed_at).where(Integration.shop_id == shop_id).order_by(Integration.id.desc())
    ).all()
    orders = db.session.scalar(select(func.count()).where(Order.shop_id == shop_id)) or 0
    db.session.rollback()
    connected = next((name for name, removed_at in integrations if removed_at is None), "")
    name, removed_at = integrations[0] if integrations else ("", None)
    return History(shop_id, name, orders, removed_at, connected)


def _second(moment: datetime) -> int:
    return int(moment.timestamp())
