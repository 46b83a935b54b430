"""The forgetting of what is old as a job, once a day."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from redis.exceptions import RedisError
from rq.exceptions import DuplicateJobError

from errors import QueueAway
from jobs import RUN_TIMEOUT, queue, signals
from services import retention, sync

log = logging.getLogger(__name__)


def enqueue_due_forgetting() -> None:
    """Put it on the queue where it is due, once however often it is asked for. Raises QueueAway."""
    if not retention.is_due():
        return
    try:
        with suppress(DuplicateJobError):
            queue("sync").enqueue(
                "jobs.retention.run", job_id="forgetting", unique=True, job_timeout=RUN_TIMEOUT, result_ttl=0, failure_ttl=3600,
                ttl=3600,
            )  # fmt: skip
    except RedisError:
        raise QueueAway("The queue does not answer; what is old is forgotten when it is back.") from None


def run() -> None:
    """A slice of it; what is left is enqueued by the next tick, so that no worker is kept from shops for long."""
    until = time.monotonic() + sync.slice_seconds()
    log.info(retention.forget_old(lambda: signals.stopping() or time.monotonic() > until).sentence())
