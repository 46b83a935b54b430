"""``flask exports``: saved exports of orders, their files, and what was delivered."""

from __future__ import annotations

import sys
from contextlib import closing, nullcontext
from pathlib import Path

import click

from cli.actors import actor
from cli.failures import Failed, Group
from cli.output import Column, Row, all_pages, json_option, say, write_rows
from errors import InvalidInput
from models import ExportDelivery, OrderExport
from services.common import timetable
from services.common.batches import stamp
from services.orders import export_deliveries, export_files, export_filters, export_records, export_targets, exports

EXPORTS = (
    Column("NAME", "name", most=40), Column("ROWS", "by"), Column("FORMAT", "format"), Column("DELIVERED TO", "to", most=60), Column("WHEN", "when", most=60),
    Column("NEXT", "next_at"), Column("LAST", "delivered_at"), Column("TROUBLE", "error", most=80),
)  # fmt: skip
DELIVERIES = (
    Column("ID", "id", right=True), Column("AT", "at"), Column("STATE", "state"), Column("ORDERS", "orders", right=True), Column("FILE", "file"),
    Column("TO", "to", most=60), Column("BY", "by"), Column("TROUBLE", "error", most=80),
)  # fmt: skip
group = Group("exports", help="Saved exports of orders: list, run, deliver, deliveries.")


@group.command("list")
@json_option
def show_list(as_json: bool) -> None:
    """List the saved exports, by name, with where and when they are delivered."""
    rows = exports.list_saved()
    last = export_records.last_done([row.id for row in rows])
    write_rows(
        [[{**_object(row), "delivered_at": stamp(last.get(row.id))} for row in rows]], EXPORTS, as_json=as_json,
        nothing="There are no saved exports. Save one on the page ‘Export orders’.",
    )  # fmt: skip


def _object(row: OrderExport) -> Row:
    found: Row = {
        "name": row.name,
        "by": row.by,
        "format": row.format,
        "columns": row.columns,
        "to": "",
        "when": "",
        "next_at": None,
        "error": "",
    }
    target = export_targets.find_target(row.id)
    if target is None:
        return found
    plan = timetable.of_row(target)
    when = "by hand" if plan is None else timetable.in_words(plan) if target.enabled else "switched off"
    return found | {
        "to": export_targets.place_in_words(target), "when": when, "next_at": stamp(export_targets.next_file_at(target)),
        "error": f"{target.error} {target.advice}".strip(),
    }  # fmt: skip


@group.command("run")
@click.argument("name")
@click.option("--output", metavar="FILE", help="Write it to this file instead of standard output.")
def run(name: str, output: str | None) -> None:
    """Make the file of a saved export, with its orders as they are now. Nothing is recorded as delivered."""
    row = exports.find_saved(name)
    spec = exports.spec_of(row, with_customers=True)
    wanted = export_filters.wanted_of(row.orders or {}, with_customers=True)
    pieces = export_files.make_file(row.format, spec.columns, exports.rows_of(spec, exports.ids_of(wanted)))
    try:
        with closing(pieces), Path(output).open("wb") if output else nullcontext(sys.stdout.buffer) as file:
            for piece in pieces:
                file.write(piece)
    except BrokenPipeError:
        raise
    except OSError as trouble:
        raise InvalidInput(f"{output} cannot be written: {trouble.strerror}.") from None


@group.command("deliver")
@click.argument("name")
def deliver(name: str) -> None:
    """Deliver a saved export now, and wait until it is done: its new orders, or a file that has failed before."""
    row = exports.find_saved(name)
    export_id, known = row.id, row.name
    export_targets.send_now(export_id, actor())
    done = export_deliveries.work(export_id)
    target = export_targets.get_target(export_id)
    if target.failing_since is not None:
        raise Failed(f"{target.error} {target.advice}".strip())
    for delivery_id in done:
        file = export_records.get_delivery(delivery_id)
        say(f"{file.file_name}: {file.orders} orders delivered to {file.place}.")
    if not done:
        say(f"{known} has nothing new to deliver, or a worker delivers it just now.")


@group.command("deliveries")
@click.argument("name", required=False)
@json_option
def show_deliveries(name: str | None, as_json: bool) -> None:
    """List the files that were delivered, newest first; of one saved export where NAME is given."""
    export_id = exports.find_saved(name).id if name is not None else None
    pages = all_pages(lambda place="": export_records.list_page(place, export_id=export_id), _delivery)
    write_rows(pages, DELIVERIES, as_json=as_json, nothing="Nothing was delivered yet.")


def _delivery(row: ExportDelivery) -> Row:
    error = f"{row.error} {row.advice}".strip() if row.live else ""
    return {
        "id": row.id, "export": row.name, "at": stamp(row.finished_at or row.created_at), "state": row.state, "orders": row.orders,
        "file": row.file_name, "to": row.place, "by": row.actor or "schedule", "error": error,
    }  # fmt: skip
