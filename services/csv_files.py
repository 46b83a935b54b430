"""CSV in and out: whatever a spreadsheet saves is read, or refused with what is wrong where; what goes out is harmless."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from errors import InvalidInput

MOST_CELL = 4000
FORMULA = ("=", "+", "-", "@", "\t", "\r")
BINARY = re.compile(
    rb"\A(\x89PNG|\xff\xd8\xff|GIF8[79]a|%PDF-|PK\x03\x04|\xd0\xcf\x11\xe0|RIFF.{4}WEBP|\x1f\x8b\x08|BM.{4}\0\0\0\0)", re.DOTALL
)
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
NUMBER = re.compile(r"-?\d+(\.\d+)?\Z")
AS_TEXT = re.compile(r'="([^"]*)"\Z')
"""How spreadsheets keep the zeros at the beginning of a number: ``="00123"``."""


@dataclass(frozen=True, slots=True)
class Row:
    """``line`` is the line in the file on which the row ends; ``cells`` are by the column's own name."""

    line: int
    cells: dict[str, str]


def harmless(value: Any) -> Any:
    """A spreadsheet takes a cell that begins like a formula for one: text that does gets a quote before it. Numbers stay."""
    if value is None:
        return ""
    text = str(value)
    if text[:1] in FORMULA and not NUMBER.match(text):
        return f"'{text}"
    return text


def rows_out(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """CSV text in pieces, with a byte-order mark so that spreadsheets take it for UTF-8."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    buffer.write("\ufeff")
    writer.writerow(header)
    for number, row in enumerate(rows):
        writer.writerow([harmless(value) for value in row])
        if number % 200 == 199:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


Pieces = Callable[[], Iterable[bytes]]
"""The content of a file, piece by piece, from its beginning each time it is called."""


def opened(pieces: Pieces) -> tuple[TextIO, int]:
    """The text of a file with how many lines it has, read piece by piece and never as a whole: UTF-8, UTF-16 with its mark, or
    else Western (Windows-1252). Raises InvalidInput for what is no text."""
    encoding, lines = _look_through(pieces)
    return io.TextIOWrapper(io.BufferedReader(_Raw(pieces())), encoding, newline=""), lines


def _look_through(pieces: Pieces) -> tuple[str, int]:
    """Read it once to its end: the encoding in which all of it can be read, and its number of line ends."""
    start = b""
    for piece in pieces():
        start += piece[:64]
        if len(start) >= 64:
            break
    if BINARY.match(start):
        raise InvalidInput(
            "That is no CSV file but an image, a workbook or another binary file.",
            "In the spreadsheet choose ‘Save as’ and then ‘CSV UTF-8’.",
        )
    marked = next((encoding for mark, encoding in MARKS if start.startswith(mark)), None)
    trouble = None
    for encoding in (marked,) if marked else ("utf-8", "cp1252"):
        try:
            return encoding, _count_lines(pieces, encoding)
        except UnicodeDecodeError as wrong:
            trouble = wrong
    raise InvalidInput(
        "The file's letters cannot be read.", "In the spreadsheet choose ‘Save as’ and then ‘CSV UTF-8’."
    ) from trouble


def _count_lines(pieces: Pieces, encoding: str) -> int:
    """Raises UnicodeDecodeError, or InvalidInput for what is no text or empty."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines, empty = 0, True
    for piece in pieces():
        text = decoder.decode(piece)
        if "\0" in text:
            raise InvalidInput("That is not a text file.", "In the spreadsheet choose ‘Save as’ and then ‘CSV UTF-8’.")
        empty = empty and not text.strip("\ufeff \t\r\n")
        lines += text.count("\n")
    decoder.decode(b"", final=True)
    if empty:
        raise InvalidInput("The file is empty.", "Choose a CSV file with a line of column names and at least one row.")
    return lines


class _Raw(io.RawIOBase):
    """Pieces as a file that is read."""

    def __init__(self, pieces: Iterable[bytes]):
        self.pieces = iter(pieces)
        self.left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.left:
            piece = next(self.pieces, None)
            if piece is None:
                return 0
            self.left = piece
        taken = self.left[: len(buffer)]
        self.left = self.left[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


def read(text: TextIO, columns: dict[str, Sequence[str]], required: Sequence[str]) -> Iterator[Row]:
    """The rows of CSV text as ``opened`` gives it, with comma, semicolon or tab. ``columns`` maps our names to the headings they may carry, without regard
    to case; empty rows are passed over. Raises InvalidInput for missing or doubled columns, and for what is no CSV."""
    lines = iter(text)
    first, offset = next(lines, "").removeprefix("\ufeff"), 1
    while first and not first.strip():
        first, offset = next(lines, ""), offset + 1
    if not first:
        raise InvalidInput("The file is empty.", "Choose a CSV file with a line of column names and at least one row.")
    delimiter = max((",", ";", "\t"), key=first.count)
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        delimiter, first, offset = first.strip()[4], next(lines, ""), offset + 1
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        names = [name.strip().strip('"').casefold() for name in next(csv.reader([first], delimiter=delimiter), [])]
        places = _places(names, columns, required)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if any(len(cell) > MOST_CELL for cell in cells):
                raise InvalidInput(f"Line {reader.line_num + offset} holds a cell of more than {MOST_CELL} characters.")
            yield Row(
                reader.line_num + offset,
                {name: _plain(cells[place]) if place < len(cells) else "" for name, place in places.items()},
            )
    except csv.Error as cause:
        raise InvalidInput(f"The file cannot be read as CSV in line {reader.line_num + offset}: {cause}.") from None


def _plain(cell: str) -> str:
    text = cell.strip()
    kept = AS_TEXT.match(text)
    return kept.group(1).strip() if kept else text


def _places(names: Sequence[str], columns: dict[str, Sequence[str]], required: Sequence[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for name, headings in columns.items():
        found = [place for place, given in enumerate(names) if given in headings]
        if len(found) > 1:
            raise InvalidInput(f"The file has the column {headings[0]} twice.", "Keep one of them.")
        if found:
            places[name] = found[0]
    missing = [columns[name][0] for name in required if name not in places]
    if missing:
        plural = "columns" if len(missing) > 1 else "column"
        given = ", ".join(name for name in names if name)[:200] or "nothing"
        raise InvalidInput(
            f"The file has no {plural} named {' and '.join(missing)}; its first line says: {given}.",
            f"Put {','.join(columns[name][0] for name in columns)} in its first line.",
        )
    return places
