"""Tables for people, one JSON object a line for scripts. Both come in batches, so that a long list starts at once."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

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
    """Write rows as a table or as JSON. ``nothing`` is what a person is told when there are none."""
    if as_json:
        for batch in batches:
            write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in batch), "utf-8")
    else:
        write_table(batches, columns, nothing)


class Numbered(Protocol):
    """A page of a list that has ``pages`` of them."""

    rows: list[Any]
    pages: int


def all_pages(list_page: Callable[[int], Numbered], row: Callable[[Any], Row]) -> Iterator[list[Row]]:
    """Every page of a list from the first on, each row as ``row`` makes it. Pages that come in the meantime are given too."""
    number, pages = 1, 1
    while number <= pages:
        page = list_page(number)
        pages = page.pages
        yield [row(each) for each in page.rows]
        number += 1


def write_object(row: Row) -> None:
    write(json.dumps(row, ensure_ascii=False) + "\n", "utf-8")


def write_table(batches: Iterable[Sequence[Row]], columns: Sequence[Column], nothing: str) -> None:
    """The first batch decides how wide a column is; what is wider afterwards is shown whole and moves its line."""
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
    """Names and values of one thing, a line each; values that are empty are left out."""
    shown = [(name, text(value)) for name, value in fields]
    shown = [(name, value) for name, value in shown if value]
    most = max((width(name) for name, _ in shown), default=0)
    write("".join(f"{ljust(name, most)}  {value}\n" for name, value in shown))


def say(sentence: str) -> None:
    write(printable(sentence) + "\n")


def write(words: str, encoding: str = "") -> None:
    """Write to standard output whatever the terminal's encoding can show of it, at once."""
    if sys.stdout is None:
        # The command was started with its standard output closed.
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
    """On one line, and without what would move a terminal's cursor, colour it or turn its text round."""
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
