"""The deletion of old rows as a job, once a day, and after it corrections and fresh statistics."""

from __future__ import annotations

import logging
import time

from jobs import enqueue, signals
from services.listings import kept_columns
from services.operations import retention, statistics
from services.sync import execution

log = logging.getLogger(__name__)


def enqueue_due_forgetting() -> None:
    """Put it on the queue if it is due, at most once. Raises QueueAway."""
    if not retention.is_due():
        return
    enqueue(
        "sync", "jobs.retention.run", once_as="forgetting", failure_ttl=3600, ttl=3600,
        away="The queue does not answer. Old rows are deleted when it is back.",
    )  # fmt: skip


def run() -> None:
    """Delete for one time slice. The next tick enqueues the rest, so that shops do not wait long for this worker."""
    until = time.monotonic() + execution.slice_seconds()
    forgotten = retention.forget_old(lambda: signals.stopping() or time.monotonic() > until)
    log.info(forgotten.sentence())
    if forgotten.whole:
        if corrected := kept_columns.correct(signals.stopping):
            log.info("Columns for lists and searches: %d rows corrected", corrected)
        statistics.refresh()
