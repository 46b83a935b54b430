"""Excel workbooks (.xlsx) in: the rows of one sheet as texts, within limits that hold before anything is unpacked.

openpyxl reads them. It was compared with python-calamine, which is faster but gives every number as a binary fraction and no number formats:
18 digits that a program wrote into a cell and the zeros of ``00123`` are lost there. With defusedxml installed, as here, openpyxl refuses
entities and document types."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import repeat
from typing import IO, Any

import openpyxl

from errors import InvalidInput

START = b"PK\x03\x04"
MB = 1024 * 1024
MOST_FILES = 2000
MOST_ROW, MOST_CELLS = 1_048_576, 1000
"""The last row that a spreadsheet has, and the cells of one row: no table of ours has as many."""
SMALL_PART = 4 * MB
"""Unpacked bytes of each part besides sheets and texts. More is no workbook of a person."""
LARGE = re.compile(r"xl/(worksheets/|sharedStrings\.xml)", re.IGNORECASE)
OTHER = re.compile(r"xl/(media|embeddings|drawings|charts|externalLinks|pivot)|customXml/|docProps/thumbnail", re.IGNORECASE)
"""Parts that are never unpacked here."""
ZEROS = re.compile(r"0+\Z")
EXACT = 10**15
"""A spreadsheet keeps 15 digits. A fraction of this size has lost some."""
ADVICE = "In the spreadsheet choose ‘Save as’ and then ‘Excel workbook (.xlsx)’ or ‘CSV UTF-8’."


@dataclass(frozen=True, slots=True)
class Workbook:
    """A file that begins like a workbook. ``sheet`` is the name of the sheet that is meant, empty for the first one; ``most`` the
    unpacked bytes of a sheet, and of its texts together."""

    file: IO[bytes]
    sheet: str = ""
    most: int = 128 * MB

    def size(self) -> int:
        """The bytes that reading the headings would unpack. Raises InvalidInput for an archive that unpacks to too much, or is none.

        The archive's own sizes can be relied on: zipfile unpacks no byte more than a part declares, and then compares its checksum."""
        try:
            with zipfile.ZipFile(self.file) as archive:
                parts = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            raise _unreadable() from None
        if len(parts) > MOST_FILES:
            raise InvalidInput(f"The workbook consists of more than {MOST_FILES:,} parts.", "Copy the rows into a new workbook.")
        for part in parts:
            most = self.most if LARGE.match(part.filename) else SMALL_PART
            if part.file_size > most and not OTHER.match(part.filename):
                raise InvalidInput(
                    f"The workbook is larger than {most // MB} MB when it is unpacked.",
                    "Copy the rows into a new workbook, or split it.",
                )
        return sum(part.file_size for part in parts if not OTHER.match(part.filename) and "worksheets/" not in part.filename)

    def records(self) -> Generator[tuple[int, list[str]]]:
        """The row number and the cells of each row. The first row that is given holds something. Raises InvalidInput."""
        self.size()
        with closing(self._rows()) as rows:
            begun = False
            for line, cells in enumerate(_guarded(rows), 1):
                if line > MOST_ROW or len(cells) > MOST_CELLS:
                    raise InvalidInput(
                        f"Row {line} has more cells than a table of this kind has."
                        if line <= MOST_ROW
                        else "The sheet has too many rows.",
                        "Copy the rows into a new workbook.",
                    )
                begun = begun or any(cells)
                if begun:
                    yield line, cells
        if not begun:
            raise InvalidInput("The sheet is empty.", "Choose a file with a row of column names and at least one row below.")

    def _rows(self) -> Generator[list[str]]:
        """A formula gives the value that was saved with it. One that was saved without a value gives itself, so that it is not taken for an
        empty cell."""
        with closing(self._open(data_only=True)) as values:
            sheet = self._chosen(values)
            if not self._has_formulas(sheet):
                yield from ([_text(cell) for cell in row] for row in _cells(sheet))
                return
            with closing(self._open(data_only=False)) as formulas:
                pairs = zip(_cells(sheet), _cells(formulas[sheet.title]), strict=True)
                yield from ([_text(cell) or _formula(other) for cell, other in zip(*pair, strict=True)] for pair in pairs)

    def _open(self, *, data_only: bool) -> Any:
        self.file.seek(0)
        return openpyxl.load_workbook(self.file, read_only=True, data_only=data_only, keep_links=False)

    def _chosen(self, workbook: Any) -> Any:
        """Raises InvalidInput."""
        sheets = workbook.worksheets
        shown = [each for each in sheets if each.sheet_state == "visible"] or sheets
        if self.sheet:
            shown = [each for each in sheets if each.title.strip().casefold() == self.sheet.strip().casefold()]
        if not shown:
            names = ", ".join(each.title for each in sheets)[:300]
            raise InvalidInput(
                f"The workbook has no sheet {self.sheet}." if sheets else "The workbook has no sheet.",
                f"It has {names}." if names else "", field="sheet",
            )  # fmt: skip
        return shown[0]

    def naming_others(self, wrong: InvalidInput) -> InvalidInput:
        """What is wrong with the headings of the first sheet, with the names of the other visible ones if there are any and none was named:
        the first is often a cover."""
        others: list[str] = []
        # A damaged file fails in any way, and what is wrong with it has been said.
        with suppress(Exception), closing(self._open(data_only=True)) as workbook:
            others = [each.title for each in workbook.worksheets if each.sheet_state == "visible"][1:]
        if self.sheet or not others:
            return wrong
        advice = f"Enter the name of the sheet that holds the rows, if it is another one: {', '.join(others)[:300]}."
        return InvalidInput(f"{wrong.message} The first sheet was read.", advice, wrong.field)

    def _has_formulas(self, sheet: Any) -> bool:
        """Whether the sheet's own text has the mark of a formula."""
        with closing(sheet._get_source()) as source:
            before = b""
            while piece := source.read(MB):
                if b"<f>" in before + piece or b"<f " in before + piece:
                    return True
                before = piece[-3:]
        return False


