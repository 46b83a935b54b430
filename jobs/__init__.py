"""Queues and enqueueing. With ``worker.py`` and the other modules of this package, the only users of ``rq``.

The database is the truth; a job carries a run's id and nothing else. JSON, not pickle: whoever can write to the queue must
not be able to run code here. Of one shop at most SHOP_JOBS jobs are on the queue or at work at once (jobs/slots.py), so that a
shop with much to do neither is overrun nor keeps the workers from the others. Four queues: ``ticks`` (never
behind long work), ``checks`` (a person waits), ``messages`` (mails and webhook calls), ``sync`` (runs).
"""

from __future__ import annotations

from collections.abc import Iterable
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
from rq.job import Job
from rq.serializers import JSONSerializer

from config import Config
from errors import QueueAway
from jobs import slots
from models import SyncRun
from services import runs
from services.schedule import start_due_runs as make_due_runs

QUEUES = ("ticks", "checks", "messages", "sync")
RUN_TIMEOUT = 900
"""Seconds a job may take. A run gives way after a slice, so only a single endless answer comes near this."""


ENQUEUE_TRIES = 50
"""Job ids tried for one run."""


def init_app(app: Flask, config: Config) -> None:
    app.extensions["cartlink.redis"] = Redis.from_url(config.redis_url, socket_connect_timeout=3, health_check_interval=30)


def counting_pool(config: Config) -> ConnectionPool:
    """Connections for what counts requests (blueprints/limits.py). A page waits for it, so it gives up at once."""
    return ConnectionPool.from_url(config.redis_url, socket_connect_timeout=0.5, socket_timeout=0.5, retry=Retry(NoBackoff(), 0))


def answers() -> bool:
    """Whether the queue answers, within half a second."""
    pool = counting_pool(current_app.config["CARTLINK"])
    try:
        return bool(Redis(connection_pool=pool).ping())
    except RedisError:
        return False
    finally:
        pool.disconnect()


def redis_connection() -> Redis:
    return current_app.extensions["cartlink.redis"]


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
    **kwargs: Any,
) -> None:
    """Put a job that is no sync run on a queue. ``once_as`` is a job's name of which there is one at a time, however often it is
    asked for; ``ttl`` the seconds after which one that waits is forgotten, to be enqueued anew by a tick.

    Raises QueueAway, with the sentence ``away`` and its advice, where Redis does not answer."""
    try:
        with suppress(DuplicateJobError):
            queue(name).enqueue(
                function, kwargs=kwargs, job_id=once_as, unique=once_as is not None, job_timeout=timeout, result_ttl=0,
                failure_ttl=failure_ttl, ttl=ttl,
            )  # fmt: skip
    except RedisError:
        raise QueueAway(away, advice) from None


def others_wait() -> bool:
    """Whether a run waits for a worker. A queue that does not answer has nobody waiting."""
    try:
        return queue("sync").count > 0
    except RedisError:
        return False


def enqueue_run(run_id: int) -> None:
    """Put a queued run on the queue; a run that waits there already, or is parked until its shop has a slot, stays as it is.
    Call it after the commit.

    Each time it gets a job id of its own: whichever job comes first claims the run, the others find nothing to do.
    Raises QueueAway where Redis does not answer. The run's row stays, and the next tick enqueues it."""
    try:
        sync = queue("sync")
        run = runs.find_run(run_id)
        limit = _limit_of(run)
        if run.enqueues and _waits(sync, run, limit):
            return
        for _ in range(ENQUEUE_TRIES):
            run = runs.note_enqueue(run_id)
            if run is None:
                return
            # A job id may be taken where a new database meets a queue that remembers an older one: the next is free.
            if Job.exists(slots.job_id(run), connection=sync.connection):
                continue
            sync.enqueue(
                f"jobs.{run.kind}.run", kwargs={"run_id": run.id}, job_id=slots.job_id(run), rate_limit=limit,
                meta={"integration_id": run.integration_id},
                job_timeout=RUN_TIMEOUT, result_ttl=60, failure_ttl=int(timedelta(days=1).total_seconds()),
            )  # fmt: skip
            return
    except RedisError:
        raise QueueAway("The queue does not answer; the run is kept and starts when it is back.") from None


def free_slots(run_ids: Iterable[int]) -> None:
    """Let the next jobs of these runs' shops go on: the runs have ended, and whoever worked on them may not say so any more.
    Raises QueueAway."""
    try:
        for limit in {each.key: each for each in map(_limit_of, map(runs.find_run, run_ids))}.values():
            slots.free_slots(redis_connection(), limit)
    except RedisError:
        raise QueueAway("The queue does not answer; what waits goes on when it is back.") from None


def _waits(sync: Queue, run: SyncRun, limit: RateLimit) -> bool:
    job = slots.job_id(run)
    return sync.get_job_position(job) is not None or slots.is_parked(sync.connection, limit, job)


def _limit_of(run: SyncRun) -> RateLimit:
    return slots.limit_of(run.integration.shop_id, current_app.config["CARTLINK"].shop_jobs)


def start_run(integration_id: int, kind: str, actor: str) -> SyncRun:
    """Make a run and put it on the queue. Raises what ``services.runs.start_run`` does, and QueueAway after the run is stored."""
    run = runs.start_run(integration_id, kind, actor)
    enqueue_run(run.id)
    return runs.find_run(run.id)


def follow_up(run: SyncRun) -> None:
    """After a run has ended: go on with those of the same integration that gave way to it, before the schedule starts its like
    again, and start the pushes it made due, without waiting for the next tick."""
    if run.state != "finished":
        return
    with suppress(QueueAway):
        for run_id in runs.that_gave_way(run.integration_id):
            enqueue_run(run_id)
        if run.kind != "stock":
            for run_id in make_due_runs(f"run:{run.id}", ("stock",)):
                enqueue_run(run_id)
