"""The evaluation of stored orders after a change of settings, as a job."""

from __future__ import annotations

from jobs import enqueue
from services.integrations import settings


def enqueue_evaluation(integration_id: int) -> None:
    """Put it on the queue, at most once. Raises QueueAway; the database keeps it due."""
    enqueue(
        "checks", "jobs.evaluations.run", once_as=f"evaluation-{integration_id}", integration_id=integration_id,
        away="The queue does not answer. The stored orders are evaluated when it is back.",
    )  # fmt: skip


def enqueue_due_evaluations() -> None:
    for integration_id in settings.due_evaluations():
        enqueue_evaluation(integration_id)


def run(integration_id: int) -> None:
    settings.evaluate_if_due(integration_id)
