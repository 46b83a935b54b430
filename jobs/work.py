"""What every run's job does: work a slice, put the run back where it gave way, start what became due by it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from errors import QueueAway
from jobs import enqueue_run, follow_up, others_wait, signals
from services import runs, shipment_files, stock_files, sync

log = logging.getLogger("cartlink.worker")

SHARE_WHERE_OTHERS_WAIT = 1 / 6
"""How much of a slice a run gets while others wait."""


def work_on_run(run_id: int) -> None:
    """A job's whole body. A run that somebody else has claimed, or that is over, is left alone."""
    run = sync.work(run_id, slice_seconds=sync.slice_seconds(), stopping=_turn())
    if run is None:
        return
    if run.state == "queued" and run.not_before is None:
        enqueue_run(run.id)
    follow_up(run)


def _turn() -> Callable[[], bool]:
    """Says when a run has to give way: the worker is to stop, or others wait and it has had its turn. A shop with much to do
    works for a whole slice only where nobody waits for the worker."""
    over = time.monotonic() + sync.slice_seconds() * SHARE_WHERE_OTHERS_WAIT

    def is_over() -> bool:
        return signals.stopping() or (time.monotonic() > over and others_wait())

    return is_over


def give_back() -> None:
    """A worker's last act: what its work horse was at when it was ended goes on with the next worker at once, and not when
    the lease has run out. What cannot be given back now waits for that."""
    try:
        stock_files.give_back()
        shipment_files.give_back()
        for run_id in runs.give_back():
            log.info("run %s is given back", run_id)
            enqueue_run(run_id)
    except (SQLAlchemyError, QueueAway) as trouble:
        log.warning("What was under way cannot be given back now and goes on later: %s", type(trouble).__name__)
