"""Orders that wait for the first reading of their shop. Orders come before the listings that name their stock items, so the SKUs of all of them are
unknown until both were read once and the listings are linked; that holds them and asks nobody anything."""

from __future__ import annotations

import msgspec
from sqlalchemy import Text, and_, cast, func, select

from extensions import db
from models import Flow, FlowKind, Integration, Order, SyncRun
from services.order_basics import holds

CODE = "first_reading"
TITLE = "Waiting for the first reading of orders and listings"
ADVICE = "Nothing has to be done now. Orders with SKUs that no listing has are listed here afterwards."
READING = (FlowKind.ORDERS, FlowKind.LISTINGS, FlowKind.STOCK)
ONLY_UNKNOWN = msgspec.json.encode([holds.UNKNOWN_SKU]).decode()
"""What holds such an order, as it is stored."""


def shops() -> set[int]:
    """The shops of which the first run of orders, listings or stock, which link the listings, is under way. Where one has failed, a person has to
    look."""
    query = (
        select(Integration.shop_id)
        .join(Flow, Flow.integration_id == Integration.id)
        .join(SyncRun, and_(SyncRun.integration_id == Flow.integration_id, SyncRun.kind == Flow.kind))
        .where(SyncRun.live, Flow.kind.in_(READING), Flow.succeeded_at.is_(None), Flow.failing_since.is_(None))
        .where(Integration.removed_at.is_(None))
    )
    return set(db.session.scalars(query))


def count() -> int:
    """How many orders wait."""
    reading = shops()
    if not reading:
        return 0
    waiting = Order.held, Order.shop_id.in_(reading), cast(Order.held_codes, Text) == ONLY_UNKNOWN
    return db.session.scalar(select(func.count()).select_from(Order).where(*waiting)) or 0
