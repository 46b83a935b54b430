"""Shops that were removed and whose open orders gave back what they had reserved.

Their orders stay as they are and reserve nothing, so that other orders and shops get their units. When the shop is connected again, its stored
orders are evaluated again and reserve what there is.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import selectinload

from extensions import db, reading, writing
from models import Allocation, Order, OrderLine, Shop
from models.order import OPEN_STATES
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.stock import allocations, ledger
from services.stock.ledger import Reason

SETTLED = timedelta(minutes=10)
"""How long after a removal a page that was being stored at that moment may still be committed."""


def is_released(shop_id: int) -> bool:
    return db.session.scalar(select(Shop.released_at).where(Shop.id == shop_id)) is not None


def reserved_units(shop_id: int) -> int:
    """What the open orders of a shop have reserved."""
    query = select(func.sum(Allocation.reserved)).join(OrderLine).join(Order).where(*_holding(shop_id))
    return int(db.session.scalar(query) or 0)


def release(shop_id: int, actor: str) -> None:
    """Give back what the open orders of a shop have reserved, and pass it on. Call it inside ``writing()``."""
    shop = db.session.get_one(Shop, shop_id)
    shop.released_at = shop.released_at or utcnow()
    items = allocations.load_items_of(*_holding(shop_id))
    holding = select(OrderLine.order_id).join(Allocation).where(Allocation.reserved > 0)
    query = (
        select(Order)
        .where(Order.shop_id == shop_id, Order.state.in_(OPEN_STATES), Order.id.in_(holding))
        .options(selectinload(Order.lines))
        .order_by(Order.id)
        .with_for_update()
    )
    reason = Reason(actor, "released", note="its shop was removed")
    freed: set[int] = set()
    for order in db.session.scalars(query.execution_options(populate_existing=True)):
        for line in order.lines:
            if allocations.items_of([line]) <= items.keys():
                freed |= {entry.stock_item_id for entry in allocations.release(line, items, reason)}
    allocations.pass_on([items[item_id] for item_id in sorted(freed)], actor=actor)
    ledger.request_push(freed)


def reserve_again(shop_id: int, actor: str) -> None:
    """Let the open orders of a shop that is connected again reserve what there is, in their turn. Call it inside ``writing()``."""
    shop = db.session.get_one(Shop, shop_id, with_for_update=True, populate_existing=True)
    if shop.released_at is None:
        return
    shop.released_at = None
    db.session.flush()
    items = allocations.load_items_of(Order.shop_id == shop_id, Order.state.in_(OPEN_STATES), allocations.LACKING > 0)
    offered = {item_id: item.available for item_id, item in items.items()}
    allocations.pass_on([items[item_id] for item_id in sorted(items)], actor=actor)
    ledger.request_push(item_id for item_id, item in items.items() if item.available != offered[item_id])


def catch_up() -> None:
    """Release what a page reserved that was being stored while its shop was removed."""
    query = select(Shop.id).where(Shop.released_at > utcnow() - SETTLED)
    with reading() as session:
        shop_ids = [shop_id for shop_id in session.scalars(query) if reserved_units(shop_id)]
    for shop_id in shop_ids:
        _release_again(shop_id)


@retry_on_deadlock
def _release_again(shop_id: int) -> None:
    with writing() as session:
        # It may have been connected again meanwhile.
        if session.get_one(Shop, shop_id, with_for_update=True).released_at is not None:
            release(shop_id, "schedule")


def _holding(shop_id: int) -> tuple[ColumnElement[bool], ...]:
    return Order.shop_id == shop_id, Order.state.in_(OPEN_STATES), Allocation.reserved > 0
