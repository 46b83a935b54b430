"""Oversells: two shops sold the last units of a stock item before the quantities were updated. Found when the later order is stored."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, func, select

from extensions import db
from models import Allocation, Link, Listing, Order, OrderLine, Oversell
from models.order import OPEN_STATES
from services.stock.allocations import LACKING


def detect(shop_id: int, external_ids: Sequence[str]) -> int:
    """Look at new orders that lack something: where an order of another shop took it before this shop had the new quantity,
    it is noted for both. Returns how many were found. Call it inside ``writing()``."""
    found = 0
    for order_id, item_id, units in _short(shop_id, external_ids):
        other = _taker(shop_id, item_id)
        known = select(Oversell.id).where(Oversell.order_id == order_id, Oversell.stock_item_id == item_id)
        if other is not None and db.session.scalar(known) is None:
            db.session.add(Oversell(stock_item_id=item_id, order_id=order_id, other_order_id=other, units=units))
            found += 1
    return found


def _short(shop_id: int, external_ids: Sequence[str]) -> list[tuple[int, int, int]]:
    """(order id, stock item id, units missing) of new open orders, by order."""
    new = (
        Order.shop_id == shop_id, Order.external_id.in_(external_ids), Order.superseded_at.is_(None), Order.state.in_(OPEN_STATES),
    )  # fmt: skip
    query = (
        select(OrderLine.order_id, Allocation.stock_item_id, func.sum(LACKING))
        .join(OrderLine, OrderLine.id == Allocation.order_line_id)
        .join(Order, Order.id == OrderLine.order_id)
        .where(*new, LACKING > 0)
        .group_by(OrderLine.order_id, Allocation.stock_item_id)
        .order_by(OrderLine.order_id, Allocation.stock_item_id)
    )
    return [(order, item, int(number)) for order, item, number in db.session.execute(query)]


def _taker(shop_id: int, item_id: int) -> int | None:
    """The newest open order of another shop that holds some of a stock item and came in after this shop last got a quantity."""
    pushed_at = db.session.scalar(
        select(func.max(Listing.pushed_at)).join(Link).where(Listing.shop_id == shop_id, Link.stock_item_id == item_id)
    )
    holding = select(OrderLine.order_id).join(Allocation).where(Allocation.stock_item_id == item_id, Allocation.reserved > 0)
    query: Select[int] = (
        select(Order.id)
        .where(Order.shop_id != shop_id, Order.state.in_(OPEN_STATES), Order.id.in_(holding))
        .order_by(Order.first_seen_at.desc(), Order.id.desc())
        .limit(1)
    )
    return db.session.scalar(query.where(Order.first_seen_at >= pushed_at) if pushed_at is not None else query)
