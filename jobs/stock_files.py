"""The reading and applying of stock files, as jobs. The file's row is the truth; a tick enqueues a lost job again."""

from __future__ import annotations

from jobs import enqueue, enqueue_runs
from models import FlowKind
from services.stock import files
from services.sync import schedule


def enqueue_file(file_id: int) -> None:
    """Put it on the queue, at most once. Raises QueueAway; the row keeps it due."""
    enqueue(
        "checks", "jobs.stock_files.run", once_as=f"stock-file-{file_id}", file_id=file_id,
        away="The queue does not answer. The file is read when it is back.",
    )  # fmt: skip


def enqueue_due_files() -> None:
    for file_id in files.due_files():
        enqueue_file(file_id)


def run(file_id: int) -> None:
    files.work(file_id)
    enqueue_runs(schedule.start_due_runs(f"file:{file_id}", (FlowKind.STOCK,)))
