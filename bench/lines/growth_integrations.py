"""What a tick and the list page cost as integrations grow from 10 to 1,000.

*The tick* in which nothing is due should not notice how many there are; the one in which the orders of all are due starts a run
for each and puts it on the queue. *The list page* shows fifty rows at most, so it is measured from fifty on.
"""

from __future__ import annotations

import contextvars
from datetime import timedelta

from flask import Flask
from sqlalchemy import func, select, update

import jobs.schedule
from bench.frame import Measured
from bench.growth import fitted, processor_seconds, spread_sizes
from bench.lines.pages import BROWSER, LIST, fill
from bench.pairs import in_child
from bench.place import Place, let_go
from extensions import db, writing
from models import Flow, FlowKind, OrderRhythm, SyncRun
from models.types import utcnow
from services.events import sequencer
from services.shops.flows import AT_ONCE
from tests.support.signed_in import sign_in


def measure_tick(place: Place) -> Measured:
    return _figure(place, "tick")


def measure_due_tick(place: Place) -> Measured:
    return _figure(place, "due")


def measure_list(place: Place) -> Measured:
    return _figure(place, "list")


def _figure(place: Place, name: str) -> Measured:
    found = place.once("growth of integrations", lambda: _measure(place))
    return fitted({size: costs[name] for size, costs in found.items() if name in costs})


def _measure(place: Place) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    times = place.full_or_quick(15, 3)
    most = place.full_or_quick(1_000, 200)
    for size in sorted({*spread_sizes(10, most, 3), 50, most // 4}):
        with place.installation(REDIS_URL=place.fresh_queue(), REQUESTS_PER_MINUTE="100000") as app:
            fill(size)
            _nothing_due()
            _order_events()
            let_go()
            costs = {"tick": in_child(_tick, times), "due": in_child(_due_tick, size)}
            if size >= 50:
                costs["list"] = contextvars.Context().run(in_child, _list, app, times)
            found[size] = costs
    return found


def _order_events() -> None:
    """What filling has put into the log of events is work of other ticks."""
    while sequencer.give_positions():
        pass


def _nothing_due() -> None:
    with writing() as session:
        later = utcnow() + timedelta(hours=1)
        session.execute(update(Flow).where(Flow.kind.in_(AT_ONCE)).values(due_at=later))
        session.execute(update(OrderRhythm).where(OrderRhythm.due_at.is_not(None)).values(due_at=later))


def _tick(times: int) -> float:
    # The first one begins to listen for silent shops, and would have all of them looked at.
    jobs.schedule.tick()
    _nothing_due()
    jobs.schedule.tick()
    return processor_seconds(jobs.schedule.tick, times)


def _due_tick(size: int) -> float:
    with writing() as session:
        session.execute(update(Flow).where(Flow.kind == FlowKind.ORDERS).values(due_at=utcnow()))

    def ticks() -> None:
        # A tick starts 500 runs at most.
        for _ in range(-(-size // 500)):
            jobs.schedule.tick()

    taken = processor_seconds(ticks)
    started = db.session.scalar(select(func.count()).select_from(SyncRun))
    if started != size:
        raise RuntimeError(f"{started} of {size} runs were started.")
    return taken


def _list(app: Flask, times: int) -> float:
    client = app.test_client()
    sign_in(client, "owner")

    def ask() -> None:
        answer = client.get(LIST, headers=BROWSER)
        if answer.status_code != 200:
            raise RuntimeError(f"The list of integrations answered {answer.status}.")

    ask()
    return processor_seconds(ask, times * 2)
