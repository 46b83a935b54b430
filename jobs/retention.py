"""The forgetting of what is old as a job, once a day."""

from __future__ import annotations

import logging
import time

from jobs import enqueue, signals
from services import retention, sync

log = logging.getLogger(__name__)


def enqueue_due_forgetting() -> None:
    """Put it on the queue where it is due, once however often it is asked for. Raises QueueAway."""
    if not retention.is_due():
        return
    enqueue(
        "sync", "jobs.retention.run", once_as="forgetting", failure_ttl=3600, ttl=3600,
        away="The queue does not answer; what is old is forgotten when it is back.",
    )  # fmt: skip


def run() -> None:
    """A slice of it; what is left is enqueued by the next tick, so that no worker is kept from shops for long."""
    until = time.monotonic() + sync.slice_seconds()
    log.info(retention.forget_old(lambda: signals.stopping() or time.monotonic() > until).sentence())
