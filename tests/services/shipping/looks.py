"""What the tests of undo and of voiding look at: rows as they are now, levels, due times, and what the shop shows."""

from __future__ import annotations

from sqlalchemy import select, update

from extensions import db, writing
from models import Flow, FlowKind, Order, WriteBack
from models.types import utcnow
from services.shipping import shipments, undo, write_backs
from services.stock import items
from tests.support.shops import do

HELD = shipments.Together(undo.WAIT, "sheet-1")


def fresh(order_id: int) -> Order:
    db.session.rollback()
    return db.session.get(Order, order_id, populate_existing=True)


def levels(sku: str) -> tuple[int, int]:
    db.session.rollback()
    item = items.find_stock_item(sku)
    return item.on_hand, item.reserved


def states(order_id: int) -> list[str]:
    db.session.rollback()
    return [row.state for row in write_backs.of_order(order_id)]


def due(integration_id: int):
    db.session.rollback()
    return db.session.scalar(select(Flow.due_at).where(Flow.integration_id == integration_id, Flow.kind == FlowKind.SHIPMENTS))


def pass_the_wait() -> None:
    with writing() as session:
        session.execute(update(WriteBack).where(WriteBack.state == "waiting").values(due_at=utcnow()))
        session.execute(update(Flow).where(Flow.kind == FlowKind.SHIPMENTS, Flow.due_at.is_not(None)).values(due_at=utcnow()))


def lose_the_answer(integration_id: int) -> None:
    """The shop stores what it was sent, and its answer does not arrive."""
    do(integration_id, "shipments")
    with writing() as session:
        session.execute(update(WriteBack).values(state="waiting", sent=False, finished_at=None))
        session.execute(update(Order).values(shipping_status="N", tracking_numbers=[]))


def shipping(shop, there: int) -> str:
    return shop.store.status("shipping", shop.store.order(there).shipping_id).code