def _cells(sheet: Any) -> Iterator[Sequence[Any]]:
    """The dimensions that a sheet declares are forgotten: they may be a million columns."""
    sheet.reset_dimensions()
    return iter(sheet.iter_rows())


def _guarded(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Raises InvalidInput for whatever openpyxl raises: it has no errors for a file that is damaged or hostile."""
    for _ in repeat(None):
        try:
            row = next(rows, None)
        except InvalidInput:
            raise
        except Exception:
            raise _unreadable() from None
        if row is None:
            return
        yield row


def _unreadable() -> InvalidInput:
    return InvalidInput("The workbook cannot be read.", ADVICE)


def _formula(cell: Any) -> str:
    return str(cell.value) if cell.data_type == "f" else ""


TEXTS: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: "", str: str, bool: lambda value: "TRUE" if value else "FALSE",
    # As a spreadsheet shows a date that it has made of a text such as MAR1.
    datetime: lambda value: f"{value:%d-%b-%Y}" if value.time() == time() else f"{value:%Y-%m-%d %H:%M:%S}",
    date: lambda value: f"{value:%d-%b-%Y}", time: str, timedelta: str,
}  # fmt: skip


def _text(cell: Any) -> str:
    """A cell as a person would have typed it: no digits and no zeros at the beginning are lost, or the value shows that they are."""
    value = getattr(cell, "value", None)
    if type(value) in TEXTS:
        return TEXTS[type(value)](value)
    if isinstance(value, float):
        if not value.is_integer():
            return repr(value).upper()
        if abs(value) >= EXACT:
            return f"{value:.14E}"
        value = int(value)
    text = str(value)
    with suppress(AttributeError, IndexError):
        if text.isdigit() and ZEROS.match(cell.number_format):
            return text.zfill(len(cell.number_format))
    return text
