"""How many jobs of one shop are on the queue or at work at once: RQ's rate limit, kept true where workers die.

A job that gets no slot is parked by RQ and goes on the queue when one is free. RQ frees the slot of a killed worker's job
only when it notices, after a minute or more; the database knows sooner, and by it slots are freed here.
"""

from __future__ import annotations

from redis import Redis
from rq import RateLimit
from rq.rate_limit import RateLimitRegistry

from models import SyncRun
from services import runs


def job_id(run: SyncRun) -> str:
    """The name of the job that a run has got by being enqueued for the latest time."""
    return f"run-{run.id}-{run.enqueues}"


def limit_of(shop_id: int, most: int) -> RateLimit:
    """The limit on one shop's jobs; ``most`` may hold a slot at once."""
    return RateLimit(f"shop-{shop_id}", most)


def is_parked(connection: Redis, limit: RateLimit, job: str) -> bool:
    """Whether a job waits for a slot. Slots that nobody needs are freed first, so asking again and again heals."""
    registry = RateLimitRegistry(limit.key, connection)
    if connection.zscore(registry.rate_limited_key, job) is None:
        return False
    free_slots(connection, limit)
    registry.acquire_and_enqueue(limit.concurrency)
    return True


def free_slots(connection: Redis, limit: RateLimit) -> None:
    """Take the slots back from jobs whose run has ended, or has got another job meanwhile."""
    registry = RateLimitRegistry(limit.key, connection)
    held = registry.get_allowed_job_ids()
    needed = {job_id(run) for run in runs.live_runs([_run_id(job) for job in held])}
    for job in held:
        if job not in needed:
            registry.release_and_enqueue(job)


def _run_id(job: str) -> int:
    """The other way round; 0 for a job of another name, which no run has."""
    number = job.split("-")[1:2]
    return int(number[0]) if number and number[0].isdigit() else 0
