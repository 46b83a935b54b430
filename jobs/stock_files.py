"""Stock files read and applied, as jobs. The file's row is the truth; a tick enqueues what was lost on the way."""

from __future__ import annotations

from jobs import enqueue, enqueue_run
from services import schedule, stock_files


def enqueue_file(file_id: int) -> None:
    """Put it on the queue, once however often it is asked for. Raises QueueAway; the row keeps that it is due."""
    enqueue(
        "checks", "jobs.stock_files.run", once_as=f"stock-file-{file_id}", file_id=file_id,
        away="The queue does not answer; the file is read when it is back.",
    )  # fmt: skip


def enqueue_due_files() -> None:
    for file_id in stock_files.due_files():
        enqueue_file(file_id)


def run(file_id: int) -> None:
    stock_files.work(file_id)
    for run_id in schedule.start_due_runs(f"file:{file_id}", ("stock",)):
        enqueue_run(run_id)
