"""What people ship is sent when the time to undo it is over, and not up to a tick later."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from sqlalchemy import select

import jobs.schedule
from extensions import db
from models import SyncRun, WriteBack
from services.shipping import shipments
from tests.support.rows import make_integration, make_item, make_order


@pytest.mark.one_database
@pytest.mark.config(tick_seconds=5)
def test_a_tick_starts_what_is_due_before_the_next_one_on_time(app):
    order = make_order(make_integration(), "1", [(make_item("CUP", 3), 1)])
    began = time.monotonic()
    shipments.ship(order.id, "test", together=shipments.Together(timedelta(seconds=2)))
    jobs.schedule.tick_on_time()
    took = time.monotonic() - began
    db.session.rollback()
    due_at = db.session.scalar(select(WriteBack.due_at))
    run = db.session.scalars(select(SyncRun).where(SyncRun.kind == "shipments")).one()
    # On a busy machine the tick itself may take longer than the wait.
    assert timedelta(0) <= run.created_at - due_at < timedelta(seconds=max(1.0, took - 1))
    assert run.enqueued_at is not None


@pytest.mark.one_database
@pytest.mark.config(tick_seconds=5)
def test_a_tick_does_not_wait_for_what_is_due_after_the_next_one(app):
    order = make_order(make_integration(), "1", [(make_item("CUP", 3), 1)])
    shipments.ship(order.id, "test", together=shipments.Together(timedelta(seconds=300)))
    jobs.schedule.tick_on_time()
    db.session.rollback()
    assert db.session.scalar(select(SyncRun).where(SyncRun.kind == "shipments")) is None
