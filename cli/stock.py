"""``flask stock``: list, set and import stock, and preview and approve stock updates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cli.actors import actor
from cli.failures import Group
from cli.inputs import RowId, read_content
from cli.output import Column, Row, json_option, say, write_fields, write_object, write_rows
from cli.starting import start_due_pushes, start_runs
from cli.wrong_rows import write_wrong_rows
from services.common import whole_numbers
from services.common.batches import stamp
from services.common.text import plural
from services.listings import previews
from services.monitoring import decisions
from services.shops import finding
from services.stock import file_imports, file_results, file_undo, files, listing_states, low_stock
from services.stock import items as stock_items

PAGE = 1000
COLUMNS = (
    Column("SKU", "sku"),
    Column("NAME", "name", most=48),
    Column("ON HAND", "on_hand", right=True),
    Column("RESERVED", "reserved", right=True),
    Column("BUFFER", "buffer", right=True),
    Column("AVAILABLE", "available", right=True),
    Column("NOT STORED", "not_stored", most=60),
)
PREVIEW = (
    Column("SKU", "sku"),
    Column("NAME", "name", most=40),
    Column("LISTING", "external_id"),
    Column("NOW", "now", right=True),
    Column("WOULD BE", "would_be", right=True),
    Column("WHY", "why", most=60),
)
FILES = (
    Column("ID", "id", right=True),
    Column("NAME", "name", most=48),
    Column("STATE", "state"),
    Column("BY", "actor", most=24),
    Column("IMPORTED", "created_at"),
    Column("CHANGED", "changed", right=True),
    Column("CAN BE UNDONE", "left_to_undo", right=True),
)

group = Group("stock", help="Stock items: list, set, import, undo; pushes to shops: preview, approve.")


@group.command("list")
@click.option("--search", default="", metavar="TEXT", help="Only items with this in their SKU or name.")
@click.option("--low", is_flag=True, help="Only items at or below their low-stock threshold.")
@json_option
def show_list(search: str, low: bool, as_json: bool) -> None:
    """List the stock items, by SKU."""
    write_rows(_pages(search, low), COLUMNS, as_json=as_json, nothing="There are no such stock items.")


def _pages(search: str, low: bool) -> Iterator[list[Row]]:
    offset = 0
    while items := stock_items.list_stock(search, low=low, limit=PAGE, offset=offset):
        states = listing_states.of_items([item.id for item in items])
        yield [
            {
                "sku": item.sku, "name": item.name, "on_hand": item.on_hand, "reserved": item.reserved, "buffer": item.buffer,
                "available": item.available, "low_at": item.low_at, "fed": item.fed,
                "not_stored": ", ".join(f"{shop}: {state}" for shop, _, state in states.get(item.id, ())),
            }
            for item in items
        ]  # fmt: skip
        offset += PAGE


@group.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("sku")
@click.argument("quantity")
def set_quantity(sku: str, quantity: str) -> None:
    """Set the quantity on hand of a stock item, and update the shops."""
    item = stock_items.set_stock(sku, whole_numbers.read(quantity, "quantity"), actor())
    say(f"{item.sku}: {item.on_hand} on hand, {item.reserved} reserved, {item.available} available.")
    start_due_pushes()


@group.command("threshold")
@click.argument("quantity")
@click.option("--sku", metavar="SKU", help="The stock item; without it, the default of all items is set.")
def set_threshold(quantity: str, sku: str | None) -> None:
    """Set the low-stock threshold to QUANTITY, or to `none`: of one stock item, or of all that have none."""
    threshold = None if quantity == "none" else whole_numbers.read(quantity, "quantity")
    if sku is None:
        low_stock.set_default(threshold, actor())
        say(f"Items without a threshold: {'none' if threshold is None else f'low at {threshold} available'}.")
        return
    item = stock_items.find_stock_item(sku)
    low_stock.set_threshold(item.id, threshold, actor())
    say(f"{item.sku}: {'the default threshold' if threshold is None else f'low at {threshold} available'}.")


@group.command("import")
@click.argument("file")
@click.option("--add-unknown", is_flag=True, help="Add unknown SKUs as stock items.")
@click.option("--sheet", default="", metavar="NAME", help="The sheet of an Excel file; the first by default.")
@click.option("--preview", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--skip-wrong", is_flag=True, help="Leave out the rows that cannot be used, and import the others.")
@click.option(
    "--wrong-rows", "out", default="", metavar="FILE", help="Write the rows that cannot be used to FILE, with the reason."
)
@json_option
def import_file(file: str, add_unknown: bool, sheet: str, as_json: bool, **how: Any) -> None:
    """Set stock from a CSV or Excel file with the columns sku and quantity (- reads standard input): every row or none."""
    name = "standard input" if file == "-" else Path(file).name
    found = file_imports.check(read_content(file), name, actor(), sheet=sheet)
    if how["out"] and found.wrong:
        write_wrong_rows(how["out"], files.get_file(found.file_id).layout, file_results.iter_wrong(found.file_id))
    if how["preview"]:
        file_imports.discard(found)
        _show_preview(found, as_json=as_json)
        return
    _apply(found, as_json=as_json, add_unknown=add_unknown, skip_wrong=how["skip_wrong"])


def _apply(found: file_imports.Checked, *, as_json: bool, add_unknown: bool = False, skip_wrong: bool = False) -> None:
    """Apply a file that was checked, and say what it has changed."""
    done = file_imports.apply(found, add_unknown=add_unknown, skip_wrong=skip_wrong)
    if as_json:
        write_object({"changed": done.changed, "unchanged": done.unchanged, "added": done.added, "left_out": done.left_out})
    else:
        added = f", {done.added} of them new" if done.added else ""
        left_out = f" {done.left_out} rows cannot be used and were left out." if done.left_out else ""
        say(f"{done.changed} changed, {done.unchanged} unchanged{added}.{left_out}")
    start_due_pushes()


def _show_preview(found: file_imports.Checked, *, as_json: bool) -> None:
    counts = {
        "zeroed": found.zeroed, "lowered": found.lowered, "raised": found.raised, "unchanged": found.unchanged, "unknown": found.unknown,
        "wrong": found.wrong,
    }  # fmt: skip
    if as_json:
        write_object({**counts, "causes": [{"cause": cause, "rows": rows} for cause, rows in found.causes]})
        return
    write_fields((name, str(count)) for name, count in counts.items())
    write_fields((f"{rows} x", cause) for cause, rows in found.causes)
    say("Nothing was changed.")


@group.command("files")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@json_option
def show_files(limit: int, as_json: bool) -> None:
    """List the imported files, newest first."""
    rows = [
        {"id": file.id, "name": file.name, "state": file.state, "actor": file.actor, "created_at": stamp(file.created_at),
         "changed": file.changed, "left_to_undo": file_undo.left_to_undo(file.id) if file.state == "applied" else 0}
        for file in files.list_files(limit)
    ]  # fmt: skip
    write_rows([rows], FILES, as_json=as_json, nothing="No file was imported yet.")


@group.command("undo")
@click.argument("file_id", metavar="ID", type=RowId("an imported file", "`flask --app app stock files` shows the ids."))
@click.option("--preview", is_flag=True, help="Say what would change, and change nothing.")
@json_option
def undo_file(file_id: int, preview: bool, as_json: bool) -> None:
    """Take an imported file back, up to a week after it: items get their earlier quantity, less what was sold since."""
    found = file_imports.check_undo(file_id, actor())
    if preview:
        file_imports.discard(found)
        _show_preview(found, as_json=as_json)
        return
    _apply(found, as_json=as_json)


@group.command("preview")
@click.argument("name")
@json_option
def preview(name: str, as_json: bool) -> None:
    """Show what a push would change in the shop: SKU, now, would be, why. Nothing is sent."""
    integration = finding.find_integration(name)
    found = previews.preview(integration.id)
    batches = (
        [{"sku": row.sku, "name": row.name, "external_id": row.external_id, "now": row.now, "would_be": row.would_be, "why": row.why}
         for row in batch]
        for batch in previews.batches_of_rows(found)
    )  # fmt: skip
    write_rows(batches, PREVIEW, as_json=as_json, nothing=f"{integration.name}: nothing would change.")
    if found.run_id is not None and not as_json:
        say(f"Run {found.run_id} waits for this to be approved: `flask --app app stock approve {integration.name!r}`.")


@group.command("approve")
@click.argument("name")
def approve(name: str) -> None:
    """Approve the waiting stock update and start it."""
    integration = finding.find_integration(name)
    rows = decisions.approve_stock_update(integration.id, actor())
    say(f"Approved {plural(rows, 'change')} for {integration.name}.")
    start_runs(integration.id, ("stock",))
