"""Names of jobs: of one name at most one job waits or is worked on.

RQ keeps the job of a killed worker for two minutes or more, and for ever where the worker died after it had taken the job and before it began.
What the worker reports shows sooner that nobody does the job any more; its name is then given to the next one. That job may do the
same as one whose worker only seems dead: the database decides which of them does what.
"""

from __future__ import annotations

from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus

MONITORED_EVERY = 5
"""Seconds between two reports of a worker while it does a job."""
KEPT_LONGER = 60
"""Seconds that RQ keeps such a worker beyond its next report."""
SILENT = 20
"""Seconds without a report after which a worker counts as dead."""
REMEMBERED = 86_400
"""Seconds for which the queue remembers when a job was first seen as taken and not begun."""


def free_if_left_behind(queue: Queue, name: str) -> bool:
    """Free the name of a job that nobody does any more. Returns whether it was freed. A job that has failed keeps its name as long as RQ keeps
    the job, so that what fails is not tried without a pause. Raises RedisError."""
    try:
        job = Job.fetch(name, connection=queue.connection, serializer=queue.serializer)
    except NoSuchJobError:
        return True
    if not _is_left_behind(queue, job):
        return False
    job.delete()
    return True


def _is_left_behind(queue: Queue, job: Job) -> bool:
    status = job.get_status(refresh=False)
    if status == JobStatus.QUEUED:
        # It may wait on another queue than the one on which it is to be put now.
        waits = queue.connection.lpos(f"{queue.redis_queue_namespace_prefix}{job.origin}", job.id) is not None
        return not waits and _seen_taken_for(queue, job) >= SILENT
    # The time that is left to a worker is counted by the queue, so clocks that differ do not matter.
    return status == JobStatus.STARTED and _seconds_left(queue, job) < MONITORED_EVERY + KEPT_LONGER - SILENT


def _seen_taken_for(queue: Queue, job: Job) -> int:
    """Seconds since this was first asked of a job that was taken from its queue and has not begun. A worker that lives begins it after a
    moment, when its work horse is there; until then the job looks like one whose worker has died."""
    key = f"cartlink:taken:{job.id}:{job.enqueued_at}"
    queue.connection.set(key, 1, nx=True, ex=REMEMBERED)
    return REMEMBERED - int(queue.connection.ttl(key))


def _seconds_left(queue: Queue, job: Job) -> int:
    """Until RQ forgets the worker of a job; negative if it has."""
    return int(queue.connection.ttl(f"{Worker.redis_worker_namespace_prefix}{job.worker_name}"))
