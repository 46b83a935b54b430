"""Compare a full page of the orders that changed last with the stored orders, as a poll does once an hour.

It finds what moves no order's time of change, such as a tracking number that somebody added in the shop, and open orders that were
deleted. The run that follows reads what differs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, union, update

from channels.base import NO_TIME, BadRow
from channels.base import Order as ShopOrder
from channels.newest import NewestPage
from extensions import db, reading, writing
from models import Order, Shop, UnreadableOrder
from models.order import STILL_OPEN, SUSPECTED
from models.types import utcnow
from services.orders import deletions, store
from services.orders import unreadable as unprinted

DIFFERS = "A page of the shop's orders shows it otherwise, and no reading by change shows it."
SOON_UNSEEN = deletions.UNSEEN - timedelta(hours=1)
"""Pages are read for the orders that no reading has shown for so long: then a run need not ask for each of them."""


def prepare_reading(shop_id: int, since: datetime, page: NewestPage) -> bool:
    """Whether the page differs from what is stored of the orders since a time. If so, the next run reads what differs: the watermark goes
    back to it, and open orders that the page does not show are suspected of being deleted."""
    with reading() as session:
        ids = [*(order.external_id for order in page.orders), *(row.external_id for row in page.bad)]
        known = {row.external_id: row for row in session.execute(store.KNOWN, {"shop_id": shop_id, "external_ids": ids})}
        missing = _missing(shop_id, page, ids)
    other = [order for order in page.orders if _is_other(order, known.get(order.external_id), since)]
    bad = [row for row in page.bad if row.external_id not in known]
    if not other and not bad and not missing:
        return False
    listed = [order for order in other if order.change_known]
    with writing():
        deletions.suspect(shop_id, missing)
        unprinted.note(shop_id, [(order.external_id, DIFFERS) for order in other if not order.change_known], at_once=True)
        if listed or bad:
            _go_back(shop_id, listed, bad, page)
    return True


def unseen(shop_ids: Collection[int]) -> set[int]:
    """The shops with open orders that no reading has shown for a while."""
    query = select(Order.shop_id).where(Order.shop_id.in_(shop_ids), STILL_OPEN, Order.seen_at < utcnow() - SOON_UNSEEN)
    with reading() as session:
        return set(session.scalars(query.distinct()))


def note_seen(shop_id: int, page: NewestPage) -> None:
    """Note that the page showed these stored orders as they are."""
    ids = [order.external_id for order in page.orders]
    named = Order.shop_id == shop_id, Order.external_id.in_(ids), STILL_OPEN, Order.seen_at < utcnow() - SOON_UNSEEN
    with writing() as session:
        session.execute(update(Order).where(*named).values(seen_at=utcnow()).execution_options(synchronize_session=False))


def left_to_ask(shop_ids: Collection[int]) -> set[int]:
    """The shops of which a run has orders to request one by one: services/orders/rereading.py, unreadable.py and deletions.py."""
    now = utcnow()
    conditions: Sequence[tuple[Any, ...]] = (
        (Order.reread_due,), (Order.rows_due,), (SUSPECTED,), (STILL_OPEN, Order.seen_at < now - deletions.UNSEEN),
    )  # fmt: skip
    orders = [select(Order.shop_id).where(Order.shop_id.in_(shop_ids), *each) for each in conditions]
    unreadable = select(UnreadableOrder.shop_id).where(UnreadableOrder.shop_id.in_(shop_ids), UnreadableOrder.next_at <= now)
    with reading() as session:
        return set(session.scalars(union(*orders, unreadable)))


def _is_other(order: ShopOrder, row: Any, since: datetime) -> bool:
    if row is None:
        return order.placed_at >= since or NO_TIME in order.problems
    return row.gone_at is not None or row.digest != store.digest_of(order.raw)[1]


def _missing(shop_id: int, page: NewestPage, shown: Sequence[str]) -> list[str]:
    """Open orders that a page without gaps should have shown."""
    if not page.from_top or not page.orders:
        return []
    query = select(Order.external_id).where(Order.shop_id == shop_id, STILL_OPEN, Order.number != "")
    if not page.whole:
        # Those without a time of change follow all others: a page that ends among them says nothing about the rest.
        if not all(order.change_known for order in page.orders):
            return []
        query = query.where(Order.changed_at > min(order.changed_at for order in page.orders))
    found = db.session.scalars(query.limit(deletions.MOST_LOOKED_AT)).all()
    return [each for each in found if each not in set(shown)][: deletions.MOST_ASKED]


def _go_back(shop_id: int, other: Sequence[ShopOrder], bad: Sequence[BadRow], page: NewestPage) -> None:
    """Call it inside ``writing()``. A reading that is under way sees these orders anyway, or the next page finds them again."""
    shop = db.session.get_one(Shop, shop_id, with_for_update=True)
    if shop.orders_read_to is None or shop.reading_since is not None or shop.reading_position:
        return
    dated = [order.changed_at for order in (page.orders if bad else other) if order.change_known]
    oldest = min(dated, default=shop.orders_read_to)
    shop.orders_read_to, shop.changes_seen = min(shop.orders_read_to, oldest), None
