"""Files of shipments shipped, as jobs. The file's row is the truth; a tick enqueues what was lost on the way."""

from __future__ import annotations

from contextlib import suppress

from redis.exceptions import RedisError
from rq.exceptions import DuplicateJobError

from errors import QueueAway
from jobs import RUN_TIMEOUT, enqueue_run, queue
from services import schedule, shipment_files


def enqueue_shipments(file_id: int) -> None:
    """Put it on the queue, once however often it is asked for. Raises QueueAway; the row keeps that it is due."""
    try:
        with suppress(DuplicateJobError):
            queue("checks").enqueue(
                "jobs.shipment_files.run", kwargs={"file_id": file_id}, job_id=f"shipment-file-{file_id}", unique=True,
                job_timeout=RUN_TIMEOUT, result_ttl=0, failure_ttl=60,
            )  # fmt: skip
    except RedisError:
        raise QueueAway("The queue does not answer; the orders are shipped when it is back.") from None


def enqueue_due_shipments() -> None:
    for file_id in shipment_files.due_files():
        enqueue_shipments(file_id)


def run(file_id: int) -> None:
    shipment_files.work(file_id)
    for run_id in schedule.start_due_runs(f"file:{file_id}", ("shipments", "stock")):
        enqueue_run(run_id)
