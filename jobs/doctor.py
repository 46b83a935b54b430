"""What is wrong with the queue, and with who works on it; and the whole examination, one part after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import current_app
from redis.exceptions import RedisError

from errors import QueueAway
from jobs import QUEUES, redis_connection
from jobs.figures import QueueFigures, read_queue
from models.types import utcnow
from services import doctor
from services.doctor import Finding, bad, good, warn

OLDEST = {"redis": (6, 2), "valkey": (7, 2)}
DEEP = 1000
"""Jobs on a queue, from which on more workers are wanted."""


def examine() -> Iterator[Finding]:
    """Every finding, in the order in which things depend on each other."""
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
        told: dict[str, Any] = connection.info("everything")
        figures = read_queue()
    except (RedisError, QueueAway) as trouble:
        why = str(trouble.__cause__ or trouble).splitlines()[0][:150].rstrip(".")
        yield bad("queue", f"The queue does not answer: {why}.", "Start it, or check REDIS_URL.")
        return
    yield _version(told)
    yield doctor.skew_finding("queue", skew)
    yield _persistence(told)
    yield _eviction(told)
    yield from _workers(figures)
    yield _ticks(figures)
    yield _depth(figures)


def _version(told: dict[str, Any]) -> Finding:
    kind = told.get("server_name", "redis")
    version = str(told.get(f"{kind}_version") or told.get("redis_version", "0"))
    least = OLDEST.get(kind, OLDEST["redis"])
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < least:
        wanted = ".".join(map(str, least))
        return bad("queue", f"The queue is {kind.capitalize()} {version}.", f"Cartlink needs {wanted} or later.")
    return good("queue", f"{kind.capitalize()} {version} answers.")


def _persistence(told: dict[str, Any]) -> Finding:
    if told.get("loading"):
        return warn("queue's file", "The queue is still reading its file.", "Wait until it has.")
    if told.get("aof_enabled"):
        if told.get("aof_last_write_status", "ok") != "ok":
            return bad("queue's file", "The queue cannot write its append-only file.", "Look at its disk and its log.")
        return good("queue's file", "The queue keeps an append-only file.")
    return warn(
        "queue's file", "The queue keeps no append-only file: started anew it is empty, and what waited comes half a minute later.",
        "Set appendonly yes. Nothing is lost either way.",
    )  # fmt: skip


def _eviction(told: dict[str, Any]) -> Finding:
    policy, most, used = told.get("maxmemory_policy", ""), int(told.get("maxmemory", 0)), int(told.get("used_memory", 0))
    if policy not in ("noeviction", ""):
        return bad(
            "queue's memory", f"The queue throws jobs away when its memory is full (maxmemory-policy {policy}).",
            "Set maxmemory-policy noeviction, and let nothing else use this server as a cache.",
        )  # fmt: skip
    if most and used > 0.9 * most:
        return bad("queue's memory", f"The queue's memory is {100 * used // most} % full.", "Raise maxmemory.")
    return good("queue's memory", f"The queue uses {used / 2**20:.0f} MB and throws nothing away.")


def _workers(figures: QueueFigures) -> Iterator[Finding]:
    for name in QUEUES:
        listening = [worker for worker in figures.workers if name in worker.queues]
        command = "worker.py ticks" if name == "ticks" else f"worker.py {' '.join(each for each in QUEUES if each != 'ticks')}"
        if not listening:
            yield bad("workers", f"No worker listens to the queue {name}.", f"Start one: python {command}")
            continue
        silent = [worker for worker in listening if worker.heard > 120]
        if len(silent) == len(listening):
            yield bad("workers", f"Every worker of the queue {name} has been silent for two minutes.", "Restart them.")
        elif name == "ticks" and all(len(worker.queues) > 1 for worker in listening):
            yield warn(
                "workers", "Ticks have no worker of their own, and wait behind long work.", "Start one: python worker.py ticks"
            )
        else:
            hosts = len({worker.host for worker in listening})
            yield good("workers", f"{len(listening)} on {hosts} machine{'s' if hosts > 1 else ''} listen to the queue {name}.")


def _ticks(figures: QueueFigures) -> Finding:
    every = current_app.config["CARTLINK"].tick_seconds
    if not figures.schedulers:
        return bad("scheduler", "No scheduler is running, so nothing is started by itself.", "Start one: python worker.py cron")
    if figures.ticked is None or figures.ticked > 3 * every + 30:
        since = "There has been no tick" if figures.ticked is None else f"The last tick was {figures.ticked:.0f} s ago"
        return bad("scheduler", f"{since}, though a scheduler runs.", "Look at the log of the worker that listens to ticks.")
    return good("scheduler", f"It ticks; the last time was {figures.ticked:.0f} s ago.")


def _depth(figures: QueueFigures) -> Finding:
    waiting = ", ".join(f"{count} on {name}" for name, count in figures.depth.items())
    failed = sum(figures.failed.values())
    if failed:
        return warn(
            "jobs",
            f"{failed} jobs have ended badly of late; {waiting} wait.",
            "Look at the workers' log; their runs go on by themselves.",
        )
    if max(figures.depth.values()) > DEEP:
        return warn("jobs", f"Waiting jobs: {waiting}.", "Start more workers, if this lasts.")
    return good("jobs", f"Waiting jobs: {waiting}.")
