"""Order lines that waited for a SKU take its stock item once there is one."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from extensions import db
from models import Order, OrderLine, StockItem
from models.order import OPEN_STATES
from services import holds, ledger


def bind_lines(items: Mapping[str, StockItem], *, actor: str, run_id: int | None = None) -> int:
    """Bind the lines of all shops that carry these SKUs and are bound to nothing, oldest order first, and judge their orders
    anew; answers with how many orders were released. ``items`` are locked stock items by SKU."""
    touched: set[int] = set()
    orders: set[int] = set()
    skus = sorted(items)
    for start in range(0, len(skus), 500):
        query = (
            select(OrderLine, Order.state)
            .join(Order)
            .where(OrderLine.sku.in_(skus[start : start + 500]), OrderLine.stock_item_id.is_(None), ~OrderLine.parts.any())
            .order_by(Order.placed_at, OrderLine.id)
        )
        for line, state in db.session.execute(query).all():
            item = items[line.sku]
            line.stock_item_id = item.id
            orders.add(line.order_id)
            if state in OPEN_STATES and ledger.reserve(line, item, actor=actor, run_id=run_id):
                touched.add(item.id)
    released = 0
    if orders:
        db.session.flush()
        released = holds.judge_again(orders)
    ledger.mark_stale(touched)
    return released
