"""Queues and enqueueing. With ``worker.py`` and the other modules of this package, the only users of ``rq``.

The database is the truth; a job carries a run's id and nothing else. The queue holds JSON, not pickles: write access to the queue must
not allow anyone to run code here. At most SHOP_JOBS jobs of one shop are on the queue or running at once (jobs/slots.py), so that a
busy shop is not overloaded and leaves workers to the others. There are five queues: ``ticks`` (never behind long work), ``checks``
(a person waits), ``messages`` (mails and events), ``files`` (feeds and exports that are due: minutes with a slow server) and ``sync``
(runs). One worker at least takes ``sync`` and neither ``checks`` nor ``files``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from flask import Flask, current_app
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue, RateLimit
from rq.exceptions import DuplicateJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from config import Config, current_config
from errors import QueueAway
from jobs import names, slots
from models import FlowKind, SyncRun
from services.runs import lifecycle
from services.runs.lifecycle import Enqueued
from services.sync.schedule import start_due_runs as make_due_runs

RUN_JOB = "jobs.runs.run"
QUEUES = ("ticks", "checks", "messages", "files", "sync")
RUN_TIMEOUT = 900
"""Seconds that a job may take. A run pauses after a time slice, so only a single endless answer takes this long."""


DISK_FULL = "The disk of the queue is full, so nothing can be started."
FREE_THE_DISK = "Delete files that are not needed, or make the disk larger."


def init_app(app: Flask, config: Config) -> None:
    app.extensions["cartlink.redis"] = Redis.from_url(config.redis_url, socket_connect_timeout=3, health_check_interval=30)


def counting_pool(config: Config) -> ConnectionPool:
    """Connections for counting requests (blueprints/limits.py). A page waits for them, so they fail at once."""
    return ConnectionPool.from_url(config.redis_url, socket_connect_timeout=0.5, socket_timeout=0.5, retry=Retry(NoBackoff(), 0))


def trouble() -> str:
    """What is wrong with the queue, found within half a second; empty if it works. A queue whose disk is full refuses PING."""
    pool = counting_pool(current_config())
    try:
        Redis(connection_pool=pool).ping()
        return ""
    except RedisError as error:
        return f"{DISK_FULL} {FREE_THE_DISK}" if disk_is_full(error) else "It does not answer. Start it, or check REDIS_URL."
    finally:
        pool.disconnect()


def disk_is_full(error: Exception) -> bool:
    """Whether the queue refuses writes because it cannot save its data."""
    return "MISCONF" in str(error)


def _away(error: RedisError, sentence: str, advice: str | None = None) -> QueueAway:
    if disk_is_full(error):
        return QueueAway(DISK_FULL, FREE_THE_DISK)
    return QueueAway(sentence, advice)


def redis_connection() -> Redis:
    found: Redis = current_app.extensions["cartlink.redis"]
    return found


def queue(name: str) -> Queue:
    return Queue(name, connection=redis_connection(), serializer=JSONSerializer, default_timeout=RUN_TIMEOUT)


def enqueue(
    name: str,
    function: str,
    *,
    away: str,
    advice: str | None = None,
    once_as: str | None = None,
    timeout: int = RUN_TIMEOUT,
    failure_ttl: int = 60,
    ttl: int | None = None,
    at_front: bool = False,
    **kwargs: Any,
) -> None:
    """Put a job that is not a sync run on a queue. ``once_as`` is the name of a job that is on the queue at most once (jobs/names.py).
    A waiting job is dropped after ``ttl`` seconds; a tick enqueues it again. A job with ``at_front`` is taken before those that wait.

    It passes RQ's options on by their names, so it has more parameters than other functions.

    Raises QueueAway, with the sentence ``away`` and its advice, if Redis does not answer."""

    def put(found: Queue) -> None:
        found.enqueue(
            function, kwargs=kwargs, job_id=once_as, unique=once_as is not None, job_timeout=timeout, result_ttl=0,
            failure_ttl=failure_ttl, ttl=ttl, at_front=at_front,
        )  # fmt: skip

    try:
        found = queue(name)
        try:
            put(found)
        except DuplicateJobError:
            if once_as is not None and names.free_if_left_behind(found, once_as):
                with suppress(DuplicateJobError):
                    put(found)
    except RedisError as error:
        raise _away(error, away, advice) from None


def others_wait() -> bool:
    """Whether a run, a file, or a person with a check waits for a worker. If the queue does not answer, none does."""
    try:
        return any(queue(name).count > 0 for name in ("sync", "checks", "files"))
    except RedisError:
        return False


def enqueue_run(run_id: int) -> None:
    """``enqueue_runs`` for one run."""
    enqueue_runs([run_id])


def enqueue_runs(run_ids: Sequence[int]) -> None:
    """Put queued runs on the queue, in this order, in one round trip. A run that waits there already, or is parked until its shop has a
    slot, stays as it is. Call it after the commit. Of several processes that call it at once for a run, one enqueues it.

    Each job has another id: the first one claims the run, the others find nothing to do.
    Raises QueueAway if Redis does not answer. The runs' rows stay, and a later tick enqueues them."""
    if not run_ids:
        return
    try:
        sync, most = queue("sync"), current_config().shop_jobs
        found = lifecycle.queued_runs(run_ids)
        waiting = _waiting(sync, [run for run in found if run.enqueues], most)
        noted = {run.run_id: run for run in lifecycle.note_enqueues([run for run in found if run.run_id not in waiting])}
        ordered = [noted[run_id] for run_id in run_ids if run_id in noted]
        slots.enqueue(sync, [_job_of(sync, run, most) for run in ordered])
    except RedisError as error:
        raise _away(error, "The queue does not answer. The run is saved and starts when the queue is back.") from None


