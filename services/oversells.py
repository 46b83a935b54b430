"""Two shops that sold the last pieces of a stock item before either knew of the other: found when the later order comes in."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from extensions import db
from models import Link, Listing, Order, OrderLine, Oversell
from models.order import OPEN_STATES


def detect(shop_id: int, external_ids: Sequence[str]) -> int:
    """Look at new orders that lack something: where an order of another shop took it and this shop had not been told yet, both
    get to know. Answers with how many were found. Call it inside ``writing()``."""
    short = db.session.execute(
        select(OrderLine.order_id, OrderLine.stock_item_id, func.sum(OrderLine.quantity - OrderLine.shipped - OrderLine.reserved))
        .join(Order)
        .where(
            Order.shop_id == shop_id, Order.external_id.in_(external_ids), Order.state.in_(OPEN_STATES),
            OrderLine.stock_item_id.is_not(None), OrderLine.quantity - OrderLine.shipped - OrderLine.reserved > 0,
        )
        .group_by(OrderLine.order_id, OrderLine.stock_item_id)
    ).all()  # fmt: skip
    found = 0
    for order_id, item_id, units in short:
        other = _taker(shop_id, item_id)
        known = select(Oversell.id).where(Oversell.order_id == order_id, Oversell.stock_item_id == item_id)
        if other is not None and db.session.scalar(known) is None:
            db.session.add(Oversell(stock_item_id=item_id, order_id=order_id, other_order_id=other, units=int(units)))
            found += 1
    return found


def _taker(shop_id: int, item_id: int) -> int | None:
    """The newest open order of another shop that holds some of a stock item and came in after this shop was last told."""
    told = db.session.scalar(
        select(func.max(Listing.pushed_at)).join(Link).where(Listing.shop_id == shop_id, Link.stock_item_id == item_id)
    )
    query = (
        select(Order.id)
        .join(OrderLine)
        .where(Order.shop_id != shop_id, Order.state.in_(OPEN_STATES), OrderLine.stock_item_id == item_id, OrderLine.reserved > 0)
        .order_by(Order.first_seen_at.desc(), Order.id.desc())
        .limit(1)
    )
    return db.session.scalar(query.where(Order.first_seen_at >= told) if told is not None else query)
