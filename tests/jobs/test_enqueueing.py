"""What is put on the queue, and when."""

from __future__ import annotations

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

import jobs
from extensions import db, writing
from models import Flow, FlowKind, SyncRun
from models.types import utcnow
from services.sync import schedule
from tests.support.processes import wait_until
from tests.support.rows import make_integration


@pytest.mark.one_database
def test_a_run_that_cannot_be_committed_is_not_put_on_the_queue(app):
    integration = make_integration()

    def fail(session: Session) -> None:
        raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    event.listen(Session, "before_commit", fail)
    try:
        with pytest.raises(OperationalError):
            jobs.start_run(integration.id, "orders", "test")
    finally:
        event.remove(Session, "before_commit", fail)
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(SyncRun)) == 0
    assert jobs.queue("sync").count == 0


DUE = (FlowKind.ORDERS, FlowKind.STOCK, FlowKind.LISTINGS)


def make_due(number: int) -> None:
    for place in range(number):
        make_integration(name=f"Shop {place}")
    with writing() as session:
        session.execute(update(Flow).where(Flow.kind.in_(DUE)).values(due_at=utcnow()))


def enqueued() -> list[int]:
    """The runs whose jobs are on the queue, in its order."""
    return [job.kwargs["run_id"] for job in jobs.queue("sync").jobs if job.func_name == jobs.RUN_JOB]


@pytest.mark.one_database
@pytest.mark.config(shop_jobs=1)
def test_runs_enqueued_together_keep_their_order_and_the_limit_of_each_shop(app, redis_url):
    make_due(3)
    run_ids = schedule.start_due_runs()
    assert len(run_ids) == 9
    jobs.enqueue_runs(run_ids)
    runs = {run.id: run for run in db.session.scalars(select(SyncRun))}
    first: dict[int, int] = {}
    for run_id in run_ids:
        first.setdefault(runs[run_id].integration_id, run_id)
    assert enqueued() == list(first.values())
    assert {run.enqueues for run in runs.values()} == {1}
    # Enqueued again, nothing is on the queue or parked twice; what the queue has lost is.
    jobs.enqueue_runs(run_ids)
    db.session.rollback()
    assert enqueued() == list(first.values()) and set(db.session.scalars(select(SyncRun.enqueues))) == {1}
    jobs.redis_connection().flushdb()
    jobs.enqueue_runs(run_ids)
    assert enqueued() == list(first.values())


@pytest.mark.both_databases
def test_several_schedulers_start_and_enqueue_each_due_run_once(app, db, scheduler, worker):
    make_due(60)
    for _ in range(2):
        worker("ticks", wait=False)
        scheduler(TICK_SECONDS="1")

    def started() -> int:
        db.session.rollback()
        return db.session.scalar(select(func.count()).select_from(SyncRun).where(SyncRun.enqueues > 0)) or 0

    wait_until(lambda: started() == 180, 60, "the runs")
    wait_until(lambda: len(set(enqueued())) == 180, 60, "the jobs")
    assert len(enqueued()) == 180
    assert set(db.session.scalars(select(SyncRun.enqueues))) == {1}
    kinds = db.session.execute(select(SyncRun.integration_id, SyncRun.kind)).all()
    assert len(kinds) == len(set(kinds)) == 180
