"""Events: positions for what was committed, and deliveries. A tick gives out a few thousand positions at once; for more it puts a job on
the queue. Deliveries are always jobs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from flask import current_app

from jobs import enqueue, signals
from services.common.batches import batches
from services.events import deliveries, sequencer

AT_ONCE = 3000
SLICE = 30.0
"""Seconds that a job goes on. The next tick enqueues another."""
AT_A_TIME = 12
"""Endpoints in one job."""
TIMEOUT = 150
"""Seconds that a job may take: longer than its slice and the calls that have begun."""
AWAY = "The queue does not answer. Events are given out when it is back."


def enqueue_events() -> None:
    """Give positions to what was committed since the last tick. Raises QueueAway."""
    if sequencer.give_positions(AT_ONCE) >= AT_ONCE:
        enqueue("messages", "jobs.events.give_positions", once_as="event-positions", ttl=60, away=AWAY)
    enqueue_due_deliveries()


def give_positions() -> None:
    until = time.monotonic() + SLICE
    while not signals.stopping() and time.monotonic() < until:
        if sequencer.give_positions(AT_ONCE) == 0:
            return


def enqueue_due_deliveries() -> None:
    """Put jobs on the queue for the endpoints that have something to get. Raises QueueAway."""
    due = deliveries.due_endpoints()
    for ids in batches(due, AT_A_TIME):
        name = "events-" + "-".join(map(str, ids))
        enqueue("messages", "jobs.events.deliver", once_as=name, timeout=TIMEOUT, ttl=60, away=AWAY, endpoint_ids=ids)


def deliver(endpoint_ids: list[int]) -> None:
    """Send to these endpoints side by side, one thread each, so that a slow one delays no other."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def work(endpoint_id: int) -> int:
        with app.app_context():
            return deliveries.work(endpoint_id, SLICE, signals.stopping)

    with ThreadPoolExecutor(len(endpoint_ids)) as pool:
        list(pool.map(work, endpoint_ids))
