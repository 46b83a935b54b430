"""Orders that wait for the first reading of their shop. Orders come before the listings that name their stock items, so the SKUs of all of them are
unknown until both were read once; that holds them and asks nobody anything."""

from __future__ import annotations

import msgspec
from sqlalchemy import Text, and_, cast, func, or_, select

from extensions import db
from models import FlowKind, Integration, Order, Shop, SyncRun
from services.order_basics import holds

CODE = "first_reading"
TITLE = "Waiting for the first reading of orders and listings"
ADVICE = "Nothing has to be done now. Orders with SKUs that no listing has are listed here afterwards."
ONLY_UNKNOWN = msgspec.json.encode([holds.UNKNOWN_SKU]).decode()
"""What holds such an order, as it is stored."""


def shops() -> set[int]:
    """The shops that are being read, or about to be, and whose orders and listings were never both read to the end. A reading that failed is
    none: a person has to look then."""
    listings = and_(Shop.listings_read_at.is_(None), SyncRun.kind.in_((FlowKind.ORDERS, FlowKind.LISTINGS, FlowKind.STOCK)))
    orders = and_(Shop.orders_read_to.is_(None), SyncRun.kind == FlowKind.ORDERS)
    query = (
        select(Shop.id)
        .join(Integration, Integration.shop_id == Shop.id)
        .join(SyncRun, SyncRun.integration_id == Integration.id)
        .where(SyncRun.live, Integration.removed_at.is_(None), or_(listings, orders))
    )
    return set(db.session.scalars(query))


def count() -> int:
    """How many orders wait."""
    reading = shops()
    if not reading:
        return 0
    waiting = Order.held, Order.shop_id.in_(reading), cast(Order.held_codes, Text) == ONLY_UNKNOWN
    return db.session.scalar(select(func.count()).select_from(Order).where(*waiting)) or 0
