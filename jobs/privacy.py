"""The erasing of customers' data as a job, once an hour where it is switched on."""

from __future__ import annotations

from contextlib import suppress

from redis.exceptions import RedisError
from rq.exceptions import DuplicateJobError

from errors import QueueAway
from jobs import RUN_TIMEOUT, queue
from services import privacy


def enqueue_due_erasing() -> None:
    """Put it on the queue where it is due, once however often it is asked for. Raises QueueAway."""
    if not privacy.is_due():
        return
    try:
        with suppress(DuplicateJobError):
            queue("checks").enqueue(
                "jobs.privacy.run", job_id="erasing", unique=True, job_timeout=RUN_TIMEOUT, result_ttl=0, failure_ttl=60
            )
    except RedisError:
        raise QueueAway("The queue does not answer; customers' data is erased when it is back.") from None


def run() -> None:
    privacy.erase_due()
