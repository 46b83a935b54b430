"""``flask shipments``: tracking numbers from the files of carriers' programs."""

from __future__ import annotations

from pathlib import Path

import click

from cli.actors import actor
from cli.failures import Group, note
from cli.inputs import read_content
from cli.output import Column, Row, json_option, say, write_rows
from cli.starting import start_due_write_backs
from cli.wrong_rows import write_wrong_rows
from errors import InvalidInput
from models import ShipmentFile
from services.common.text import plural
from services.shipping import file_check, file_imports, file_parts, files

COLUMNS = (
    Column("LINE", "line", right=True), Column("ORDER", "number"), Column("CARRIER", "carrier", most=24), Column("TRACKING", "tracking", most=40),
    Column("PARCEL", "added_parcel"), Column("NOTE", "note", most=80), Column("PROBLEM", "problem", most=80),
)  # fmt: skip

group = Group("shipments", help="Files of tracking numbers: preview and ship.")


@group.command("import")
@click.argument("file")
@click.option("--apply", "ship", is_flag=True, help="Ship the rows that can be used; otherwise only the preview is shown.")
@click.option("--whole", is_flag=True, help="Also ship what is not in stock of orders of which a part is.")
@click.option("--sheet", default="", metavar="NAME", help="The sheet of an Excel file; the first by default.")
@click.option(
    "--wrong-rows", "out", default="", metavar="FILE", help="Write the rows that cannot be used to FILE, with the reason."
)
@json_option
def import_file(file: str, ship: bool, whole: bool, sheet: str, out: str, as_json: bool) -> None:
    """Show what a CSV or Excel file of tracking numbers would ship (- reads standard input); with --apply, ship it."""
    name = "standard input" if file == "-" else Path(file).name
    kept = files.read_file(read_content(file), name, actor(), sheet=sheet, ask=True)
    if kept.asks:
        raise InvalidInput(
            "Nothing was shipped: it is not clear which column holds what.",
            f"Say it once on the page /orders/tracking-numbers/{kept.id}/columns, or with `presets import`.",
        )
    good = [row for row in kept.rows if not row["problem"]]
    wrong = len(kept.rows) - len(good)
    if out and wrong:
        layout, rows = files.wrong_rows_of(kept)
        write_wrong_rows(out, layout.kept(), rows)
    shown = file_parts.shipped_whole(kept.rows) if whole else kept.rows
    write_rows([[_object(row) for row in shown]], COLUMNS, as_json=as_json, nothing="The file has no rows.")
    _show_counts(kept, len(good), wrong)
    if not ship:
        note("Nothing was shipped. `--apply` ships it.")
        return
    if not good:
        raise InvalidInput("Nothing was shipped: no row of the file can be used.", "Correct the file and import it again.")
    for refused in file_imports.ship_now(kept.id, whole=whole):
        note(f"{refused['number']}: {refused['reason']}")
    if not as_json:
        say("Shipped. The shops are updated in 30 seconds.")
    start_due_write_backs()


def _object(row: dict[str, object]) -> Row:
    names = ("line", "number", "carrier", "tracking", "problem", "order_id")
    added, note = (False, "") if row.get("problem") else (file_parts.adds_parcel(row), file_parts.sentence(row))
    return {**{name: row.get(name) for name in names}, "added_parcel": added, "note": note}


def _show_counts(kept: ShipmentFile, good: int, wrong: int) -> None:
    if kept.read_as:
        note(f"Read as a file of {kept.read_as}.")
    note(f"{plural(good, 'row')} can be shipped, {wrong} cannot.")
    for cause, count in file_check.causes(kept.rows):
        note(f"{count} x {cause}")
