"""``flask sync``: a run of one kind for one integration, on the queue or in place."""

from __future__ import annotations

import sys
from typing import Any

import click

import jobs
from cli import progress
from cli.failures import Failed, Group, note
from cli.inputs import actor
from cli.output import say
from errors import AlreadyRunning
from models import SyncRun
from services import integrations, runs

HELP = {
    "orders": "Download new and changed orders.",
    "stock": "Send changed quantities to the shop, after its orders.",
    "listings": "Read the shop's products and variants.",
    "shipments": "Tell the shop what was shipped here.",
    "receipts": "Compare the shop's yesterday with what is stored.",
}

group = Group("sync", help="Start a sync run: orders, stock, listings, shipments, receipts.")


def _command(kind: str) -> Any:
    @group.command(kind, help=HELP[kind])
    @click.argument("name")
    @click.option("--now", is_flag=True, help="Do it here and now instead of leaving it to the workers.")
    def sync(name: str, now: bool) -> None:
        integration = integrations.find_integration(name)
        if now:
            sync_now(integration.id, integration.name, kind)
        else:
            enqueue(integration.id, integration.name, kind)

    return sync


def enqueue(integration_id: int, name: str, kind: str) -> None:
    """The run's id alone goes to standard output, for scripts; a person on a terminal gets a sentence beside it."""
    run = jobs.start_run(integration_id, kind, actor())
    click.echo(run.id)
    if sys.stderr.isatty():
        note(f"{name}: {kind} are in the queue. `flask --app app runs show {run.id}` tells how it goes.")


def sync_now(integration_id: int, name: str, kind: str) -> None:
    """A run that waits in the queue is taken from there; one that a worker has already is watched to its end."""
    try:
        run_id = runs.start_run(integration_id, kind, actor()).id
    except AlreadyRunning as under_way:
        if not under_way.run_id:
            # It was started and ended while we asked.
            raise
        run_id = under_way.run_id
    run = progress.perform(run_id, f"{name}: {kind}")
    say(summary(run))
    jobs.follow_up(run)
    if run.outcome == "waiting":
        say(f"A preview waits for you: `flask --app app stock preview {name!r}`.")
    elif run.outcome != "done":
        raise Failed(blame(run))


def summary(run: SyncRun) -> str:
    """One line: what the run came to and what it counted."""
    counts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in run.counts.items())
    counts = f"; {counts}" if counts else ""
    requests = "1 request" if run.requests == 1 else f"{run.requests} requests"
    return f"Run {run.id} ({run.kind}): {run.outcome}{counts}; {requests}."


def blame(run: SyncRun) -> str:
    """Why a run did not come to its end."""
    if run.error:
        return f"{run.error} {run.advice}"
    if run.outcome == "stopped":
        return "The run was stopped."
    if not run.counts.get("failed") and not run.counts.get("unreadable") and run.warnings:
        return run.warnings[-1]
    return f"Some rows could not be handled. `flask --app app runs show {run.id}` lists them."


for one in HELP:
    _command(one)
