"""Stored orders read again after a change of settings, as a job."""

from __future__ import annotations

from jobs import enqueue
from services import integration_settings

WAITING_TTL = 60
"""Seconds after which a job that waits is forgotten and enqueued anew by a tick: a worker killed just after it took one from
the queue leaves it neither waiting nor at work."""


def enqueue_evaluation(integration_id: int) -> None:
    """Put it on the queue, once however often it is asked for. Raises QueueAway; the database keeps that it is due."""
    enqueue(
        "checks", "jobs.evaluations.run", once_as=f"evaluation-{integration_id}", ttl=WAITING_TTL, integration_id=integration_id,
        away="The queue does not answer; the stored orders are read again when it is back.",
    )  # fmt: skip


def enqueue_due_evaluations() -> None:
    for integration_id in integration_settings.due_evaluations():
        enqueue_evaluation(integration_id)


def run(integration_id: int) -> None:
    integration_settings.evaluate_if_due(integration_id)
