"""The tick: releases dead runs, starts what is due, and puts on the queue what ought to be there."""

from __future__ import annotations

from errors import QueueAway
from jobs import enqueue_run, free_slots
from jobs.evaluations import enqueue_due_evaluations
from jobs.figures import note_tick
from jobs.messages import enqueue_due_deliveries
from jobs.privacy import enqueue_due_erasing
from jobs.retention import enqueue_due_forgetting
from jobs.shipment_files import enqueue_due_shipments
from jobs.stock_files import enqueue_due_files
from jobs.watch import watch
from services import far_times, figures, runs, schedule


def tick() -> None:
    """Called by RQ's cron scheduler every few seconds. Any number may run at once: the database decides."""
    far_times.bring_back()
    free_slots(runs.release_dead_runs())
    schedule.start_due_runs()
    for run_id in schedule.waiting_runs():
        enqueue_run(run_id)
    enqueue_due_evaluations()
    enqueue_due_erasing()
    enqueue_due_files()
    enqueue_due_shipments()
    watch()
    enqueue_due_deliveries()
    figures.roll_up()
    enqueue_due_forgetting()
    note_tick()


def start_due_runs() -> list[int]:
    """Start what is due now, without waiting for the next tick; answers with the runs' ids. A queue that is away does not
    matter here: the rows are stored, and a tick enqueues them when it is back."""
    started = schedule.start_due_runs()
    try:
        for run_id in started:
            enqueue_run(run_id)
    except QueueAway:
        pass
    return started
