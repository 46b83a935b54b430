"""The rows of a file of tracking numbers, as the program that wrote it means them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from errors import InvalidInput
from models.sku_key import tidy
from services.common import csv_files
from services.order_basics import numbers as order_numbers
from services.shipping import carriers, tracking_numbers
from services.shipping.file_columns import ELSE, OTHER, OWN, choose
from services.shipping.known_files import KnownFile, recognise

MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Assignment:
    """Columns that a person has assigned, the carrier of rows that name none, and the name of the preset."""

    columns: csv_files.Assigned
    carrier: str = ""
    name: str = ""


def is_known(headings: Sequence[str]) -> bool:
    """Whether a file with these headings is read without a question."""
    folded = [heading.casefold() for heading in headings]
    if recognise(folded) is not None:
        return True
    found = choose(folded)
    columns = {name: sum(heading in words for heading in folded) for name, words in found.items()}
    # A file that names no tracking number may have it under a word that nobody knows.
    ours = all(any(heading in words for words in found.values()) for heading in folded)
    return columns["number"] == 1 and (columns["tracking"] == 1 or (ours and not columns["tracking"]))


def read(source: csv_files.Source, assigned: Assignment | None = None) -> tuple[str, list[dict[str, Any]]]:
    """What the file was recognised as, empty for our own words, and its rows for ``ShipmentFile.rows``, with their cells. Raises InvalidInput for
    a file that is wrong as a whole."""
    known: list[KnownFile] = []

    def columns(headings: Sequence[str]) -> dict[str, tuple[str, ...]]:
        found = recognise(headings)
        if found is None:
            return choose(headings)
        known.append(found[0])
        # What the known file names counts before our own words: its "order number" may be another one.
        chosen = {**choose(headings), OTHER: ("",), ELSE: ("",)}
        return chosen | {name: (heading,) for name, heading in found[1].items()}

    chosen = assigned.columns if assigned else columns
    rows: list[dict[str, Any]] = []
    names = carriers.read_names()
    for row in csv_files.read(source, chosen, ("number",)):
        if len(rows) >= MOST_ROWS:
            raise InvalidInput(f"The file has more than {MOST_ROWS:,} rows.", "Split it into several.")
        kept = _row(row, known[0] if known else None)
        kept["cells"] = row.whole()
        kept["carrier"] = names.name(kept["carrier"] or (assigned.carrier if assigned else ""))
        rows.append(kept)
    if not rows:
        raise InvalidInput("The file has no rows.", "Give it one row for each parcel.")
    return assigned.name if assigned else known[0].name if known else "", rows


def _row(row: csv_files.Row, known: KnownFile | None) -> dict[str, Any]:
    cells = {key: _given(row.cells.get(key, "")) for key in (*OWN, ELSE, OTHER)}
    wrong = tracking_numbers.trouble(cells["tracking"], in_file=True)
    cells["tracking"] = tidy(cells["tracking"])
    other = cells.pop(OTHER)
    cells["number"] = cells["number"] or cells.pop(ELSE, "") or other
    cells.pop(ELSE, None)
    if cells["number"] == cells["id"]:
        # The file has the shop's id alone.
        cells["number"] = ""
    more: dict[str, Any] = {"other": other} if other and _bare(other) != _bare(cells["number"]) else {}
    if known is not None:
        cells["carrier"] = cells["carrier"] or known.carrier
        if not row.problem and (state := known.not_shipped(row.cells)):
            more["not_shipped"] = state
    if row.problem:
        more["unreadable"] = row.problem
    if wrong:
        more["wrong_tracking"] = " ".join(wrong)
    return {"line": row.line, "problem": "", "order_id": None, **cells, **more}


def _bare(number: str) -> tuple[str, ...]:
    return tuple(spelling.casefold() for spelling in order_numbers.parse(number).numbers[-1:])


def _given(cell: str) -> str:
    """A cell; a dash or "n/a" means an empty one."""
    return "" if cell.lower() in ("-", "–", "—", "n/a") else cell
