"""What is put on the queue, and when."""

from __future__ import annotations

import time

import pytest
from rq import Worker
from rq.job import Job, JobStatus
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

import jobs
from extensions import db, writing
from jobs.names import KEPT_LONGER, MONITORED_EVERY, REMEMBERED, SILENT
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


def put(number: int = 1) -> None:
    jobs.enqueue("sync", "jobs.order_rows.run", once_as=f"named-{number}", away="")


def begin(status: JobStatus, silent_for: int) -> None:
    """The job of the name, taken by a worker that has reported for the last time so many seconds ago."""
    queue = jobs.queue("sync")
    job = Job.fetch("named-1", connection=queue.connection, serializer=queue.serializer)
    queue.remove(job)
    job.worker_name = "w"
    job.set_status(status)
    job.save()
    worker = f"{Worker.redis_worker_namespace_prefix}w"
    queue.connection.hset(worker, "birth", "x")
    queue.connection.expire(worker, MONITORED_EVERY + KEPT_LONGER - silent_for)


@pytest.mark.one_database
def test_a_job_with_a_name_waits_once(app, redis_url):
    for _ in range(3):
        put()
        put(2)
    assert jobs.queue("sync").job_ids == ["named-1", "named-2"]


@pytest.mark.one_database
def test_a_job_that_waits_on_another_queue_stays_there(app, redis_url):
    """A run of a feed waits among what people wait for, and a tick would put it among the syncs."""
    jobs.enqueue("checks", "jobs.order_rows.run", once_as="named-1", away="")
    put()
    assert (jobs.queue("checks").job_ids, jobs.queue("sync").job_ids) == (["named-1"], [])


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("status", "silent_for", "free"),
    [
        (JobStatus.STARTED, 4, False),
        (JobStatus.STARTED, SILENT + 2, True),
        (JobStatus.STARTED, MONITORED_EVERY + KEPT_LONGER + 1, True),
        (JobStatus.FAILED, SILENT + 2, False),
    ],
)
def test_a_name_is_free_once_nobody_does_its_job(app, redis_url, status, silent_for, free):
    """As a worker that works, one that was killed, one that RQ has forgotten, and one whose job failed."""
    put()
    begin(status, silent_for)
    put()
    put()
    assert jobs.queue("sync").job_ids == (["named-1"] if free else [])


@pytest.mark.one_database
def test_a_job_that_a_worker_has_taken_and_not_begun_keeps_its_name_for_a_moment(app, redis_url):
    """The work horse needs a moment to begin. Freed at once, the name went to a second worker, and the first one that was done took the
    other's job away in the middle."""
    put()
    begin(JobStatus.QUEUED, 0)
    put()
    put()
    connection = jobs.redis_connection()
    assert jobs.queue("sync").job_ids == []
    [seen] = connection.keys("cartlink:taken:*")
    connection.expire(seen, REMEMBERED - SILENT)
    put()
    put()
    assert jobs.queue("sync").job_ids == ["named-1"]
    # The job that has its name now is another one: it was not seen as taken yet.
    begin(JobStatus.QUEUED, 0)
    put()
    assert jobs.queue("sync").job_ids == []


@pytest.mark.one_database
def test_a_worker_that_works_keeps_the_name_of_its_job(app, redis_url, worker, tmp_path):
    """RQ reports every few seconds for as long as the job goes on: what names.py knows of RQ is so."""
    kept = tmp_path / "note"

    def put() -> None:
        jobs.enqueue("sync", "tests.support.sample_jobs.pages", once_as="pages", away="", path=str(kept))

    put()
    busy = worker("sync")
    wait_until(lambda: kept.exists() and kept.read_text(), 30, "the job")
    left = jobs.redis_connection().ttl(f"{Worker.redis_worker_namespace_prefix}{_worker_of('pages')}")
    assert MONITORED_EVERY + KEPT_LONGER - SILENT < left <= MONITORED_EVERY + KEPT_LONGER
    put()
    assert jobs.queue("sync").count == 0
    busy.kill()
    jobs.redis_connection().expire(f"{Worker.redis_worker_namespace_prefix}{_worker_of('pages')}", 40)
    put()
    assert jobs.queue("sync").count == 1


@pytest.mark.one_database
def test_a_job_that_is_asked_for_all_the_time_is_done_by_one_worker_at_once(app, redis_url, worker, tmp_path):
    """Ticks ask for the deliveries of events while a worker takes them. Its work horse needs a moment, and the job is neither waiting
    nor begun in it."""
    kept = tmp_path / "note"
    both = [worker("sync"), worker("sync")]
    until = time.monotonic() + 4
    while time.monotonic() < until:
        jobs.enqueue("sync", "tests.support.sample_jobs.note", once_as="quick", away="", path=str(kept), words="done")
    wait_until(lambda: kept.exists(), 30, "the job")
    for each in both:
        assert each.stop() == 0 and "Traceback" not in each.output()


def _worker_of(name: str) -> str:
    queue = jobs.queue("sync")
    return Job.fetch(name, connection=queue.connection, serializer=queue.serializer).worker_name or ""
