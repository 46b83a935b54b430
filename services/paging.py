"""A page of a long list, by number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select

from extensions import db

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """``total`` counts the rows of all pages, of which this is ``number`` of ``pages``."""

    rows: list[Row]
    total: int
    number: int
    pages: int


def page_of(query: Select[Any], number: int, size: int, load: Callable[[Sequence[Any]], list[Row]]) -> Page[Row]:
    """One page; a number beyond the last is the last. ``load`` makes rows of what the query gives."""
    total = db.session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    pages = max(1, -(-total // size))
    number = min(max(number, 1), pages)
    found = db.session.execute(query.limit(size).offset((number - 1) * size)).all()
    return Page(load(found), total, number, pages)


def by_id(load: Callable[[Sequence[int]], dict[int, Row]]) -> Callable[[Sequence[Any]], list[Row]]:
    """For a query of ids: their rows in its order, without those that are gone meanwhile."""

    def ordered(found: Sequence[Any]) -> list[Row]:
        ids = [row[0] for row in found]
        rows = load(ids)
        return [rows[row_id] for row_id in ids if row_id in rows]

    return ordered
