"""A page of a long list, by number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select

from extensions import db

Row = TypeVar("Row")
MOST_COUNTED = 2_000
"""Rows that are counted for "page 1 of 40": counting a hundred thousand would take longer than the page itself."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """``total`` counts the rows of all pages, of which this is ``number`` of ``pages``; ``more`` says that there are more than
    were counted, and ``goes_on`` that there may be a page after this one."""

    rows: list[Row]
    total: int
    number: int
    pages: int
    more: bool = False
    goes_on: bool = False


def page_of(query: Select[Any], number: int, size: int, load: Callable[[Sequence[Any]], list[Row]]) -> Page[Row]:
    """One page; a number beyond the last is the last. ``load`` makes rows of what the query gives."""
    counted = query.order_by(None).limit(MOST_COUNTED + 1).subquery()
    total = db.session.scalar(select(func.count()).select_from(counted)) or 0
    more, total = total > MOST_COUNTED, min(total, MOST_COUNTED)
    pages = max(1, -(-total // size))
    number = max(number, 1) if more else min(max(number, 1), pages)
    found = _rows(query, number, size)
    if not found and number > pages:
        number, found = pages, _rows(query, pages, size)
    return Page(load(found), total, number, pages, more, number < pages or (more and len(found) == size))


def _rows(query: Select[Any], number: int, size: int) -> Sequence[Any]:
    return db.session.execute(query.limit(size).offset((number - 1) * size)).all()


def by_id(load: Callable[[Sequence[int]], dict[int, Row]]) -> Callable[[Sequence[Any]], list[Row]]:
    """For a query of ids: their rows in its order, without those that are gone meanwhile."""

    def ordered(found: Sequence[Any]) -> list[Row]:
        ids = [row[0] for row in found]
        rows = load(ids)
        return [rows[row_id] for row_id in ids if row_id in rows]

    return ordered


def slice_of(rows: Sequence[Row], number: int, size: int) -> Page[Row]:
    """A page of rows that are all there."""
    pages = max(1, -(-len(rows) // size))
    number = min(max(number, 1), pages)
    return Page(list(rows[(number - 1) * size : number * size]), len(rows), number, pages)
