"""The erasing of customers' data, put on the queue by the tick where it is due."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rq.job import JobStatus

import jobs
from extensions import db
from jobs.schedule import tick
from models import Order
from models.types import utcnow
from services.operations import privacy
from tests.blueprints.queues import work_off
from tests.support.rows import make_integration, make_order


@pytest.fixture
def shipped(app) -> int:
    shop = make_integration(orders_due_at=None, stock_due_at=None, listings_due_at=None)
    old = utcnow() - timedelta(days=40)
    return make_order(shop, "1001", [("CUP", 1)], state="shipped", placed_at=old, email="x@planted.example").id


def email_of(order_id: int) -> str:
    db.session.rollback()
    return db.session.get_one(Order, order_id).email


def waiting() -> list[str]:
    return [job.id for job in jobs.queue("checks").jobs if job.get_status() == JobStatus.QUEUED]


def test_nothing_is_put_there_while_it_is_off(shipped):
    tick()
    assert "erasing" not in waiting()


def test_where_it_is_on_it_is_put_there_once_and_done_once_an_hour(shipped):
    privacy.set_erased_after(30, "user:ann")
    for _ in range(3):
        tick()
    assert waiting().count("erasing") == 1
    work_off("checks")
    assert email_of(shipped) == ""
    tick()
    assert "erasing" not in waiting()
