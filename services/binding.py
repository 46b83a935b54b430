"""Order lines that waited for a SKU take its stock item once there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, case, select, update

from extensions import db
from models import Order, OrderLine, StockItem
from models.order import OPEN_STATES
from services import holds, ledger


def bind_lines(items: Mapping[str, StockItem], *, actor: str, run_id: int | None = None) -> int:
    """Bind the lines of all shops that carry these SKUs and are bound to nothing, oldest order first, and judge their open
    orders anew; answers with how many orders were released. ``items`` are locked stock items by SKU."""
    touched: set[int] = set()
    orders: set[int] = set()
    skus = sorted(items)
    for start in range(0, len(skus), 500):
        chunk = skus[start : start + 500]
        waiting = (OrderLine.sku.in_(chunk), OrderLine.stock_item_id.is_(None), ~OrderLine.parts.any())
        query = (
            select(OrderLine)
            .join(Order)
            .where(*waiting, Order.state.in_(OPEN_STATES))
            .order_by(Order.placed_at, OrderLine.id)
        )  # fmt: skip
        for line in db.session.scalars(query).all():
            item = items[line.sku]
            line.stock_item_id = item.id
            orders.add(line.order_id)
            if ledger.reserve(line, item, actor=actor, run_id=run_id):
                touched.add(item.id)
        db.session.flush()
        _bind_closed(waiting, {sku: items[sku].id for sku in chunk})
    released = 0
    if orders:
        released = holds.judge_again(orders)
    ledger.mark_stale(touched)
    return released


def _bind_closed(waiting: Sequence[ColumnElement[bool]], item_ids: Mapping[str, int]) -> None:
    """The same for orders that are over, of which an old shop has a hundred thousand: nothing is reserved, nothing is judged."""
    closed = select(OrderLine.id).join(Order).where(*waiting, Order.state.not_in(OPEN_STATES))
    db.session.execute(
        update(OrderLine)
        .where(OrderLine.id.in_(closed))
        .values(stock_item_id=case(dict(item_ids), value=OrderLine.sku))
        .execution_options(synchronize_session=False)
    )
