"""What every run's job does: work a slice, put the run back where it gave way, start what became due by it."""

from __future__ import annotations

from jobs import enqueue_run, follow_up, signals
from services import sync


def work_on_run(run_id: int) -> None:
    """A job's whole body. A run that somebody else has claimed, or that is over, is left alone."""
    run = sync.work(run_id, slice_seconds=sync.slice_seconds(), stopping=signals.stopping)
    if run is None:
        return
    if run.state == "queued" and run.not_before is None:
        enqueue_run(run.id)
    follow_up(run)
