"""What looks after integrations by itself: incidents reviewed with the ticks; probes and looks at silent shops as jobs."""

from __future__ import annotations

from contextlib import suppress

from redis.exceptions import RedisError
from rq.exceptions import DuplicateJobError

from errors import QueueAway
from jobs import queue
from services import incidents, probes, silence

TIMEOUT = 300
"""Seconds; a probe takes at most fifteen, one slow page of orders as long as TOTAL_TIMEOUT."""
WAITING_TTL = 600


def watch() -> None:
    """Called with every tick: bring incidents in line with what is known, and have shops asked that are to be asked.
    Raises QueueAway."""
    if incidents.is_due():
        incidents.review()
        silence.begin_listening()
    for what, ids in (("probe", probes.due_probes()), ("look", silence.due_looks())):
        for integration_id in ids:
            _enqueue(what, integration_id)


def _enqueue(what: str, integration_id: int) -> None:
    try:
        with suppress(DuplicateJobError):
            queue("sync").enqueue(
                f"jobs.watch.{what}", kwargs={"integration_id": integration_id}, job_id=f"{what}-{integration_id}", unique=True,
                job_timeout=TIMEOUT, result_ttl=0, failure_ttl=60, ttl=WAITING_TTL,
            )  # fmt: skip
    except RedisError:
        raise QueueAway("The queue does not answer; shops are asked when it is back.") from None


def probe(integration_id: int) -> None:
    probes.probe(integration_id)


def look(integration_id: int) -> None:
    silence.look(integration_id)
