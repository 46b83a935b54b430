"""How much more memory a worker takes for a shop of 50,000 products than it takes idle: pages are streamed, not collected.

A real ``worker.py`` on a Valkey and a practice shop of that size works through the first runs: listings read, stock items
started and linked, all of it compared; then 2,000 stock items are changed and pushed. The scheduler's tick is called here.
The figure is the highest mark of resident memory of any of its work horses (VmHWM of Linux, which counts the pages shared with
the worker as well), less the resident memory of the idle worker before the first job. One product in five hundred has variants:
which product a variant belongs to costs a request each, and the channel sends 1,200 a minute at most.
"""

from __future__ import annotations

import random
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

import jobs
import jobs.schedule
from bench.frame import Measured
from bench.lines.stock_push import change_stock, pushable
from bench.place import Place, connect, let_go, process_environment
from errors import AlreadyRunning
from extensions import db
from models import SyncRun

MIB = 1024
"""Kilobytes, which /proc counts in."""

PAUSE = 0.02
TICK = 2.0


def measure(place: Place) -> Measured:
    products, changes = place.full_or_quick(50_000, 2_000), place.full_or_quick(2_000, 200)
    shop = place.shop(products=products, orders=100, variant_share=0.002)
    with place.installation(REDIS_URL=place.queue) as app:
        integration_id = connect(shop, safety_limit_percent=100)
        worker = place.processes.start(
            [sys.executable, "worker.py", "checks", "sync"], env=process_environment(app, LOG_LEVEL="INFO")
        )
        worker.wait_for("Listening on")
        time.sleep(1)
        watch = _Watch(worker.pid)
        stages: dict[str, Any] = {}
        for stage, kind in (("listings", "listings"), ("first_push", "stock"), ("push", "stock")):
            if stage == "push":
                change_stock(random.Random(place.seed).sample(pushable(), changes), random.Random(place.seed))
            started = time.monotonic()
            counts = _work(integration_id, kind, watch)
            stages[stage] = {
                "peak_mib": round(watch.take_peak() / MIB, 1),
                "seconds": round(time.monotonic() - started, 1),
                **counts,
            }
        worker.stop()
    if stages["push"].get("sent") != changes or stages["listings"].get("new", 0) < products:
        raise RuntimeError(f"The worker did something else: {stages}")
    peak = max(stage["peak_mib"] for stage in stages.values())
    return Measured(
        peak - watch.idle / MIB,
        {"products": products, "changes": changes, "idle_mib": round(watch.idle / MIB, 1), "peak_mib": peak, "stages": stages},
    )


class _Watch:
    """The memory of one worker and of whatever it forks, in kilobytes."""

    def __init__(self, pid: int):
        self.pid = pid
        self.idle = _memory(pid, "VmRSS")
        self._peak = 0

    def look(self) -> None:
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with suppress(OSError):
                for child in (task / "children").read_text().split():
                    self._peak = max(self._peak, _memory(int(child), "VmHWM"))

    def take_peak(self) -> int:
        peak, self._peak = self._peak, 0
        return peak


def _memory(pid: int, name: str) -> int:
    """A line of /proc/PID/status; 0 for a process that has just ended."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().split(f"{name}:", 1)[1].split()[0])
    return 0


def _work(integration_id: int, kind: str, watch: _Watch) -> dict[str, int]:
    """Have the worker do one kind of run and whatever follows from it; answers with what was counted for that kind,
    by its own runs or as a step of others: two runs share one reading of the listings if both want it."""
    last = db.session.scalar(select(db.func.max(SyncRun.id))) or 0
    with suppress(AlreadyRunning):
        jobs.start_run(integration_id, kind, "bench")
    next_tick = time.monotonic() + TICK
    while True:
        watch.look()
        time.sleep(PAUSE)
        if time.monotonic() >= next_tick:
            next_tick = time.monotonic() + TICK
            # A tick that meets a busy database is none; the next comes soon.
            with suppress(OperationalError):
                jobs.schedule.tick()
            db.session.rollback()
            if not db.session.scalar(select(SyncRun.id).where(SyncRun.live).limit(1)):
                break
            let_go()
    counts: dict[str, int] = {}
    query = select(SyncRun.kind, SyncRun.outcome, SyncRun.error, SyncRun.counts, SyncRun.steps).where(SyncRun.id > last)
    for done, outcome, error, found, steps in db.session.execute(query):
        if outcome != "done":
            raise RuntimeError(f"A run of {done} ended {outcome}: {error}")
        own = found if done == kind else steps.get(kind, {}).get("counts", {})
        for name, number in own.items():
            counts[name] = counts.get(name, 0) + number
    let_go()
    return counts
