"""Two shops that sold the last pieces of a stock item before either knew of the other: found when the later order comes in."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, func, select, union_all

from extensions import db
from models import LinePart, Link, Listing, Order, OrderLine, Oversell
from models.order import OPEN_STATES


def detect(shop_id: int, external_ids: Sequence[str]) -> int:
    """Look at new orders that lack something, single pieces or parts of a kit: where an order of another shop took it and this
    shop had not been told yet, both get to know. Answers with how many were found. Call it inside ``writing()``."""
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
    new = (Order.shop_id == shop_id, Order.external_id.in_(external_ids), Order.state.in_(OPEN_STATES))
    missing = OrderLine.quantity - OrderLine.shipped - OrderLine.reserved
    of_kit = (OrderLine.quantity - OrderLine.shipped) * LinePart.units - LinePart.reserved
    both = union_all(
        select(OrderLine.order_id, OrderLine.stock_item_id, missing.label("units"))
        .join(Order)
        .where(*new, OrderLine.stock_item_id.is_not(None), missing > 0),
        select(OrderLine.order_id, LinePart.stock_item_id, of_kit.label("units"))
        .join(LinePart, LinePart.order_line_id == OrderLine.id)
        .join(Order, Order.id == OrderLine.order_id)
        .where(*new, of_kit > 0),
    ).subquery()
    order_id, item_id, units = both.c
    query = select(order_id, item_id, func.sum(units)).group_by(order_id, item_id).order_by(order_id, item_id)
    return [(order, item, int(number)) for order, item, number in db.session.execute(query)]


def _taker(shop_id: int, item_id: int) -> int | None:
    """The newest open order of another shop that holds some of a stock item and came in after this shop was last told."""
    told = db.session.scalar(
        select(func.max(Listing.pushed_at)).join(Link).where(Listing.shop_id == shop_id, Link.stock_item_id == item_id)
    )
    holding = union_all(
        select(OrderLine.order_id).where(OrderLine.stock_item_id == item_id, OrderLine.reserved > 0),
        select(OrderLine.order_id)
        .join(LinePart, LinePart.order_line_id == OrderLine.id)
        .where(LinePart.stock_item_id == item_id, LinePart.reserved > 0),
    )
    query: Select[tuple[int]] = (
        select(Order.id)
        .where(Order.shop_id != shop_id, Order.state.in_(OPEN_STATES), Order.id.in_(holding))
        .order_by(Order.first_seen_at.desc(), Order.id.desc())
        .limit(1)
    )
    return db.session.scalar(query.where(Order.first_seen_at >= told) if told is not None else query)
