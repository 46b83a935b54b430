"""The rows of a file of quantities, read and checked in one way for pages, commands and the API. A file is CSV, or JSON lines
(``{"sku": "A-1", "quantity": 5}``, one a line)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO, cast

from sqlalchemy import select

from errors import InvalidInput
from extensions import db, reading
from models import StockItem
from models.sku_key import LONGEST, sku_key, tidy
from services.common import csv_files, damaged_cells, whole_numbers
from services.common.workbooks import Workbook
from services.common.wrong_rows import REASON_KEY
from services.stock import fed, skus
from services.stock.file_columns import OWN, Plan

MOST = 2_147_483_647
"""The largest quantity that a shop can store (X-Cart 5.4 and 5.5, observed: greater ones become this)."""
MOST_ROWS = 500_000
TWICE, FED = "The SKU stands in several lines", "The item is fed by suppliers"
SAID: Mapping[str, Callable[[str], str]] = {
    TWICE: lambda sku: f"{sku} is in another line too", FED: lambda sku: f"{fed.sentence(sku)} {fed.ADVICE}",
}  # fmt: skip
"""What is said of rows that can be read and are left out anyway, by cause."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A row as it stands in the file. ``typed`` is false for CSV, where a spreadsheet may have changed what was typed. ``row`` are all of its
    cells, ``text`` the line of JSON lines."""

    line: int
    sku: str
    quantity: str
    problem: str = ""
    typed: bool = False
    row: csv_files.Row | None = None
    text: str = ""

    def cells(self) -> list[str]:
        """As they go into a file of wrong rows."""
        return [self.text] if self.row is None else self.row.whole()


class _Ahead:
    """Text whose first line was read already."""

    def __init__(self, text: TextIO):
        self.text, self.first = text, text.readline(csv_files.MOST_LINE + 1)
        self.is_json = self.first.lstrip("\ufeff \t").startswith("{")
        self._next: str | None = self.first

    def readline(self, size: int = -1) -> str:
        if self._next is not None:
            line, self._next = self._next, None
            return line
        return self.text.readline(size)


def is_json_lines(source: csv_files.Source) -> bool:
    """Whether a file is JSON lines and not a table. Its first line is read."""
    return not isinstance(source, Workbook) and _Ahead(source).is_json


def _given(source: csv_files.Source, plan: Plan) -> Iterator[_Given]:
    ahead = _Ahead(source) if not isinstance(source, Workbook) else None
    if ahead is not None and ahead.is_json:
        yield from _json_lines(ahead)
        return
    for row in csv_files.read(source if ahead is None else cast(TextIO, ahead), plan.columns, ("sku", "quantity")):
        yield _Given(row.line, row.cells["sku"], row.cells["quantity"], row.problem, row=row)


def _json_lines(ahead: _Ahead) -> Iterator[_Given]:
    number = 0
    while line := ahead.readline(csv_files.MOST_LINE + 1):
        number += 1
        if len(line) > csv_files.MOST_LINE:
            raise InvalidInput(f"Line {number} is longer than {csv_files.MOST_LINE:,} characters.")
        if line.strip("\ufeff \t\r\n"):
            yield _json_line(number, line.lstrip("\ufeff"))


def _json_line(number: int, line: str) -> _Given:
    text = line.strip()
    try:
        pairs = json.loads(line, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return _Given(number, "", "", "it is not valid JSON", text=text)
    is_object = isinstance(pairs, list) and all(isinstance(each, tuple) for each in pairs)
    pairs = [pair for pair in pairs if pair[0] != REASON_KEY] if is_object else []
    found = dict(pairs)
    sku, quantity = found.get("sku"), found.get("quantity")
    if len(found) != 2 or len(pairs) != 2 or not isinstance(sku, str) or type(quantity) is not int:
        problem = "it needs sku as text and quantity as a whole number, each once, and nothing else"
        return _Given(number, "", "", problem, text=text)
    return _Given(number, sku, str(quantity), typed=True, text=text)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row: the ``cause`` that it has in common with others, and a sentence that names it."""

    cause: str
    said: str


