"""The erasing of customers' data as a job, once an hour if it is switched on."""

from __future__ import annotations

from jobs import enqueue
from services.operations import privacy


def enqueue_due_erasing() -> None:
    """Put it on the queue if it is due, at most once. Raises QueueAway."""
    if not privacy.is_due():
        return
    enqueue(
        "checks",
        "jobs.privacy.run",
        once_as="erasing",
        away="The queue does not answer; customers' data is erased when it is back.",
    )


def run() -> None:
    privacy.erase_due()
