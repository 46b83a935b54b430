"""Stock files read and applied, as jobs. The file's row is the truth; a tick enqueues what was lost on the way."""

from __future__ import annotations

from contextlib import suppress

from redis.exceptions import RedisError
from rq.exceptions import DuplicateJobError

from errors import QueueAway
from jobs import RUN_TIMEOUT, enqueue_run, queue
from services import schedule, stock_files


def enqueue_file(file_id: int) -> None:
    """Put it on the queue, once however often it is asked for. Raises QueueAway; the row keeps that it is due."""
    try:
        with suppress(DuplicateJobError):
            queue("checks").enqueue(
                "jobs.stock_files.run", kwargs={"file_id": file_id}, job_id=f"stock-file-{file_id}", unique=True,
                job_timeout=RUN_TIMEOUT, result_ttl=0, failure_ttl=60,
            )  # fmt: skip
    except RedisError:
        raise QueueAway("The queue does not answer; the file is read when it is back.") from None


def enqueue_due_files() -> None:
    for file_id in stock_files.due_files():
        enqueue_file(file_id)


def run(file_id: int) -> None:
    stock_files.work(file_id)
    for run_id in schedule.start_due_runs(f"file:{file_id}", ("stock",)):
        enqueue_run(run_id)
