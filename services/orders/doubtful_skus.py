"""The SKUs of held orders that could mean several stock items, each with these: a person says which one is meant."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from extensions import db
from models import Order, OrderLine
from models.sku_key import sku_key
from services.common.batches import batches
from services.stock.skus import find_items

MOST = 20
"""SKUs that a page asks about at once; the others follow when these are settled."""


def choices(order_ids: Sequence[int]) -> list[tuple[str, tuple[str, ...]]]:
    """(SKU, the stock items it could mean), one of each SKU however it is spelled."""
    by_key: dict[str, str] = {}
    for batch in batches(order_ids):
        query = select(OrderLine.sku).where(
            OrderLine.order_id.in_(batch), OrderLine.could_mean != "", ~OrderLine.allocations.any()
        )
        for sku in db.session.scalars(query.join(Order, Order.id == OrderLine.order_id).order_by(Order.placed_at, OrderLine.id)):
            by_key.setdefault(sku_key(sku), sku)
    found = find_items(by_key.values())
    named = [(sku, found.could_mean(sku)) for sku in by_key.values()]
    return [(sku, several) for sku, several in named if several][:MOST]
