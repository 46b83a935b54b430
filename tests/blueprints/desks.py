"""A desk with a few orders, for the tests of its buttons."""

from __future__ import annotations

from sqlalchemy import select

from extensions import db
from models import Order
from practice_shop import PracticeShop
from services.runs import lifecycle
from services.sync import execution, schedule
from tests.support.shops import connect, do, products


def a_desk(shop: PracticeShop) -> int:
    """A settled shop with three paid orders of one cup each; its integration's id."""
    for _ in range(3):
        shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    integration_id = connect(shop)
    do(integration_id, "stock")
    return integration_id


def orders() -> list[Order]:
    db.session.rollback()
    return list(db.session.scalars(select(Order).order_by(Order.id)))


def work_off(*kinds: str) -> None:
    schedule.start_due_runs(kinds=kinds)
    for run_id in list(db.session.scalars(select(lifecycle.SyncRun.id).where(lifecycle.SyncRun.state == "queued"))):
        execution.perform(run_id)
