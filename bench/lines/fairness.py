"""Whether one huge shop keeps a thousand small ones waiting.

A thousand and one practice shops behind one port answer over HTTP, 20 ms an answer. A thousand have three new orders each; one
has 20,000 orders to catch up, 2,000 listings to read and its stock to be started and pushed. All become due at the same moment,
the huge one first, as when the schedule was away for a while. Four of RQ's workers work on the real queue, with claims, leases,
slices and the limit of jobs per shop, while a scheduler ticks every second; the workers do not fork for each job, which would
cost more here than the jobs. How long each small shop waits until its orders are stored is taken from its run.

The same is done without the huge shop, before and after. The figure is how long the 99th of a hundred small shops waits with it,
against the mean without.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from statistics import mean
from typing import Any

import rq
from flask import Flask
from rq.serializers import JSONSerializer
from sqlalchemy import insert, select, update
from sqlalchemy.exc import OperationalError

import jobs
import jobs.schedule
from bench.frame import Measured, NotMeasured
from bench.pairs import FORK
from bench.place import Place, let_go
from extensions import db, writing
from models import FlowKind, Integration, Shop, SyncRun
from models.types import utcnow
from services.security import vault
from services.shops import flows

WORKERS = 4
TICK = 1.0
HUGE = 1
"""The huge shop's id, and its integration's."""
FIRST_DONE = (
    SyncRun.integration_id != HUGE, SyncRun.kind == FlowKind.ORDERS, SyncRun.state == "finished", SyncRun.outcome == "done",
)  # fmt: skip


def measure(place: Place) -> Measured:
    small = place.full_or_quick(1_000, 60)
    shops = place.processes.start(
        [sys.executable, "-m", "bench.many_shops", "--small", str(small), "--huge-orders", str(place.full_or_quick(20_000, 1_000)),
         "--huge-products", str(place.full_or_quick(2_000, 200))]
    )  # fmt: skip
    shops.wait_for("Practice shops ready at", 120)
    words = shops.output().split("Practice shops ready at ", 1)[1].split()
    address, key = words[0], words[2]
    waits: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    did: dict[str, Any] = {}
    for with_huge in (False, True, False):
        with place.installation(REDIS_URL=place.fresh_queue(), ORDER_PAGE_SIZE="100") as app:
            due = _fill(address, key, small, with_huge)
            let_go()
            with _workers(app):
                _tick_until_done(small)
            waits[with_huge].append(_described(_waited(due)))
            if with_huge:
                did = _of_the_huge_one()
    shops.stop()
    [beside] = waits[True]
    return Measured(
        beside["p99_s"] / mean(alone["p99_s"] for alone in waits[False]),
        {"small_shops": small, "workers": WORKERS, "without_the_huge_one": waits[False], "with_the_huge_one": beside,
         "the_huge_one": did},
    )  # fmt: skip


def _fill(address: str, key: str, small: int, with_huge: bool) -> datetime:
    """All integrations, due now; answers with when."""
    now = utcnow()
    later, long_ago = now + timedelta(days=1), now - timedelta(days=400)
    names = {HUGE: "huge"} | {HUGE + number: f"small-{number}" for number in range(1, small + 1)}
    with writing() as session:
        session.execute(
            insert(Shop), [{"id": row, "kind": "xcart", "address": f"{address}/{name}"} for row, name in names.items()]
        )
        session.execute(
            insert(Integration),
            [
                {"id": row, "shop_id": row, "kind": "xcart", "name": name, "name_key": name, "endpoint": f"{address}/{name}",
                 "generation": "addon", "key_encrypted": vault.encrypt(key), "orders_since": long_ago, "health": "connected",
                 "processed_status": "S", "work_statuses": [["P", "*"], ["A", "*"]]}
                for row, name in names.items()
            ],
        )  # fmt: skip
        for row in names:
            due = {kind: now if kind == FlowKind.ORDERS else later for kind in flows.AT_ONCE}
            if row == HUGE and with_huge:
                due = dict.fromkeys(flows.AT_ONCE, now - timedelta(seconds=1))
            for kind, flow in flows.new_flows(None).items():
                flow.integration_id, flow.due_at = row, due.get(kind)
                flow.enabled = kind != FlowKind.STOCK or (row == HUGE and with_huge)
                session.add(flow)
        if not with_huge:
            session.execute(update(Integration).where(Integration.id == HUGE).values(enabled=False))
    return now


@contextmanager
def _workers(app: Flask) -> Iterator[None]:
    workers = [FORK.Process(target=_work, args=(app,), daemon=True) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.join(10)


def _work(app: Flask) -> None:
    logging.getLogger("rq.worker").setLevel(logging.WARNING)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with app.app_context():
        queue = jobs.queue("sync")
        worker = rq.SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer, name=f"bench-{os.getpid()}")
        worker.work(logging_level="WARNING")


def _tick_until_done(small: int, seconds: float = 300) -> None:
    """Tick as the scheduler does until each small shop's orders are stored."""
    deadline = time.monotonic() + seconds
    done = select(db.func.count(SyncRun.integration_id.distinct())).where(*FIRST_DONE)
    while (db.session.scalar(done) or 0) < small:
        if time.monotonic() > deadline:
            raise NotMeasured(
                f"{db.session.scalar(done)} of {small} small shops had their orders after {seconds:g} s. {_others()}"
            )
        started = time.monotonic()
        with suppress(OperationalError):
            jobs.schedule.tick()
        db.session.rollback()
        time.sleep(max(0.0, TICK - (time.monotonic() - started)))


def _others() -> str:
    """How the runs of small shops ended that did not read all orders, for the sentence on why nothing was measured."""
    query = select(SyncRun.outcome, SyncRun.error, db.func.count()).where(
        SyncRun.integration_id != HUGE, SyncRun.state == "finished", SyncRun.outcome != "done"
    )
    rows = db.session.execute(query.group_by(SyncRun.outcome, SyncRun.error)).all()
    return "; ".join(f"{number} runs ended {outcome} ({error})" for outcome, error, number in rows)


def _waited(due: datetime) -> list[float]:
    """How long each small shop waited for the first run that read its orders. A run that had to be tried again counts as waiting."""
    query = select(db.func.min(SyncRun.finished_at)).where(*FIRST_DONE).group_by(SyncRun.integration_id)
    return sorted((finished_at - due).total_seconds() for finished_at in db.session.scalars(query))


def _of_the_huge_one() -> dict[str, Any]:
    """How far it has come meanwhile."""
    sums = (db.func.count(), db.func.sum(SyncRun.done), db.func.sum(SyncRun.enqueues))
    query = select(SyncRun.kind, *sums).where(SyncRun.integration_id == HUGE).group_by(SyncRun.kind)
    return {kind: {"runs": runs, "rows": rows, "slices": slices} for kind, runs, rows, slices in db.session.execute(query)}


def _described(waits: Sequence[float]) -> dict[str, float]:
    def at(share: float) -> float:
        return round(waits[min(len(waits) - 1, int(share * len(waits)))], 2)

    return {"median_s": at(0.5), "p99_s": at(0.99), "worst_s": round(waits[-1], 2)}
