"""Stored orders read again after a change of settings, as a job."""

from __future__ import annotations

from contextlib import suppress

from redis.exceptions import RedisError
from rq.exceptions import DuplicateJobError

from errors import QueueAway
from jobs import RUN_TIMEOUT, queue
from services import integration_settings

WAITING_TTL = 60
"""Seconds after which a job that waits is forgotten and enqueued anew by a tick: a worker killed just after it took one from
the queue leaves it neither waiting nor at work."""


def enqueue_evaluation(integration_id: int) -> None:
    """Put it on the queue, once however often it is asked for. Raises QueueAway; the database keeps that it is due."""
    try:
        with suppress(DuplicateJobError):
            queue("checks").enqueue(
                "jobs.evaluations.run", kwargs={"integration_id": integration_id}, job_id=f"evaluation-{integration_id}",
                unique=True, job_timeout=RUN_TIMEOUT, result_ttl=0, failure_ttl=60, ttl=WAITING_TTL,
            )  # fmt: skip
    except RedisError:
        raise QueueAway("The queue does not answer; the stored orders are read again when it is back.") from None


def enqueue_due_evaluations() -> None:
    for integration_id in integration_settings.due_evaluations():
        enqueue_evaluation(integration_id)


def run(integration_id: int) -> None:
    integration_settings.evaluate_if_due(integration_id)
