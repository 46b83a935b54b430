"""CSV in and out, and Excel workbooks in: whatever a spreadsheet saves is read, or refused with what is wrong where; what goes out
is harmless."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from tempfile import SpooledTemporaryFile
from typing import IO, Any, TextIO, cast

from errors import InvalidInput
from services.common import workbooks
from services.common.workbooks import Workbook

MOST_CELL = 4000
MOST_HEADING_LINES = 20
DELIMITERS = (",", ";", "\t", "|")
MOST_LINE = 100_000
"""Characters of one line of the file."""
MOST_OPEN_LINE = 1_000_000
"""Characters after which a file without a line end is given up before it is read line by line: no line is held in memory as a whole that is
much longer than this."""
MOST_BLANK = 1000
"""Lines before the column names; together they have as many characters as one line may have."""
_START = r"((?:\A|(?<=[;\t|\r\n]))[\" \u00a0]*)"
_FORMULA = r"(?=[=+\-@\t\r＝＋－＠])"
"""Spreadsheets of East Asia take the wide signs for the others, and blanks at the start of a cell can be removed on the way."""
GUARDED = re.compile(_START + r"('*)" + _FORMULA)
GUARD = re.compile(_START + r"'('*)" + _FORMULA)
"""A guarded text has one quote more than before. Quotes that were there are counted with it, so that nothing is lost. Double
quotes behind a separator are part of its start: a spreadsheet that splits there takes them for the cell's own."""
BINARY = re.compile(rb"\A(\x89PNG|\xff\xd8\xff|GIF8[79]a|RIFF.{4}WEBP|\x1f\x8b\x08|BM.{4}\0\0\0\0)", re.DOTALL)
OTHERS = (
    (re.compile(rb"\A\xd0\xcf\x11\xe0"), "an Excel workbook of the old kind (.xls), or another document of that time"),
    (re.compile(rb"\A%PDF-"), "a PDF document"),
    (
        re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|!--|html|head|body|table|meta|script|div|style)\b", re.IGNORECASE),
        "a web page (HTML), even if it is called .xls or .csv",
    ),
    (re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\b", re.IGNORECASE), "an XML document, even if it is called .xls or .csv"),
    (BINARY, "an image or another binary file"),
)
"""How files begin that are often taken for tables, and what they are."""
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
NUMBER = re.compile(r"-?\d+(\.\d+)?\Z")
AS_TEXT = re.compile(r'="([^"]*)"\Z')
"""How spreadsheets keep the zeros at the beginning of a number: ``="00123"``."""


REASON = "Reason (Cartlink)"
"""The column that says why a row could not be used, in the files of such rows that we write. It is passed over when one is read again."""


@dataclass(frozen=True, slots=True)
class Row:
    """``line`` is the line in the file on which the row ends; ``cells`` are by the column's own name, ``raw`` all as they stand there.
    With a ``problem`` it is not clear which cell is which, and none has a name."""

    line: int
    cells: dict[str, str]
    raw: Sequence[str] = ()
    problem: str = ""

    def whole(self) -> list[str]:
        """All cells, without what protects them from spreadsheets."""
        return [plain(cell) for cell in self.raw]


