"""``flask stock``: stock items listed and set, and what a push to a shop would change, shown and approved."""

from __future__ import annotations

from collections.abc import Iterator

import click

from cli.failures import Group
from cli.inputs import actor, read_lines, whole_number
from cli.output import Column, Row, json_option, say, write_rows
from cli.starting import start_due_pushes, start_runs
from services import integrations, push, stock

PAGE = 1000
COLUMNS = (
    Column("SKU", "sku"),
    Column("NAME", "name", most=48),
    Column("ON HAND", "on_hand", right=True),
    Column("RESERVED", "reserved", right=True),
    Column("BUFFER", "buffer", right=True),
    Column("AVAILABLE", "available", right=True),
)
PREVIEW = (
    Column("SKU", "sku"),
    Column("NAME", "name", most=40),
    Column("LISTING", "external_id"),
    Column("NOW", "now", right=True),
    Column("WOULD BE", "would_be", right=True),
    Column("WHY", "why", most=60),
)

group = Group("stock", help="Stock items: list, set, import; pushes to shops: preview, approve.")


@group.command("list")
@click.option("--search", default="", metavar="TEXT", help="Only items with this in their SKU or name.")
@json_option
def show_list(search: str, as_json: bool) -> None:
    """List the stock items, by SKU."""
    write_rows(_pages(search), COLUMNS, as_json=as_json, nothing="There are no such stock items.")


def _pages(search: str) -> Iterator[list[Row]]:
    offset = 0
    while items := stock.list_stock(search, limit=PAGE, offset=offset):
        yield [
            {
                "sku": item.sku, "name": item.name, "on_hand": item.on_hand, "reserved": item.reserved, "buffer": item.buffer,
                "available": item.available,
            }
            for item in items
        ]  # fmt: skip
        offset += PAGE


@group.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("sku")
@click.argument("quantity")
def set_quantity(sku: str, quantity: str) -> None:
    """Set how many of a stock item are on hand, and send what follows to the shops."""
    item = stock.set_stock(sku, whole_number(quantity), actor())
    say(f"{item.sku}: {item.on_hand} on hand, {item.reserved} reserved, {item.available} available.")
    start_due_pushes()


@group.command("import")
@click.argument("file")
@click.option("--add-unknown", is_flag=True, help="Make stock items of SKUs that are not known yet.")
def import_file(file: str, add_unknown: bool) -> None:
    """Set stock from a CSV file with the columns sku and quantity (- reads standard input): every row or none."""
    done = stock.import_stock(read_lines(file), actor(), add_unknown=add_unknown)
    added = f", {len(done.added)} of them new" if done.added else ""
    say(f"{done.changed} changed, {done.unchanged} as they were{added}.")
    start_due_pushes()


@group.command("preview")
@click.argument("name")
@json_option
def preview(name: str, as_json: bool) -> None:
    """Show what a push would change in the shop: SKU, now, would be, why. Nothing is sent."""
    integration = integrations.find_integration(name)
    found = push.preview(integration.id)
    rows: list[Row] = [
        {"sku": row.sku, "name": row.name, "external_id": row.external_id, "now": row.now, "would_be": row.would_be,
         "why": row.why}
        for row in found.rows
    ]  # fmt: skip
    write_rows([rows], PREVIEW, as_json=as_json, nothing=f"{integration.name}: nothing would change.")
    if found.waiting and not as_json:
        say(f"Run {found.run_id} waits for this to be approved: `flask --app app stock approve {integration.name!r}`.")


@group.command("approve")
@click.argument("name")
def approve(name: str) -> None:
    """Say yes to the waiting preview, and start the stock run that sends it."""
    integration = integrations.find_integration(name)
    rows = push.approve(integration.id, actor())
    say(f"Approved {rows} {'change' if rows == 1 else 'changes'} for {integration.name}.")
    start_runs(integration.id, ("stock",))
