"""The tick: releases dead runs, starts due runs, and puts waiting work on the queue."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.exc import InterfaceError, OperationalError

from config import current_config
from errors import QueueAway
from extensions import acting, db
from jobs import enqueue_runs, free_slots, signals
from jobs.evaluations import enqueue_due_evaluations
from jobs.events import enqueue_events
from jobs.exports import enqueue_due_exports
from jobs.feeds import enqueue_due_feeds
from jobs.messages import enqueue_due_deliveries
from jobs.metrics import note_tick
from jobs.order_rows import enqueue_due_order_rows
from jobs.polls import enqueue_due_polls
from jobs.privacy import enqueue_due_erasing
from jobs.retention import enqueue_due_forgetting
from jobs.shipment_files import enqueue_due_shipments
from jobs.stock_files import enqueue_due_files
from jobs.watch import watch
from models.types import utcnow
from services.accounts import token_expiry
from services.monitoring import failing_exports, low_stock, stale_feeds
from services.operations import metrics
from services.runs import lifecycle
from services.stock import released
from services.sync import clock_repair, schedule

log = logging.getLogger(__name__)


def tick() -> None:
    """Called by RQ's cron scheduler every few seconds. Several may run at once: the database decides which one does what."""
    with acting("schedule", "schedule"):
        _tick()


def _release_dead_runs() -> None:
    free_slots(lifecycle.release_dead_runs())


def _enqueue_waiting_runs() -> None:
    enqueue_runs(schedule.waiting_runs())


STEPS: tuple[Callable[[], object], ...] = (
    clock_repair.bring_back, _release_dead_runs, released.catch_up, schedule.skip_idle_stock, schedule.start_due_runs,
    _enqueue_waiting_runs, enqueue_due_polls, enqueue_due_evaluations, enqueue_due_erasing, enqueue_due_files, enqueue_due_feeds,
    enqueue_due_shipments, enqueue_due_exports, watch, token_expiry.warn, low_stock.review, stale_feeds.review, failing_exports.review,
    enqueue_due_deliveries, enqueue_events, metrics.roll_up, enqueue_due_forgetting, enqueue_due_order_rows, note_tick,
)  # fmt: skip
"""What a tick does, in this order."""


def _tick() -> None:
    """A mistake of ours in one step, as at a row that nobody thought of, stops no other; the first one is raised at the end. A queue or a
    database that is away ends the tick, because all steps need both."""
    first: Exception | None = None
    for step in STEPS:
        try:
            step()
        except (QueueAway, OperationalError, InterfaceError):
            raise
        except Exception as mistake:
            db.session.rollback()
            log.exception("%s ended in an unexpected error; the tick goes on", step.__qualname__)
            first = first or mistake
    if first is not None:
        raise first


def tick_on_time() -> None:
    """The tick as a job: shipments that become due before the next tick are sent when they are due, and not up to a tick later. The
    time in which they could be undone has a visible end, and what happens then should not seem to hang."""
    until = time.monotonic() + current_config().tick_seconds
    tick()
    while (due_at := schedule.next_shipments(timedelta(seconds=max(0, until - time.monotonic())))) is not None:
        # In short steps, so that a worker that has to stop can.
        while (wait := (due_at - utcnow()).total_seconds()) > 0 and time.monotonic() < until and not signals.stopping():
            time.sleep(min(wait, 0.25))
        start_due_runs()
        if time.monotonic() >= until or signals.stopping():
            return


def start_due_runs() -> list[int]:
    """Start due runs now, without waiting for the next tick. Returns their ids. If the queue is away, a tick enqueues them later."""
    started = schedule.start_due_runs()
    with contextlib.suppress(QueueAway):
        enqueue_runs(started)
    return started