def harmless(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula: a quote goes before whatever begins like one, also behind a character at
    which a spreadsheet may split the cell. Numbers stay. ``as_written`` undoes it exactly."""
    if value is None:
        return ""
    text = str(value)
    return text if NUMBER.match(text) else GUARDED.sub(r"\1'\2", text)


def as_written(text: str) -> str:
    """What a cell was before ``harmless``."""
    return GUARD.sub(r"\1\2", text)


def rows_out(header: Sequence[str], rows: Iterable[Sequence[Any]], delimiter: str = ",") -> Generator[str]:
    """CSV text in pieces, with a byte-order mark so that spreadsheets take it for UTF-8."""
    buffer = io.StringIO()
    # Every cell is quoted: a spreadsheet that splits at semicolons then splits at none of those inside a cell.
    writer = csv.writer(buffer, lineterminator="\r\n", quoting=csv.QUOTE_ALL, delimiter=delimiter)
    buffer.write("\ufeff")
    writer.writerow(header)
    for number, row in enumerate(rows):
        writer.writerow([harmless(value) for value in row])
        if number % 200 == 199:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


WESTERN = "windows-1252"
Pieces = Callable[[], Iterable[bytes]]
"""The content of a file, piece by piece, from its beginning each time it is called."""
Source = TextIO | Workbook
HEADING_BYTES = 4 * workbooks.MB
"""What a workbook may unpack to before its headings are known, while a person waits."""
IN_MEMORY = 1024 * 1024
unpacked = partial(SpooledTemporaryFile, IN_MEMORY)
"""A file for a workbook, which the reader of its rows closes."""


def opened(pieces: Pieces, *, sheet: str = "", most: int = 128 * workbooks.MB, encoding: str = "") -> tuple[Source, int]:
    """The text of a file with how many lines it has, read piece by piece and never as a whole: UTF-8, UTF-16 with its mark, or
    else ``encoding``, by default Western (Windows-1252). Or an Excel workbook, of which ``sheet`` is read, or the first one; ``most`` are its unpacked bytes.
    Raises InvalidInput for what is neither."""
    start = _start(pieces)
    if start.startswith(workbooks.START):
        file = cast(IO[bytes], unpacked())
        for piece in pieces():
            file.write(piece)
        return Workbook(file, sheet, most), 0
    encoding, lines = _look_through(pieces, start, encoding or WESTERN)
    return io.TextIOWrapper(io.BufferedReader(_Raw(pieces())), encoding, newline=""), lines


def _start(pieces: Pieces) -> bytes:
    start = b""
    for piece in pieces():
        start += piece[:64]
        if len(start) >= 64:
            break
    return start


def _look_through(pieces: Pieces, start: bytes, otherwise: str) -> tuple[str, int]:
    """Read it once to its end: the encoding in which all of it can be read, and its number of line ends."""
    for beginning, kind in OTHERS:
        if beginning.match(start):
            raise InvalidInput(f"That is {kind}, and no CSV file or Excel workbook (.xlsx).", workbooks.ADVICE)
    marked = next((encoding for mark, encoding in MARKS if start.startswith(mark)), None)
    trouble = None
    for encoding in (marked,) if marked else ("utf-8", otherwise):
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
    lines, empty, open_line = 0, True, 0
    for piece in pieces():
        text = decoder.decode(piece)
        ends = max(text.rfind("\n"), text.rfind("\r"))
        open_line = open_line + len(text) if ends < 0 else len(text) - ends
        if open_line > MOST_OPEN_LINE:
            raise InvalidInput(f"Line {lines + 1} is longer than {MOST_LINE:,} characters.", "Save the file as CSV again.")
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


@dataclass(frozen=True, slots=True)
class Assigned:
    """Columns that a person has assigned: the place of each by our names, the first is 0."""

    places: dict[str, int]


Columns = dict[str, tuple[str, ...]] | Callable[[Sequence[str]], dict[str, tuple[str, ...]]] | Assigned


def read(
    source: Source, columns: Columns, required: Sequence[str], *, only_header: bool = False
) -> Iterator[Row]:  # fmt: skip
    """The rows of a file as ``opened`` gives it: CSV with comma, semicolon, tab or |, or a sheet. ``columns`` maps our names to the
    headings they may carry, without regard to case; empty rows are passed over, and a heading may hold line breaks.

    Raises InvalidInput for missing or doubled columns, and for what is no table."""
    records = _records(source)
    names = [name.casefold() for name in _named(next(records, (0, []))[1])]
    places = _places(names, columns, required)
    if only_header:
        return
    for line, cells in records:
        if not any(cell.strip() for cell in cells):
            continue
        problem = _problem(cells, len(names))
        found = {name: plain(cells[place]) if place < len(cells) and not problem else "" for name, place in places.items()}
        yield Row(line, found, cells if problem or len(cells) <= len(names) else cells[: len(names)], problem)


def read_two(source: Source, columns: Columns, required: tuple[str, str]) -> Iterator[tuple[int, str, str]]:
    """As ``read``, for two columns of files of very many rows: the line, and both cells as they stand in the file. ``plain`` gives what
    ``read`` has of a cell. Raises InvalidInput also for a row that is longer than the headings."""
    records = _records(source)
    names = [name.casefold() for name in _named(next(records, (0, []))[1])]
    places = _places(names, columns, required)
    first, second = (places[name] for name in required)
    width, empty = len(names), [""] * len(names)
    for line, cells in records:
        if len(cells) != width:
            if problem := _problem(cells, width):
                raise InvalidInput(f"Line {line}: {problem}")
            cells = [*cells, *empty]
        if cells[first] or cells[second] or any(cell.strip() for cell in cells):
            yield line, cells[first], cells[second]


def _problem(cells: Sequence[str], columns: int) -> str:
    """Why it is not clear what the cells of a row are; empty if it is."""
    if any(len(cell) > MOST_CELL for cell in cells):
        return f"A cell has more than {MOST_CELL} characters."
    if any(cell.strip() for cell in cells[columns:]):
        said = f"The row has {len(cells)} cells, and the first line names {columns} columns."
        return f"{said} Put a cell that holds a separator in quotes, or name every column."
    return ""


def sample(source: Source, rows: int) -> tuple[list[str], list[list[str]]]:
    """The headings of a file and the cells of its first rows, as many as the headings. Raises InvalidInput."""
    records = _records(source)
    names = _named(next(records, (0, []))[1])
    filled = ([plain(cell) for cell in cells] for _, cells in records if any(cell.strip() for cell in cells))
    width = len(names)
    return names, [[*cells[:width], *[""] * (width - len(cells))] for cells in islice(filled, rows)]


def _records(source: Source) -> Iterator[tuple[int, list[str]]]:
    """The headings and the rows, without a column of reasons that we have written."""
    records = source.records() if isinstance(source, Workbook) else _csv_records(source)
    first = next(records, None)
    if first is None:
        return records
    reasons = {place for place, name in enumerate(_named(first[1])) if name.casefold() == REASON.casefold()}
    whole = chain([first], records)
    if not reasons:
        return whole
    return ((line, [cell for place, cell in enumerate(cells) if place not in reasons]) for line, cells in whole)


def separator(source: Source) -> str:
    """What stands between the cells of CSV text; empty for a sheet. Raises InvalidInput."""
    return "" if isinstance(source, Workbook) else _opening(_lines(source))[2]


def _named(cells: Sequence[str]) -> list[str]:
    """Headings without line breaks and further blanks."""
    return [as_written(" ".join(name.split())) for name in cells]


def _csv_records(text: TextIO) -> Iterator[tuple[int, list[str]]]:
    """The headings and the rows of CSV text, each with the line on which it ends. Raises InvalidInput."""
    lines = _lines(text)
    opening, skipped, delimiter = _opening(lines)
    # Strict: otherwise a quote that does not end takes all rows after it into one cell, and they are lost without a word.
    reader = csv.reader(chain(opening, lines), delimiter=delimiter, strict=True)
    begun = 0
    try:
        for cells in reader:
            begun = reader.line_num
            yield begun + skipped, cells
    except csv.Error as cause:
        raise _not_csv(cause, begun + 1 + skipped) from None


def _opening(lines: Iterator[str]) -> tuple[list[str], int, str]:
    """The lines of the headings, how many came before them, and the separator. Raises InvalidInput."""
    first, skipped, delimiter = _first_line(lines)
    opening = _record(first, lines)
    return opening, skipped, delimiter or _delimiter("".join(opening))


def _not_csv(cause: csv.Error, line: int) -> InvalidInput:
    """What is wrong with the record that begins in this line."""
    if "end of data" in str(cause) or "field larger" in str(cause):
        said = f"Line {line} has a quote that does not end: it is not clear where the rows after it end."
    else:
        said = f"Line {line} cannot be read as CSV: {cause}."
    return InvalidInput(said, "A cell that begins with a quote has to end with one. Write a quote inside it twice.")


def check_header(source: Source, columns: Columns, required: Sequence[str]) -> None:
    """What is wrong with a file's headings, without reading its rows: 15 MB of separators would keep a page for seconds. The headings
    of a large workbook are left to the worker that reads its rows. Raises InvalidInput."""
    if not (isinstance(source, Workbook) and source.size() > HEADING_BYTES):
        try:
            next(read(source, columns, required, only_header=True), None)
        except InvalidInput as wrong:
            raise (source.naming_others(wrong) if isinstance(source, Workbook) else wrong) from None


def _lines(text: TextIO) -> Iterator[str]:
    """The lines, none longer than any table needs. Raises InvalidInput."""
    # Lines of a file that was looked through are iterated, which is faster: _count_lines has bounded them.
    lines = text if isinstance(text, io.TextIOWrapper) else iter(partial(text.readline, MOST_LINE + 1), "")
    for number, line in enumerate(lines, 1):
        if len(line) > MOST_LINE:
            raise InvalidInput(f"Line {number} is longer than {MOST_LINE:,} characters.", "Save the file as CSV again.")
        yield line


def _first_line(lines: Iterator[str]) -> tuple[str, int, str]:
    """The first line that holds anything, how many lines came before it, and the delimiter where a line ``sep=;`` names one."""
    delimiter, blank = "", 0
    for skipped, line in enumerate(lines):
        line = line.removeprefix("\ufeff")
        named = line.rstrip("\r\n")
        if not delimiter and len(named) == 5 and named.lower().startswith("sep="):
            delimiter = named[4]
        elif line.strip(' \t\r\n;,|"'):
            return line, skipped, delimiter
        blank += len(line)
        if skipped >= MOST_BLANK or blank > MOST_LINE:
            raise InvalidInput("The file begins with too many blank lines.", "Delete them.")
    raise InvalidInput("The file is empty.", "Choose a CSV file with a line of column names and at least one row.")


def _record(first: str, lines: Iterator[str]) -> list[str]:
    """The lines of the headings: more than one where a quoted heading holds a line break."""
    record = [first]
    quotes = first.count('"')
    while quotes % 2:
        line = next(lines, None) if len(record) < MOST_HEADING_LINES else None
        if line is None:
            raise InvalidInput("The file's first line has a quote that does not end.", "Save the file as CSV again.")
        record.append(line)
        quotes += line.count('"')
    return record


def _delimiter(headings: str) -> str:
    """The separator that occurs most outside quotes."""
    bare = re.sub(r'"[^"]*"', "", headings)
    return max(DELIMITERS, key=bare.count)


def plain(cell: str) -> str:
    """A cell as it was meant: without blanks around it, and without what a spreadsheet, or ``rows_out``, put around its text."""
    text = cell.strip()
    kept = AS_TEXT.match(text)
    return kept.group(1).strip() if kept else as_written(text)


def _places(names: Sequence[str], given: Columns, required: Sequence[str]) -> dict[str, int]:
    if isinstance(given, Assigned):
        return given.places
    columns = given if isinstance(given, dict) else given(names)
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
        said = ", ".join(name for name in names if name)[:200] or "nothing"
        raise InvalidInput(
            f"The file has no {plural} named {' and '.join(missing)}; its first line says: {said}.",
            f"Put {','.join(columns[name][0] for name in columns)} in its first line.",
        )
    return places
