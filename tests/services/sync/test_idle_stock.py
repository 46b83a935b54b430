"""A stock flow with nothing to send is moved on by the schedule, without a run."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from extensions import db, writing
from models import Flow, FlowKind, Listing, SyncRun
from models.types import utcnow
from services.integrations import lifecycle
from services.stock import items
from services.sync import schedule
from tests.support.kept import set_up_once
from tests.support.shops import connect, do

STOCK = (FlowKind.STOCK,)


@pytest.fixture
def integration_id(app, shop, request):
    def settle() -> int:
        integration_id = connect(shop)
        do(integration_id, "stock")
        do(integration_id, "stock")
        make_due()
        shop.clear_requests()
        return integration_id

    return set_up_once(request, app, shop, settle)


def make_due() -> None:
    with writing() as session:
        session.execute(update(Flow).where(Flow.kind == FlowKind.STOCK).values(due_at=utcnow()))


def flow() -> Flow:
    db.session.rollback()
    return db.session.scalars(select(Flow).where(Flow.kind == FlowKind.STOCK)).one()


def test_it_is_moved_on_by_one_interval_without_a_run_or_a_request(integration_id, shop):
    assert schedule.skip_idle_stock() == 1
    assert timedelta(seconds=290) < flow().due_at - utcnow() <= timedelta(seconds=300)
    assert schedule.start_due_runs(kinds=STOCK) == []
    assert shop.requests == []
    assert schedule.skip_idle_stock() == 0


def test_one_with_a_change_to_send_gets_its_run(integration_id):
    items.set_stock("CUP", 5, "test")
    assert schedule.skip_idle_stock() == 0
    assert len(schedule.start_due_runs(kinds=STOCK)) == 1


def test_one_whose_quantity_waits_to_be_sent_again_gets_its_run(integration_id):
    with writing() as session:
        session.execute(update(Listing).values(stale=True, push_due_at=utcnow() + timedelta(hours=1)))
    assert schedule.skip_idle_stock() == 0


def test_before_the_first_push_and_after_a_failure_runs_decide(app, shop):
    connect(shop)
    make_due()
    assert schedule.skip_idle_stock() == 0
    with writing() as session:
        session.execute(update(Flow).values(failing_since=utcnow()))
    assert schedule.skip_idle_stock() == 0


def test_a_disabled_integration_is_left_as_it_is(integration_id):
    due_at = flow().due_at
    lifecycle.set_enabled(integration_id, False, "test")
    assert schedule.skip_idle_stock() == 0
    assert flow().due_at == due_at


@pytest.mark.both_databases
def test_several_schedulers_start_each_due_run_once(app, shop):
    """All due runs are created by one statement; those that another scheduler has created meanwhile are left out."""
    connect(shop)
    started: list[list[int]] = []
    gate = threading.Barrier(4)

    def start() -> None:
        with app.app_context():
            gate.wait(90)
            started.append(schedule.start_due_runs())
            db.session.remove()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    db.session.rollback()
    runs = db.session.scalars(select(SyncRun).order_by(SyncRun.id)).all()
    assert sorted(run_id for one in started for run_id in one) == [run.id for run in runs]
    assert len({(run.integration_id, run.kind) for run in runs}) == len(runs) == 3
    assert [(run.state, run.actor, run.counts, run.warnings, run.enqueues) for run in runs] == [
        ("queued", "schedule", {}, [], 0)
    ] * 3
