"""Mails, sent by workers from a separate queue, each with a time limit. The outbox is the truth; a job carries a
delivery's id and nothing else."""

from __future__ import annotations

from redis.exceptions import RedisError

from errors import QueueAway
from jobs import enqueue, queue
from services.notify import outbox

TIMEOUT = 120
"""Seconds; shorter than the outbox's lease, so that no other worker claims what is still being sent."""
WAITING_TTL = 60
"""Seconds after which a waiting job is dropped; a tick enqueues it again."""
AWAY = "The queue does not answer. Messages are sent when it is back."
MOST_WAITING = 20
"""Jobs on the queue at once: a slow mail server must not keep all workers busy."""


def enqueue_due_deliveries() -> None:
    """Put due deliveries on the queue, the oldest first. Raises QueueAway."""
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