def read(text: csv_files.Source, plan: Plan = OWN) -> Iterator[dict[str, Any]]:
    """The rows of what ``csv_files.opened`` gives as columns of models.StockFileRow. Wrong ones have ``problem``, ``cause`` and ``cells``, and
    ``first`` where their SKU stands in an earlier line too. Raises InvalidInput for a file that is wrong as a whole."""
    seen: dict[str, int] = {}
    with reading():
        alike = {sku_key(group[0]): group for group in skus.alike()}
        zeros = _with_zeros()
    for number, row in enumerate(_given(text, plan)):
        if number >= MOST_ROWS:
            raise InvalidInput(f"The file has more than {MOST_ROWS:,} rows.", "Split it into several.")
        parse = whole_numbers.parse if row.typed else plan.quantity
        sku, quantity = tidy(row.sku), parse(row.quantity, MOST)
        key = sku_key(sku)
        name = f"line {row.line}" if row.problem or not sku else sku if key in alike else key
        problem = _sku_problem(row, sku, alike.get(key, (sku,)), zeros)
        if problem is None and name in seen:
            problem = Problem(TWICE, f"{sku} is in line {seen[name]} already")
        problem = problem or _quantity_problem(row, sku, quantity)
        wrong: dict[str, Any] = {}
        if problem is not None:
            wrong = {"cause": problem.cause, "cells": row.cells(), "first": seen.get(name)}
        seen.setdefault(name, row.line)
        said = problem.said if problem else ""
        yield {"line": row.line, "sku": sku[:LONGEST], "sku_key": key, "quantity": quantity or 0, "problem": said, **wrong}


def cells_of(text: csv_files.Source, plan: Plan, lines: set[int]) -> Iterator[tuple[int, str, list[str]]]:
    """The line, the SKU and the cells of some rows of a file. Raises InvalidInput."""
    return ((row.line, tidy(row.sku)[:LONGEST], row.cells()) for row in _given(text, plan) if row.line in lines)


def _sku_problem(row: _Given, sku: str, meant: Sequence[str], zeros: Mapping[str, str]) -> Problem | None:
    """``meant`` are the SKUs that this one could be."""
    if row.problem:
        return Problem("The row cannot be read", row.problem)
    if not sku:
        return Problem("No SKU", "no SKU")
    if len(sku) > LONGEST or not sku.isprintable():
        return Problem("Not a SKU", f"{sku[:40]!r} cannot be a SKU")
    if damage := "" if row.typed else _damaged(sku, zeros):
        return Problem("A spreadsheet has changed the SKU", f"{damage} {damaged_cells.AS_TEXT_ADVICE}")
    if sku not in meant:
        return Problem(
            "Several stock items could be meant", f"{sku} could be {' or '.join(meant)}: give it exactly as the stock item has it"
        )
    return None


def _quantity_problem(row: _Given, sku: str, quantity: int | None) -> Problem | None:
    if not row.quantity:
        return Problem("No quantity", f"{sku}: no quantity")
    if quantity is None:
        return Problem("The quantity is not clear", f"{sku}: {row.quantity[:40]!r} is not a whole number from 0 to {MOST:,}")
    return None


def _with_zeros() -> dict[str, str]:
    """The SKUs of stock items that are numbers with zeros at their beginning, by what a spreadsheet makes of them."""
    found = db.session.scalars(select(StockItem.sku).where(StockItem.sku.startswith("0")))
    return {sku.lstrip("0"): sku for sku in found if sku.isascii() and sku.isdigit()}


def _damaged(sku: str, zeros: Mapping[str, str]) -> str:
    """What a spreadsheet did to a SKU; empty for a SKU that is a stock item's, however it looks."""
    damage = damaged_cells.damage(sku)
    if not damage and damaged_cells.looks_like_date(sku):
        damage = f"{sku} looks like a date that a spreadsheet has made of a SKU."
    if not damage and sku in zeros:
        damage = (
            f"There is no stock item {sku}. There is {zeros[sku]}: a spreadsheet may have removed the zeros. If {sku} is another one, "
            "add it on the stock page first."
        )
    if not damage:
        return ""
    with reading():
        known = db.session.scalar(select(StockItem.id).where(StockItem.sku == sku).limit(1))
    return "" if known is not None else damage
