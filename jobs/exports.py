"""Deliveries of saved exports, one job for each export. The database says what is due; a job carries an export's id."""

from __future__ import annotations

from jobs import enqueue, signals
from services.orders import export_deliveries

TIMEOUT = 600
"""Seconds that a job may take: a large file is made first, and then sent within export_sending.FILE_SECONDS."""
AWAY = "The queue does not answer. Exports are delivered when it is back."


def enqueue_due_exports() -> None:
    """Put a job on the queue for each export of which something is due. Raises QueueAway."""
    for export_id in export_deliveries.due_exports():
        enqueue_export(export_id)


def enqueue_export(export_id: int) -> None:
    """Raises QueueAway; a tick enqueues it later."""
    enqueue(
        "files", "jobs.exports.deliver", once_as=f"export-{export_id}", timeout=TIMEOUT, ttl=60, away=AWAY, export_id=export_id
    )  # fmt: skip


def deliver(export_id: int) -> None:
    export_deliveries.work(export_id, signals.stopping)
