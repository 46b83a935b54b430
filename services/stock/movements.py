"""Which SKUs a shop's orders sold while its quantities were being read.

A quantity and the orders behind it come in separate requests. Where orders are downloaded *after* the quantities were read,
everything sold before the reading is known; a SKU in an order that became known meanwhile may or may not be off the quantity
already, and is read again. So the meaning of a quantity does not depend on a clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select

from extensions import db, reading
from models import Allocation, Listing, Order, OrderChange, OrderLine, StockItem
from models.sku_key import sku_key
from services.common.batches import batches

MOVE_NOTHING = frozenset(
    ("customer", "email", "billing_address", "shipping_address", "payment_method", "shipping_method", "customer_notes", "admin_notes",
     "tracking_numbers")
)  # fmt: skip
"""Fields of an order that a shop can change without selling, freeing or moving a piece."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far the stored orders of one shop, and the notes of their changes, had come."""

    shop_id: int
    order_id: int
    change_id: int


def watermark(shop_id: int) -> Watermark:
    """Only one run at a time stores a shop's orders, so its newest id is a safe watermark."""
    with reading():
        order_id = db.session.scalar(select(func.max(Order.id)).where(Order.shop_id == shop_id)) or 0
        change_id = (
            db.session.scalar(
                select(func.max(OrderChange.id)).join(Order, Order.id == OrderChange.order_id).where(Order.shop_id == shop_id)
            )
            or 0
        )
    return Watermark(shop_id, order_id, change_id)


def moved_since(watermark: Watermark) -> set[str]:
    """Keys of the SKUs that the orders stored or changed since the watermark sold, those of lines that are gone included: the lines'
    own, those of their listings and those of the stock items they take from, which may be others."""
    changes = select(OrderChange.order_id, OrderChange.fields).join(Order, Order.id == OrderChange.order_id).where(
        Order.shop_id == watermark.shop_id, OrderChange.id > watermark.change_id
    )  # fmt: skip
    moved: set[str] = set()
    changed: set[int] = set()
    with reading():
        for order_id, fields in db.session.execute(changes):
            if not fields.keys() <= MOVE_NOTHING:
                changed.add(order_id)
            moved.update(sku_key(sku) for sku, _ in fields.get("lines", ((), ()))[0])
        moved |= _sold_by(Order.shop_id == watermark.shop_id, Order.id > watermark.order_id)
        ids = sorted(changed)
        for batch in batches(ids):
            moved |= _sold_by(Order.shop_id == watermark.shop_id, Order.id.in_(batch))
    return moved


def _sold_by(*those: ColumnElement[bool]) -> set[str]:
    listed = (Listing.shop_id == Order.shop_id) & (Listing.product_id == OrderLine.product_id)
    queries = (
        select(OrderLine.sku_key).join(Order),
        select(Listing.sku_key).select_from(OrderLine).join(Order).join(Listing, listed),
        select(StockItem.sku).select_from(OrderLine).join(Order).join(Allocation).join(StockItem),
    )
    return {sku_key(sku) for query in queries for sku in db.session.scalars(query.where(*those).distinct())}
