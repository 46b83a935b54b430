"""Start runs from commands. They are stored first, then enqueued: without the queue they only start later."""

from __future__ import annotations

import jobs
from cli.actors import actor
from cli.failures import note
from cli.output import say
from errors import AlreadyRunning, QueueAway
from models import FlowKind
from services.sync import schedule


def start_runs(integration_id: int, kinds: tuple[str, ...]) -> None:
    """Start a run of each kind, or name the one that is running. Raises what ``services.runs.lifecycle.start_run`` does."""
    started = []
    away = ""
    for kind in kinds:
        try:
            started.append(f"{kind} (run {jobs.start_run(integration_id, kind, actor()).id})")
        except AlreadyRunning as under_way:
            started.append(f"{kind} (run {under_way.run_id})")
        except QueueAway as trouble:
            away = trouble.sentence()
    if started:
        say(f"Started: {', '.join(started)}.")
    if away:
        note(away)


def start_due_pushes() -> None:
    """Start the stock runs that have become due. What cannot be enqueued now is enqueued by the next tick."""
    _start_due(FlowKind.STOCK)


def start_due_write_backs() -> None:
    """As ``start_due_pushes``, for shipment updates."""
    _start_due(FlowKind.SHIPMENTS)


def _start_due(kind: FlowKind) -> None:
    started = schedule.start_due_runs(actor(), (kind,))
    try:
        jobs.enqueue_runs(started)
    except QueueAway as trouble:
        note(trouble.sentence())
        return
    if started:
        say(f"Started: {', '.join(f'{kind} (run {run_id})' for run_id in started)}.")
