"""What a person asks of shops, as a job: their page waits, so it goes to the queue of checks."""

from __future__ import annotations

from redis.exceptions import RedisError

from errors import QueueAway
from jobs import queue
from services import lookups

LOOKUP_TIMEOUT = 240
"""Seconds; asking itself gives up after half of that."""


def enqueue_lookup(lookup_id: int) -> None:
    """Raises QueueAway: then nobody answers, and the page says so."""
    try:
        queue("checks").enqueue(
            "jobs.lookups.run", kwargs={"lookup_id": lookup_id}, job_timeout=LOOKUP_TIMEOUT, result_ttl=0, failure_ttl=3600
        )
    except RedisError:
        raise QueueAway("The shop cannot be asked now, because the queue does not answer.", "Try again in a minute.") from None


def run(lookup_id: int) -> None:
    lookups.work(lookup_id)
