"""``flask sync``: start a run of one kind for one integration, in a worker or in this process."""

from __future__ import annotations

import sys
from typing import Any

import click

import jobs
from cli import progress
from cli.actors import actor
from cli.failures import Failed, Group, note
from cli.output import say
from errors import AlreadyRunning
from models import SyncRun
from services.common.text import plural
from services.runs import lifecycle as runs_lifecycle
from services.shops import finding

HELP = {
    "orders": "Download new and changed orders.",
    "stock": "Send changed quantities to the shop, after its orders.",
    "listings": "Read the shop's products and variants.",
    "shipments": "Send shipments to the shop.",
    "reconciliation": "Compare the shop's yesterday with what is stored.",
}

group = Group("sync", help="Start a sync run: orders, stock, listings, shipments, reconciliation.")


def _command(kind: str) -> Any:
    @group.command(kind, help=HELP[kind])
    @click.argument("name")
    @click.option("--now", is_flag=True, help="Do the run in this process instead of a worker.")
    def sync(name: str, now: bool) -> None:
        integration = finding.find_integration(name)
        if now:
            sync_now(integration.id, integration.name, kind)
        else:
            enqueue(integration.id, integration.name, kind)

    return sync


def enqueue(integration_id: int, name: str, kind: str) -> None:
    """Write only the run's id to standard output, for scripts. A terminal also gets a sentence."""
    run = jobs.start_run(integration_id, kind, actor())
    click.echo(run.id)
    if sys.stderr.isatty():
        note(f"{name}: {kind} are in the queue. `flask --app app runs show {run.id}` shows its progress.")


def sync_now(integration_id: int, name: str, kind: str) -> None:
    """Take the run from the queue, or watch it to its end if a worker has it already."""
    try:
        run_id = runs_lifecycle.start_run(integration_id, kind, actor()).id
    except AlreadyRunning as under_way:
        if not under_way.run_id:
            # It was started and ended in the meantime.
            raise
        run_id = under_way.run_id
    run = progress.perform(run_id, f"{name}: {kind}")
    say(summary(run))
    jobs.follow_up(run)
    if run.outcome == "waiting":
        say(f"This needs your approval: `flask --app app stock preview {name!r}`.")
    elif run.outcome != "done":
        raise Failed(blame(run))


def summary(run: SyncRun) -> str:
    """One line: the outcome of the run and its counts."""
    counts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in run.counts.items())
    counts = f"; {counts}" if counts else ""
    return f"Run {run.id} ({run.kind}): {run.outcome}{counts}; {plural(run.requests, 'request')}."


def blame(run: SyncRun) -> str:
    """Why a run was not done completely."""
    if run.error:
        return f"{run.error} {run.advice}"
    if run.outcome == "stopped":
        return "The run was stopped."
    if not any(run.counts.get(name) for name in ("failed", "refused", "unreadable")) and run.warnings:
        return run.warnings[-1]
    return f"Some rows could not be handled. `flask --app app runs show {run.id}` lists them."


for one in HELP:
    _command(one)

group.renamed("receipts", "reconciliation")
