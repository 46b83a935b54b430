"""A look-up in a shop, as a job. A page waits for it, so it uses the queue of checks."""

from __future__ import annotations

from jobs import enqueue
from services.orders import lookups

LOOKUP_TIMEOUT = 240
"""Seconds; the look-up itself stops after half of that."""


def enqueue_lookup(lookup_id: int) -> None:
    """Raises QueueAway."""
    enqueue(
        "checks", "jobs.lookups.run", timeout=LOOKUP_TIMEOUT, failure_ttl=3600, lookup_id=lookup_id,
        away="The shop cannot be asked now, because the queue does not answer.", advice="Try again in a minute.",
    )  # fmt: skip


def run(lookup_id: int) -> None:
    lookups.work(lookup_id)
