"""The job of every sync run, of any kind: work on the run for one time slice, then start what has become due."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from errors import QueueAway
from jobs import enqueue_run, enqueue_runs, follow_up, others_wait, signals
from services.events import deliveries
from services.feeds import runs as feed_runs
from services.orders import export_deliveries
from services.runs import lifecycle
from services.shipping import files
from services.stock import files as stock_files
from services.sync import execution, polls

log = logging.getLogger("cartlink.worker")

SHARE_WHERE_OTHERS_WAIT = 1 / 6
"""How much of a time slice a run gets while other runs, or people with checks, wait for a worker."""


def run(run_id: int) -> None:
    """Work on a run. A run that is finished, or that another worker has claimed, is left alone."""
    worked_on = execution.work(run_id, slice_seconds=execution.slice_seconds(), stopping=_turn())
    if worked_on is None:
        return
    if worked_on.state == "queued" and worked_on.not_before is None:
        enqueue_run(worked_on.id)
    follow_up(worked_on)
    if worked_on.state == "finished":
        polls.plan(worked_on)


def _turn() -> Callable[[], bool]:
    """A function that says when the run has to pause: the worker stops, or others wait and this run has had its share. A run gets a whole
    time slice only while no other run and no person waits. One worker takes no checks, so a check may wait for the other one while that
    is in the middle of a run."""
    over = time.monotonic() + execution.slice_seconds() * SHARE_WHERE_OTHERS_WAIT

    def is_over() -> bool:
        return signals.stopping() or (time.monotonic() > over and others_wait())

    return is_over


def return_leases() -> None:
    """Return the leases that this worker and its work horse hold, so that the next worker continues at once. Call it when the
    worker ends. If the database or the queue is away, the work continues once the leases have expired."""
    try:
        stock_files.return_files()
        files.return_files()
        feed_runs.return_runs()
        deliveries.return_endpoints()
        export_deliveries.return_targets()
        returned = lifecycle.return_runs()
        for run_id in returned:
            log.info("The lease of run %s is returned", run_id)
        enqueue_runs(returned)
    except (SQLAlchemyError, QueueAway) as trouble:
        log.warning("Leases cannot be returned now, so work continues once they expire: %s", type(trouble).__name__)
