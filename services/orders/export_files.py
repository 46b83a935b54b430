"""Exports of orders as files: CSV and Excel workbooks, as bytes that are made while the rows are read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from errors import InvalidInput
from services.common import csv_files, workbook_files
from services.orders.export_columns import Column

Rows = Iterable[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Format:
    """``label`` is what people call it; its name is the ending of its files."""

    label: str
    media_type: str
    make: Callable[[Sequence[Column], Rows], Generator[bytes]]


def _csv(columns: Sequence[Column], rows: Rows) -> Generator[bytes]:
    with closing(csv_files.rows_out([column.name for column in columns], rows)) as pieces:
        yield from (piece.encode() for piece in pieces)


def _workbook(columns: Sequence[Column], rows: Rows) -> Generator[bytes]:
    numbers = [place for place, column in enumerate(columns) if column.number]
    yield from workbook_files.rows_out("Orders", [column.name for column in columns], rows, numbers)


FORMATS = {
    "csv": Format("CSV", "text/csv", _csv),
    "xlsx": Format("Excel", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _workbook),
}


def check_format(name: str) -> str:
    """Raises InvalidInput."""
    if name not in FORMATS:
        raise InvalidInput(f"There is no format {name[:20]!r}.", "Choose CSV or Excel.", field="format")
    return name


def make_file(format_name: str, columns: Sequence[Column], rows: Rows) -> Generator[bytes]:
    """The file, piece by piece. Raises InvalidInput for a format that is not known."""
    return FORMATS[check_format(format_name)].make(columns, rows)
