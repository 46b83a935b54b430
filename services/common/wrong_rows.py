"""Rows of an uploaded file that cannot be used, as a file in its own format and with its own headings. A column says why; it is passed over
when a person has corrected the rows and uploads them again."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from services.common import csv_files, workbook_files
from services.common.workbooks import Workbook

CSV, EXCEL, JSON_LINES = "csv", "xlsx", "jsonl"
TYPES = {
    CSV: "text/csv", EXCEL: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", JSON_LINES: "application/x-ndjson",
}  # fmt: skip
MOST = 20_000
"""Rows of one file that are kept. A file with more of them is wrong as a whole."""
MOST_CHARACTERS = 16 * 1024 * 1024
"""Of their cells together: the rows of a workbook can repeat long texts at no cost."""
REASON_KEY = "reason"
"""What REASON is in JSON lines."""

Wrong = tuple[str, Sequence[str]]
"""Why a row cannot be used, and its cells."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file was written: ``kind`` is one of TYPES, ``separator`` stands between the cells of CSV, ``headings`` are its own. JSON lines
    have one cell a row, the line itself."""

    kind: str
    headings: Sequence[str]
    separator: str = ","

    def kept(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self) | {"headings": list(self.headings)}


def from_kept(values: Mapping[str, Any]) -> Layout:
    """The opposite of ``Layout.kept``."""
    return Layout(str(values["kind"]), list(values["headings"]), str(values["separator"]))


def layout(opened: Callable[[], csv_files.Source]) -> Layout:
    """How a table was written; ``opened`` opens it again each time. Raises InvalidInput."""
    source = opened()
    headings = csv_files.sample(source, 0)[0]
    if isinstance(source, Workbook):
        return Layout(EXCEL, headings)
    return Layout(CSV, headings, csv_files.separator(opened()))


class Room:
    """Counts what of a file's wrong rows is kept."""

    def __init__(self) -> None:
        self.rows, self.characters = 0, 0

    def takes(self, cells: Sequence[str]) -> bool:
        """Whether this row is kept too."""
        self.rows += 1
        self.characters += sum(map(len, cells))
        return self.rows <= MOST and self.characters <= MOST_CHARACTERS


def write(shape: Layout, rows: Iterable[Wrong]) -> Generator[bytes]:
    """The file, piece by piece."""
    if shape.kind == EXCEL:
        filled = (_filled(shape, reason, cells) for reason, cells in rows)
        yield from workbook_files.rows_out("Rows", [*shape.headings, csv_files.REASON], filled)
    elif shape.kind == JSON_LINES:
        yield from (_json_line(reason, cells[0]).encode() for reason, cells in rows)
    else:
        header = [csv_files.harmless(heading) for heading in (*shape.headings, csv_files.REASON)]
        filled = (_filled(shape, reason, cells) for reason, cells in rows)
        yield from (text.encode() for text in csv_files.rows_out(header, filled, shape.separator))


def _filled(shape: Layout, reason: str, cells: Sequence[str]) -> list[str]:
    """The cells of a row, as many as the headings, and the reason behind them. A row that is too long stays so."""
    width = len(shape.headings)
    return [*cells[:width], *[""] * (width - len(cells)), reason, *cells[width:]]


def _json_line(reason: str, line: str) -> str:
    try:
        pairs = json.loads(line, object_pairs_hook=list)
        found = dict(pairs) if isinstance(pairs, list) else {}
    except (ValueError, TypeError, RecursionError):
        pairs, found = [], {}
    given = found if found and len(found) == len(pairs) else {"text": line}
    return json.dumps({**given, REASON_KEY: reason}, ensure_ascii=False) + "\n"
