"""How many jobs of one shop are on the queue or running at once: RQ's rate limit, corrected when workers die.

RQ parks a job that gets no slot, and puts it on the queue when a slot is free. RQ frees the slot of a killed worker's job only after
a minute or more. The database shows it sooner, so slots are freed here by what the database says.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis import Redis
from rq import Queue, RateLimit
from rq.job import Job
from rq.rate_limit import RateLimitRegistry

from services.runs import lifecycle
from services.runs.lifecycle import Enqueued


def job_id(run: Enqueued) -> str:
    """The id of the job that a run got when it was enqueued last. It contains the time of that: a queue with jobs of an older database,
    where runs had the same ids, has no job of this id."""
    at = int(run.enqueued_at.timestamp() * 1000) if run.enqueued_at is not None else 0
    return f"run-{run.run_id}-{run.enqueues}-{at:x}"


def enqueue(queue: Queue, jobs: Sequence[Job]) -> None:
    """Put jobs with rate limits on a queue in one round trip: what RQ's ``enqueue`` does for one, by the parts that take a pipeline. (Its
    ``enqueue_many`` takes no rate limit.) A job that gets no slot is parked."""
    if not jobs:
        return
    version = queue.get_redis_server_version()
    with queue.connection.pipeline() as pipe:
        pipe.sadd(queue.redis_queues_keys, queue.key)
        for job in jobs:
            registry = RateLimitRegistry.from_job(job)
            most = int(job.rate_limit_concurrency or 1)
            job.redis_server_version = version
            registry.register(most, pipe)
            job.save(pipeline=pipe)
            registry.add_to_rate_limited(job.id, pipe)
            registry.acquire_and_enqueue(most, pipeline=pipe)
        pipe.execute()


def limit_of(shop_id: int, most: int) -> RateLimit:
    """The limit on one shop's jobs: at most ``most`` hold a slot at once."""
    return RateLimit(f"shop-{shop_id}", most)


def is_parked(connection: Redis, limit: RateLimit, job: str) -> bool:
    """Whether a job waits for a slot. Unused slots are freed first."""
    registry = RateLimitRegistry(limit.key, connection)
    if connection.zscore(registry.rate_limited_key, job) is None:
        return False
    free_slots(connection, limit)
    registry.acquire_and_enqueue(limit.concurrency)
    return True


def free_slots(connection: Redis, limit: RateLimit) -> None:
    """Free the slots of jobs whose run has ended, or has another job now."""
    registry = RateLimitRegistry(limit.key, connection)
    held = registry.get_allowed_job_ids()
    needed = {job_id(run) for run in lifecycle.live_runs([_run_id(job) for job in held])}
    for job in held:
        if job not in needed:
            registry.release_and_enqueue(job)


def _run_id(job: str) -> int:
    """The run's id in a job's id; 0 for the id of another job."""
    number = job.split("-")[1:2]
    return int(number[0]) if number and number[0].isdigit() else 0
