"""Due runs started on PostgreSQL: processor time of starting and enqueueing them, against one INSERT … SELECT and one pipelined
enqueue of the same rows without any limit."""

from __future__ import annotations

import time
from collections.abc import Callable

from rq import Queue
from sqlalchemy import delete, func, select, text, update

import jobs
from bench.frame import Measured
from bench.lines.pages import fill
from bench.pairs import alternate, in_child, ratio, samples
from bench.place import Place, let_go
from extensions import db, reading, writing
from models import Flow, FlowKind, SyncRun
from models.types import utcnow
from services.sync import schedule

INSERT = text(
    "INSERT INTO sync_run (integration_id, kind, actor, state, outcome, created_at, enqueues, lease_token, stop_requested, done, counts,"
    " steps, requests, error_code, error, advice, warnings)"
    " SELECT integration_id, kind, 'bench', 'queued', '', now(), 1, '', false, 0, '{}', '{}', 0, '', '', '', '[]' FROM flow"
    " WHERE kind = 'orders' AND due_at <= now() RETURNING id"
)


def measure(place: Place) -> Measured:
    count, times = place.full_or_quick(500, 100), place.full_or_quick(7, 3)
    with place.on("postgresql", REDIS_URL=place.fresh_queue()):
        fill(count)
        with writing() as session:
            session.execute(update(Flow).values(due_at=None))
            session.execute(update(Flow).where(Flow.kind == FlowKind.ORDERS).values(due_at=utcnow()))
        sides = [lambda act=act: _afresh(place, act, count) for act in (_ours, _bare)]
        mine, bare = alternate(*sides, times)
    return Measured(ratio(mine, bare), {**samples(mine, bare), "runs": count})


def _afresh(place: Place, act: Callable[[], object], count: int) -> float:
    place.fresh_queue()
    with writing() as session:
        session.execute(delete(SyncRun))
    let_go()
    return in_child(_measured, act, count)


def _measured(act: Callable[[], object], count: int) -> float:
    # The first statement of a process pays for its connection.
    with reading() as session:
        session.execute(select(func.count()).select_from(SyncRun))
    jobs.redis_connection().ping()
    began = time.process_time()
    act()
    spent = time.process_time() - began
    found = jobs.queue("sync").count, db.session.scalar(select(func.count()).select_from(SyncRun).where(SyncRun.enqueues == 1))
    if found != (count, count):
        raise RuntimeError(f"{found[0]} jobs and {found[1]} runs were made of {count} due flows.")
    return spent


def _ours() -> None:
    jobs.enqueue_runs(schedule.start_due_runs())


def _bare() -> None:
    with db.engine.begin() as connection:
        ids = connection.execute(INSERT).scalars().all()
    queue = jobs.queue("sync")
    queue.enqueue_many([Queue.prepare_data(jobs.RUN_JOB, kwargs={"run_id": each}, job_id=f"run-{each}") for each in ids])
