"""Excel workbooks (.xlsx) out: rows as bytes, piece by piece while they are read, with constant memory.

openpyxl writes what makes a file a workbook. It can only give a file once the last row is known, so the rows of the sheets are written
here and sent at once. A full sheet is followed by another. Texts are texts, whatever they look like; nothing is ever a formula."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection, Generator, Iterable, Sequence
from html import escape
from io import BytesIO
from typing import Any, cast

import openpyxl
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from services.common.csv_files import NUMBER, harmless

MOST_ROWS = 1_048_576
MOST_SHEET = 1500 * 1024 * 1024
"""Bytes of a sheet before it is packed; a longer one would need an extension of the format that not every program reads."""
MOST_CELL = 32_767
"""Characters that a spreadsheet takes into one cell."""
EXACT = 15
"""Digits that a spreadsheet keeps of a number. One with more is written as text."""
PIECE = 200
"""Rows in one piece."""
DECIMALS = 4
PHONE = re.compile(r"\+\d[\d ()/.\-]*\Z")
"""A telephone number needs no quote before it: the cell is a text, and also as a sum it would do nothing. Programs that read the workbook
would print the quote."""
NOT_SHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML may hold."""
ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
"""What a spreadsheet would take for a character that was written by its number."""
NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET = "xl/worksheets/sheet{}.xml"
START = (
    f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<worksheet xmlns="{NAMESPACE}"><sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
)


class _Sink:
    """Where zipfile writes to; what is written is taken out again. It cannot go back."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def take(self) -> bytes:
        taken = b"".join(self.pieces)
        self.pieces.clear()
        return taken


def rows_out(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Collection[int] = ()) -> Generator[bytes]:
    """A workbook in pieces. ``numbers`` are the places of the columns whose cells are numbers, also where they come as text such as
    ``1.50``, which keeps its decimals; all other texts stay as they are, guarded as in CSV
    (``harmless``) unless they are telephone numbers."""
    sink, styles = _Sink(), _styles()
    left = iter(rows)
    with zipfile.ZipFile(cast(Any, sink), "w", zipfile.ZIP_DEFLATED) as archive:
        sheets, more = 0, True
        while more:
            sheets += 1
            entry = zipfile.ZipInfo(SHEET.format(sheets))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as part:
                more = yield from _sheet(part, sink, header, left, frozenset(numbers), styles)
        for name, content in _frame(title, sheets).items():
            archive.writestr(name, content)
    yield sink.take()


def _sheet(
    part: Any, sink: _Sink, header: Sequence[str], rows: Iterable[Sequence[Any]], numbers: frozenset[int], styles: Sequence[int]
) -> Generator[bytes, None, bool]:
    """Write one sheet; returns whether it is full, so that there may be more rows."""
    letters = [get_column_letter(place + 1) for place in range(len(header))]
    widths = "".join(
        f'<col min="{place}" max="{place}" width="{min(40, max(10, len(name) + 2))}" customWidth="1"/>'
        for place, name in enumerate(header, 1)
    )
    heading = "".join(_text(f"{letter}1", name, styles[-1]) for letter, name in zip(letters, header, strict=True))
    written = part.write(f'{START}<cols>{widths}</cols><sheetData><row r="1">{heading}</row>'.encode())
    line, waiting, full = 1, [], False
    for row in rows:
        line += 1
        if len(row) > len(letters):
            letters += [get_column_letter(place + 1) for place in range(len(letters), len(row))]
        cells = (_cell(f"{letters[place]}{line}", value, place in numbers, styles) for place, value in enumerate(row))
        waiting.append(f'<row r="{line}">{"".join(cells)}</row>')
        full = line >= MOST_ROWS or written >= MOST_SHEET
        if len(waiting) >= PIECE or full:
            written += part.write("".join(waiting).encode())
            waiting.clear()
            if piece := sink.take():
                yield piece
        if full:
            break
    part.write(f"{''.join(waiting)}</sheetData></worksheet>".encode())
    return full


def _cell(place: str, value: Any, is_number: bool, styles: Sequence[int]) -> str:
    text = "" if value is None else str(value)
    if not text:
        return ""
    if (is_number or isinstance(value, int)) and NUMBER.match(text) and sum(map(str.isdigit, text)) <= EXACT:
        decimals = min(DECIMALS, len(text.partition(".")[2]))
        return f'<c r="{place}" s="{styles[decimals]}"><v>{text}</v></c>'
    return _text(place, text if PHONE.match(text) else harmless(text), 0)


def _text(place: str, text: str, style: int) -> str:
    text = NOT_SHOWN.sub("", text)
    if len(text) > MOST_CELL:
        text = text[: MOST_CELL - 1] + "…"
    shown = ESCAPED.sub("_x005F_", escape(text.replace("\r\n", "\n").replace("\r", "\n"), quote=False))
    return f'<c r="{place}" s="{style}" t="inlineStr"><is><t xml:space="preserve">{shown}</t></is></c>'


def _workbook(title: str, sheets: int) -> tuple[Any, list[int]]:
    """An empty workbook, and the numbers of its styles: for a number with no decimals, one and so on, and for a heading."""
    workbook = openpyxl.Workbook()
    styles = []
    for decimals in range(DECIMALS + 1):
        cell = workbook.active.cell(1, decimals + 1)
        cell.number_format = f"0.{'0' * decimals}" if decimals else "0"
        styles.append(int(cell.style_id))
    heading = workbook.active.cell(1, DECIMALS + 2)
    heading.font = Font(bold=True)
    workbook.active.title = title
    for number in range(2, sheets + 1):
        workbook.create_sheet(f"{title} {number}")
    return workbook, [*styles, int(heading.style_id)]


def _styles() -> list[int]:
    return _workbook("Sheet", 1)[1]


def _frame(title: str, sheets: int) -> dict[str, bytes]:
    """All parts of a workbook besides its sheets, by name."""
    file = BytesIO()
    _workbook(title, sheets)[0].save(file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.startswith("xl/worksheets/")}