def _job_of(sync: Queue, run: Enqueued, most: int) -> Job:
    return sync.create_job(
        RUN_JOB, kwargs={"run_id": run.run_id}, job_id=slots.job_id(run), rate_limit=slots.limit_of(run.shop_id, most),
        meta={"integration_id": run.integration_id}, status=JobStatus.RATE_LIMITED,
        timeout=RUN_TIMEOUT, result_ttl=60, failure_ttl=int(timedelta(days=1).total_seconds()),
    )  # fmt: skip


def _waiting(sync: Queue, runs: Sequence[Enqueued], most: int) -> set[int]:
    """Those of these runs whose last job is on the queue, or waits for a slot of its shop."""
    if not runs:
        return set()
    there = set(sync.job_ids)
    return {
        run.run_id
        for run in runs
        if slots.job_id(run) in there or slots.is_parked(sync.connection, slots.limit_of(run.shop_id, most), slots.job_id(run))
    }


def free_slots(run_ids: Iterable[int]) -> None:
    """Free the slots of these runs' shops: the runs have ended, and their workers can no longer report it. Raises QueueAway."""
    try:
        for limit in {each.key: each for each in map(_limit_of, map(lifecycle.find_run, run_ids))}.values():
            slots.free_slots(redis_connection(), limit)
    except RedisError as error:
        raise _away(error, "The queue does not answer. Waiting runs continue when it is back.") from None


def _limit_of(run: SyncRun) -> RateLimit:
    return slots.limit_of(run.integration.shop_id, current_config().shop_jobs)


def start_run(integration_id: int, kind: str, actor: str) -> SyncRun:
    """Create a run and put it on the queue. Raises what ``services.runs.lifecycle.create_run`` does, and QueueAway after the run is stored."""
    run = lifecycle.start_run(integration_id, kind, actor)
    enqueue_run(run.id)
    return lifecycle.find_run(run.id)


def follow_up(run: SyncRun) -> None:
    """After a run has ended, continue the paused runs of the same integration, and start the stock runs that became due, without waiting
    for the next tick."""
    if run.state != "finished":
        return
    with suppress(QueueAway):
        enqueue_runs(lifecycle.paused_runs(run.integration_id))
        if run.kind != "stock":
            enqueue_runs(make_due_runs(f"run:{run.id}", (FlowKind.STOCK,)))
