"""Mails and webhook calls, sent by workers on a queue of their own, each with a time limit. The outbox is the truth; a job carries
a delivery's id and nothing else."""

from __future__ import annotations

from contextlib import suppress

from redis.exceptions import RedisError
from rq.exceptions import DuplicateJobError

from errors import QueueAway
from jobs import queue
from services import outbox

TIMEOUT = 120
"""Seconds; shorter than the outbox's lease, so that nobody else takes over what is still being sent."""
WAITING_TTL = 60
"""Seconds after which a job that waits is forgotten, to be enqueued anew by a tick."""
MOST_WAITING = 20
"""Jobs on the queue at once: a mail server that lets everybody wait must not fill the workers."""


def enqueue_due_deliveries() -> None:
    """Put on the queue what is due, the oldest first. Raises QueueAway."""
    due = outbox.due_deliveries()
    if not due:
        return
    try:
        messages = queue("messages")
        for delivery_id in due[: max(0, MOST_WAITING - messages.count)]:
            with suppress(DuplicateJobError):
                messages.enqueue(
                    "jobs.messages.run", kwargs={"delivery_id": delivery_id}, job_id=f"delivery-{delivery_id}", unique=True,
                    job_timeout=TIMEOUT, result_ttl=0, failure_ttl=60, ttl=WAITING_TTL,
                )  # fmt: skip
    except RedisError:
        raise QueueAway("The queue does not answer; messages are sent when it is back.") from None


def run(delivery_id: int) -> None:
    outbox.send(delivery_id)
