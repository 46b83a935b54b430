"""Which of a shop's SKUs its orders moved while its quantities were being read.

A quantity and the orders behind it come in separate requests. Where orders are downloaded *after* the quantities were read,
everything sold before the reading is known; a SKU in an order that became known meanwhile may or may not be off the quantity
already, and is read again. So no clock, ours or the shop's, decides what a number means.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, or_, select

from extensions import db
from models import Order, OrderChange, OrderLine


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the stored orders of one shop, and the notes of their changes, had come."""

    shop_id: int
    order_id: int
    change_id: int


def mark(shop_id: int) -> Mark:
    """Only one run at a time stores a shop's orders, so its newest id is a safe bookmark."""
    order_id = db.session.scalar(select(func.max(Order.id)).where(Order.shop_id == shop_id)) or 0
    change_id = (
        db.session.scalar(
            select(func.max(OrderChange.id)).join(Order, Order.id == OrderChange.order_id).where(Order.shop_id == shop_id)
        )
        or 0
    )
    db.session.rollback()
    return Mark(shop_id, order_id, change_id)


def moved_since(mark: Mark) -> set[str]:
    """SKUs of the orders that were stored or changed since the mark, those of lines that are gone included."""
    changed = select(OrderChange.order_id).where(OrderChange.id > mark.change_id)
    query = (
        select(OrderLine.sku)
        .join(Order)
        .where(Order.shop_id == mark.shop_id, or_(Order.id > mark.order_id, Order.id.in_(changed)))
        .distinct()
    )
    moved = set(db.session.scalars(query))
    changes = select(OrderChange.fields).join(Order, Order.id == OrderChange.order_id).where(
        Order.shop_id == mark.shop_id, OrderChange.id > mark.change_id
    )  # fmt: skip
    for fields in db.session.scalars(changes):
        moved.update(sku for sku, _ in fields.get("lines", ((), ()))[0])
    db.session.rollback()
    return moved
