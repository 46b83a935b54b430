"""Polls of quiet shops, in batches, and runs for the shops that have changed something (services/sync/polls.py)."""

from __future__ import annotations

import time

from jobs import enqueue, enqueue_runs, signals
from models import FlowKind
from services.sync import polls, schedule

SLICE = 30.0
"""Seconds after which a job begins no further batch. The next tick enqueues another."""
WAITING_TTL = 60
"""Seconds after which a waiting job is dropped; a tick enqueues it again, if anything is due then."""
FOR_ONE_JOB = 1_000
"""Due shops for which one job is enough: a process polls about a hundred a second."""
MOST_JOBS = 16
AWAY = "The queue does not answer; shops are polled when it is back."


def enqueue_due_polls() -> None:
    """Put a job on the queue for the quick shops and one for the slow ones, where any is due, and further ones where one job has more to do
    than it polls in a few seconds: so any number of workers shares the polls. Raises QueueAway."""
    # A job waits for the last shops of its last batch.
    timeout = int(2 * SLICE + polls.claimed_for().total_seconds())
    for slow in (False, True):
        due = polls.count_due(slow, MOST_JOBS * FOR_ONE_JOB)
        for number in range(-(-due // FOR_ONE_JOB)):
            name = f"polls-{'slow' if slow else 'quick'}-{number}"
            enqueue("sync", "jobs.polls.run", once_as=name, at_front=True, timeout=timeout, ttl=WAITING_TTL, away=AWAY, slow=slow)


def run(slow: bool) -> None:
    """Poll what is due, batch by batch, and start runs where a shop has changed something."""
    until = time.monotonic() + SLICE

    def more() -> bool:
        return not signals.stopping() and time.monotonic() < until

    for changed in polls.poll(slow, more):
        if changed:
            enqueue_runs(schedule.start_due_runs(kinds=(FlowKind.ORDERS,)))
