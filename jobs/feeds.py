"""The fetching of suppliers' feeds, as jobs. The runs' rows are the truth; a tick enqueues a lost job again."""

from __future__ import annotations

from jobs import enqueue, enqueue_runs, signals
from models import FlowKind
from services.feeds import runs, staleness
from services.sync import schedule

TIMEOUT = 1800
"""Seconds. A fetch may take as long as ``FileLimits.total_seconds``, and a first file of half a million rows some minutes."""
AWAY = "The queue does not answer. The feed is fetched when it is back."


def enqueue_run(run_id: int, queue: str = "checks") -> None:
    """Put a run of a feed on a queue, at most once: the one of what a person waits for, by default. Raises QueueAway; the row keeps it due."""
    enqueue(queue, "jobs.feeds.run", once_as=f"feed-run-{run_id}", timeout=TIMEOUT, run_id=run_id, away=AWAY)


def enqueue_due_feeds() -> None:
    """Called by each tick: start due runs and put all that wait on the queue, and the feeds that have become stale."""
    runs.start_due()
    for run_id in runs.due_runs():
        enqueue_run(run_id, "files")
    for feed_id in staleness.due_feeds():
        enqueue("sync", "jobs.feeds.mark_stale", once_as=f"feed-stale-{feed_id}", timeout=TIMEOUT, feed_id=feed_id, away=AWAY)


def run(run_id: int) -> None:
    runs.work(run_id, signals.stopping)
    enqueue_runs(schedule.start_due_runs(f"feed:{run_id}", (FlowKind.STOCK,)))


def mark_stale(feed_id: int) -> None:
    staleness.work(feed_id)
    enqueue_runs(schedule.start_due_runs("schedule", (FlowKind.STOCK,)))
