"""The doctor's findings about the queue and its workers, and all findings in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from redis.exceptions import RedisError

from config import current_config
from errors import QueueAway
from jobs import QUEUES, redis_connection
from jobs.metrics import QueueMetrics, read_queue
from models.types import utcnow
from services.operations import doctor
from services.operations.doctor import Finding, bad, good, warn

OLDEST = {"redis": (6, 2), "valkey": (7, 2)}
DEEP = 1000
"""More waiting jobs than this need more workers."""


def examine() -> Iterator[Finding]:
    """Every finding, in the order in which parts depend on each other."""
    yield from doctor.look_at_settings()
    yield from doctor.look_at_files()
    yield from doctor.look_at_database()
    yield from look_at_queue()
    yield from doctor.look_at_mail()


def look_at_queue() -> Iterator[Finding]:
    connection = redis_connection()
    try:
        before = utcnow()
        seconds, microseconds = connection.time()
        skew = doctor.since_epoch(seconds, microseconds) - before - (utcnow() - before) / 2
        info: dict[str, Any] = connection.info("everything")
        metrics = read_queue()
    except (RedisError, QueueAway) as trouble:
        why = str(trouble.__cause__ or trouble).splitlines()[0][:150].rstrip(".")
        yield bad("queue", f"The queue does not answer: {why}.", "Start it, or check REDIS_URL.")
        return
    yield _version(info)
    yield doctor.skew_finding("queue", skew)
    yield _persistence(info)
    yield _eviction(info)
    yield from _workers(metrics)
    yield _ticks(metrics)
    yield _depth(metrics)


def _version(info: dict[str, Any]) -> Finding:
    kind = info.get("server_name", "redis")
    version = str(info.get(f"{kind}_version") or info.get("redis_version", "0"))
    least = OLDEST.get(kind, OLDEST["redis"])
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < least:
        needed = ".".join(map(str, least))
        return bad("queue", f"The queue is {kind.capitalize()} {version}.", f"Cartlink needs {needed} or later.")
    return good("queue", f"{kind.capitalize()} {version} answers.")


def _persistence(info: dict[str, Any]) -> Finding:
    if info.get("loading"):
        return warn("queue's file", "The queue is still reading its file.", "Wait until it has.")
    if info.get("aof_enabled"):
        if info.get("aof_last_write_status", "ok") != "ok":
            return bad("queue's file", "The queue cannot write its append-only file.", "Look at its disk and its log.")
        return good("queue's file", "The queue keeps an append-only file.")
    return warn(
        "queue's file", "The queue keeps no append-only file. After a restart it is empty, and waiting jobs are enqueued again half a minute later.",
        "Set appendonly yes. Nothing is lost either way.",
    )  # fmt: skip


def _eviction(info: dict[str, Any]) -> Finding:
    policy, most, used = info.get("maxmemory_policy", ""), int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if policy not in ("noeviction", ""):
        return bad(
            "queue's memory", f"The queue drops jobs when its memory is full (maxmemory-policy {policy}).",
            "Set maxmemory-policy noeviction, and let nothing else use this server as a cache.",
        )  # fmt: skip
    if most and used > 0.9 * most:
        return bad("queue's memory", f"The queue's memory is {100 * used // most} % full.", "Raise maxmemory.")
    return good("queue's memory", f"The queue uses {used / 2**20:.0f} MB and drops nothing.")


def _workers(metrics: QueueMetrics) -> Iterator[Finding]:
    for name in QUEUES:
        listening = [worker for worker in metrics.workers if name in worker.queues]
        command = "worker.py ticks" if name == "ticks" else f"worker.py {' '.join(each for each in QUEUES if each != 'ticks')}"
        if not listening:
            yield bad("workers", f"No worker listens to the queue {name}.", f"Start one: python {command}")
            continue
        silent = [worker for worker in listening if worker.heard > 120]
        if len(silent) == len(listening):
            yield bad("workers", f"Every worker of the queue {name} has been silent for two minutes.", "Restart them.")
        elif name == "ticks" and all(len(worker.queues) > 1 for worker in listening):
            yield warn("workers", "Ticks have no separate worker and wait behind long work.", "Start one: python worker.py ticks")
        else:
            hosts = len({worker.host for worker in listening})
            yield good("workers", f"{len(listening)} on {hosts} machine{'s' if hosts > 1 else ''} listen to the queue {name}.")


def _ticks(metrics: QueueMetrics) -> Finding:
    every = current_config().tick_seconds
    if not metrics.schedulers:
        return bad("scheduler", "No scheduler is running, so no run starts automatically.", "Start one: python worker.py cron")
    if metrics.ticked is None or metrics.ticked > 3 * every + 30:
        since = "There has been no tick" if metrics.ticked is None else f"The last tick was {metrics.ticked:.0f} s ago"
        return bad("scheduler", f"{since}, though a scheduler runs.", "Look at the log of the worker that listens to ticks.")
    return good("scheduler", f"It works; the last tick was {metrics.ticked:.0f} s ago.")


def _depth(metrics: QueueMetrics) -> Finding:
    waiting = ", ".join(f"{count} on {name}" for name, count in metrics.depth.items())
    failed = sum(metrics.failed.values())
    if failed:
        return warn(
            "jobs",
            f"{failed} jobs have failed recently; {waiting} wait.",
            "Look at the workers' log. Their runs continue automatically.",
        )
    if max(metrics.depth.values()) > DEEP:
        return warn("jobs", f"Waiting jobs: {waiting}.", "Start more workers, if this lasts.")
    return good("jobs", f"Waiting jobs: {waiting}.")
