"""Mails and webhook calls, sent by workers on a queue of their own, each with a time limit. The outbox is the truth; a job carries
a delivery's id and nothing else."""

from __future__ import annotations

from redis.exceptions import RedisError

from errors import QueueAway
from jobs import enqueue, queue
from services import outbox

TIMEOUT = 120
"""Seconds; shorter than the outbox's lease, so that nobody else takes over what is still being sent."""
WAITING_TTL = 60
"""Seconds after which a job that waits is forgotten, to be enqueued anew by a tick."""
AWAY = "The queue does not answer; messages are sent when it is back."
MOST_WAITING = 20
"""Jobs on the queue at once: a mail server that lets everybody wait must not fill the workers."""


def enqueue_due_deliveries() -> None:
    """Put on the queue what is due, the oldest first. Raises QueueAway."""
    due = outbox.due_deliveries()
    if not due:
        return
    try:
        room = max(0, MOST_WAITING - queue("messages").count)
    except RedisError:
        raise QueueAway(AWAY) from None
    for delivery_id in due[:room]:
        enqueue(
            "messages", "jobs.messages.run", once_as=f"delivery-{delivery_id}", timeout=TIMEOUT, ttl=WAITING_TTL, away=AWAY,
            delivery_id=delivery_id,
        )  # fmt: skip


def run(delivery_id: int) -> None:
    outbox.send(delivery_id)
