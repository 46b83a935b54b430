"""Output: tables for people, JSON lines for scripts. Both are written in batches, so that a long list starts at once."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import click
from wcwidth import clip, ljust, rjust, width

Row = dict[str, Any]

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
BIDI = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Column:
    """``key`` is the row's key; ``most`` is how many cells of the terminal the column may take, 0 for as many as it needs."""

    title: str
    key: str
    right: bool = False
    most: int = 0


def json_option(command: Any) -> Any:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for scripts.")(command)


def write_rows(batches: Iterable[Sequence[Row]], columns: Sequence[Column], *, as_json: bool, nothing: str) -> None:
    """Write rows as a table or as JSON. ``nothing`` is written if there are none."""
    if as_json:
        for batch in batches:
            write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in batch), "utf-8")
    else:
        write_table(batches, columns, nothing)


def all_pages(list_page: Callable[..., Any], row: Callable[[Any], Row]) -> Iterator[list[Row]]:
    """All pages of a list, each row converted by ``row``. Pages that are added meanwhile are included."""
    page = list_page()
    yield [row(each) for each in page.rows]
    while page.goes_on:
        page = list_page(getattr(page, "next", "") or page.number + 1)
        yield [row(each) for each in page.rows]


def write_object(row: Row) -> None:
    write(json.dumps(row, ensure_ascii=False) + "\n", "utf-8")


def write_table(batches: Iterable[Sequence[Row]], columns: Sequence[Column], nothing: str) -> None:
    """The first batch decides the widths of the columns; wider values later shift their line."""
    parts = iter(batches)
    first = next((batch for batch in parts if batch), None)
    if first is None:
        write(nothing + "\n")
        return
    rows = [[_cell(row, column) for column in columns] for row in first]
    widths = [max(width(column.title), *(width(row[index]) for row in rows)) for index, column in enumerate(columns)]
    write(_line([column.title for column in columns], columns, widths))
    write(_line(["-" * cells for cells in widths], columns, widths))
    for batch in chain([rows], ([[_cell(row, column) for column in columns] for row in batch] for batch in parts)):
        write("".join(_line(cells, columns, widths) for cells in batch))


def write_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Names and values, a line each, without empty values."""
    shown = [(name, text(value)) for name, value in fields]
    shown = [(name, value) for name, value in shown if value]
    most = max((width(name) for name, _ in shown), default=0)
    write("".join(f"{ljust(name, most)}  {value}\n" for name, value in shown))


def say(sentence: str) -> None:
    write(printable(sentence) + "\n")


def write(words: str, encoding: str = "") -> None:
    """Write to standard output at once, replacing what the terminal's encoding cannot show."""
    if sys.stdout is None:
        # Standard output is closed.
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(words.encode(encoding or sys.stdout.encoding, "replace"))
    sys.stdout.buffer.flush()


def text(value: object) -> str:
    """A value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(text(part) for part in value)
    return printable(str(value))


def printable(words: str) -> str:
    """One line without control characters and changes of direction."""
    return BIDI.sub("", UNSAFE.sub(" ", words)).strip()


def _cell(row: Row, column: Column) -> str:
    words = text(row[column.key])
    if column.most and width(words) > column.most:
        return clip(words, 0, column.most - 1).rstrip() + "…"
    return words


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    padded = (
        rjust(words, wide) if column.right else ljust(words, wide)
        for words, column, wide in zip(cells, columns, widths, strict=True)
    )
    return "  ".join(padded).rstrip() + "\n"
