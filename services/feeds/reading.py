"""A fetched file, read with the columns that a person has assigned, in the same way as an uploaded stock file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import IO, Any

from errors import InvalidInput
from services.common import csv_files, letters
from services.common.workbooks import Workbook
from services.presets.columns import MOST_COLUMNS
from services.stock import file_columns

PIECE = 64 * 1024
SAMPLED, LONGEST_CELL = 10, 200
"""Rows of the sample that is kept, and characters of a cell in it."""


class ColumnsWrong(InvalidInput):
    """The file has not the columns that were assigned, or nobody has assigned any. ``looked`` is what it has."""

    code = "columns"

    def __init__(self, wrong: InvalidInput, looked: Looked):
        super().__init__(wrong.message, wrong.advice, field="columns")
        self.looked = looked


@dataclass(frozen=True, slots=True)
class Looked:
    """The headings of a file, and the cells of its first rows. ``letters`` is a name of services.common.letters where it is a text of
    another encoding than UTF-8."""

    headings: list[str]
    sample: list[list[str]]
    letters: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose rows can be read once: line, code and quantity as they stand in it. ``quantity`` reads a quantity, None for what is not
    clear. ``columns`` are those it is read with, as in models.Feed."""

    looked: Looked
    columns: dict[str, Any]
    rows: Iterator[tuple[int, str, str]]
    quantity: Callable[[str, int], int | None]


def open_file(content: IO[bytes], columns: Mapping[str, Any] | None, sheet: str) -> Opened:
    """Look at a file, and prepare to read its rows. ``columns`` is as in models.Feed; where it is None, the file's own headings or a remembered
    preset decide. Raises InvalidInput for what is no table, or ColumnsWrong."""

    encoding = str((columns or {}).get("letters", ""))

    def opened() -> csv_files.Source:
        return csv_files.opened(lambda: pieces(content), sheet=sheet, encoding=encoding)[0]

    looked = look(content, sheet, encoding)
    try:
        assigned = file_columns.known(opened) if columns is None else columns
        plan = file_columns.plan(looked.headings, assigned)
        if not assigned:
            csv_files.check_header(opened(), plan.columns, ("sku", "quantity"))
    except InvalidInput as wrong:
        unknown = InvalidInput("It is not known which columns hold the code and the quantity.", "Assign the columns.")
        raise ColumnsWrong(unknown if columns is None else wrong, looked) from None
    return Opened(looked, dict(assigned), csv_files.read_two(opened(), plan.columns, ("sku", "quantity")), plan.quantity)


def recognised(content: IO[bytes], sheet: str) -> Looked:
    """The same for a file of which nothing is known yet: a text that is not UTF-8 is read by the words in it."""
    source = csv_files.opened(lambda: pieces(content), sheet=sheet)[0]
    if isinstance(source, Workbook) or source.encoding != csv_files.WESTERN:
        return look(content, sheet)
    content.seek(0)
    name = letters.recognise(content.read(letters.LOOKED_AT))
    try:
        return replace(look(content, sheet, name), letters=name)
    except InvalidInput:
        return replace(look(content, sheet), letters=csv_files.WESTERN)


def look(content: IO[bytes], sheet: str, encoding: str = "") -> Looked:
    """Raises InvalidInput for what is no table."""
    headings, rows = csv_files.sample(csv_files.opened(lambda: pieces(content), sheet=sheet, encoding=encoding)[0], SAMPLED)
    return Looked(
        [each[: csv_files.MOST_CELL] for each in headings[:MOST_COLUMNS]],
        [[cell[:LONGEST_CELL] for cell in row[:MOST_COLUMNS]] for row in rows],
    )


def pieces(content: IO[bytes]) -> Iterator[bytes]:
    """The content from its beginning."""
    content.seek(0)
    while piece := content.read(PIECE):
        yield piece
