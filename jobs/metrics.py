"""Metrics of the queue: how many jobs wait, which workers there are, when the last tick was."""

from __future__ import annotations

import time
from dataclasses import dataclass

from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.cron_scheduler_registry import get_registry_key
from rq.defaults import DEFAULT_CRON_SCHEDULER_TTL
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from errors import QueueAway
from jobs import QUEUES, redis_connection

TICKED = "cartlink:ticked"
"""The time of the last tick, in seconds since 1970 by this machine's clock. It is lost with the queue and written by the next tick."""


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """``heard`` is the number of seconds since its last sign of life."""

    name: str
    host: str
    queues: tuple[str, ...]
    state: str
    heard: float


@dataclass(frozen=True, slots=True)
class QueueMetrics:
    """``ticked`` is the number of seconds since the last tick, None if the queue knows of none."""

    depth: dict[str, int]
    failed: dict[str, int]
    workers: tuple[WorkerSeen, ...]
    schedulers: int
    ticked: float | None


def note_tick() -> None:
    """Raises QueueAway."""
    try:
        redis_connection().set(TICKED, f"{time.time():.3f}")
    except RedisError:
        raise QueueAway("The queue does not answer.") from None


def read_queue() -> QueueMetrics:
    """Raises QueueAway."""
    connection = redis_connection()
    try:
        queues = {name: Queue(name, connection=connection, serializer=JSONSerializer) for name in QUEUES}
        ticked = connection.get(TICKED)
        return QueueMetrics(
            depth={name: queue.count for name, queue in queues.items()},
            failed={name: FailedJobRegistry(queue=queue).get_job_count(cleanup=False) for name, queue in queues.items()},
            workers=tuple(_workers()),
            schedulers=_schedulers(),
            ticked=max(0.0, time.time() - float(ticked)) if ticked is not None else None,
        )
    except RedisError:
        raise QueueAway("The queue does not answer.") from None


def _workers() -> list[WorkerSeen]:
    found = []
    for worker in Worker.all(connection=redis_connection(), serializer=JSONSerializer):
        heard = time.time() - worker.last_heartbeat.timestamp() if worker.last_heartbeat else float("inf")
        found.append(
            WorkerSeen(worker.name, worker.hostname or "", tuple(worker.queue_names()), str(worker.get_state()), max(0.0, heard))
        )
    return found


def _schedulers() -> int:
    """The number of schedulers with a sign of life within two minutes; a killed one stays on RQ's list for a while."""
    since = time.time() - DEFAULT_CRON_SCHEDULER_TTL
    return int(redis_connection().zcount(get_registry_key(), since, "+inf"))
