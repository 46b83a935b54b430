"""What was planned while the clock was wrong does not wait for that day once it is right."""

from __future__ import annotations

from datetime import timedelta

import pytest

from extensions import db, writing
from models import Integration, SyncRun
from models.types import utcnow
from services import far_times, runs, schedule
from tests.support.rows import make_integration


def test_a_dead_workers_lease_from_a_clock_that_was_ahead_is_released(app):
    integration_id = make_integration().id
    run_id = runs.start_run(integration_id, "orders", "test").id
    lease = runs.claim(run_id)
    with writing() as session:
        session.get_one(SyncRun, run_id).lease_until = utcnow() + timedelta(days=400)
    assert far_times.bring_back() == 1
    assert runs.release_dead_runs() == []
    lease.extend()
    with writing() as session:
        session.get_one(SyncRun, run_id).lease_until -= timedelta(seconds=lease.seconds + 1)
    assert runs.release_dead_runs() == [run_id]


@pytest.mark.parametrize("kind", runs.KINDS)
def test_a_run_planned_by_a_clock_that_was_ahead_is_due(app, kind):
    integration_id = make_integration(**{f"{each}_due_at": None for each in runs.KINDS}).id
    with writing() as session:
        setattr(session.get_one(Integration, integration_id), f"{kind}_due_at", utcnow() + timedelta(days=400))
    assert schedule.start_due_runs() == []
    assert far_times.bring_back() == 1
    assert len(schedule.start_due_runs()) == 1


def test_a_queued_run_that_waits_for_another_year_is_enqueued(app):
    run_id = runs.start_run(make_integration().id, "orders", "test").id
    with writing() as session:
        run = session.get_one(SyncRun, run_id)
        run.not_before = run.enqueued_at = utcnow() + timedelta(days=400)
    assert schedule.waiting_runs() == []
    far_times.bring_back()
    assert schedule.waiting_runs() == [run_id]


def test_times_as_they_should_be_are_left_alone(app):
    """Backing off, the day's receipt, an interval of a day or of a month: nobody's plans are changed."""
    now = utcnow()
    plans = {
        "orders_due_at": now + timedelta(minutes=72), "stock_due_at": now + timedelta(hours=23), "stock_every": 86400,
        "listings_due_at": now + timedelta(days=29), "listings_every": 30 * 86400, "receipts_due_at": now + timedelta(hours=24),
        "shipments_due_at": now + timedelta(hours=7),
    }  # fmt: skip
    integration_id = make_integration(**plans).id
    runs.claim(runs.start_run(integration_id, "orders", "test").id)
    runs.give_way(runs.claim(runs.start_run(integration_id, "stock", "test").id), wait_seconds=2)
    assert far_times.bring_back() == 0
    kept = db.session.get_one(Integration, integration_id)
    assert all(getattr(kept, name) == value for name, value in plans.items())
