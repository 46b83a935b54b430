"""A page of a long list, read from where its neighbour ended: the database goes straight there, and rows that are added or removed meanwhile
move nothing. Short lists have numbered pages (``numbered``, ``slice_of``).

A cursor holds the keys of a row and what it was made for, signed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from blinker import Signal
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import ColumnElement, Date, Select, UnaryExpression, and_, func, literal, literal_column, or_, select, tuple_
from sqlalchemy.sql import operators

from config import current_config
from extensions import db
from models.types import Moment, Money

Row = TypeVar("Row")
MOST_COUNTED = 2_000
"""Rows that are counted: counting a hundred thousand would take longer than the page itself."""
FORWARD, BACK = ">", "<"
place_unread = Signal("A place is none of this list, so that its first page is shown. The sender is the place.")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """``total`` counts the rows of all pages, and ``more`` says that there are more than were counted. ``next`` and ``previous`` are where the
    neighbouring pages are read from, empty where there is none. ``number`` of ``pages`` is 0 unless pages are numbered; ``goes_on`` says that
    there may be a page after this one."""

    rows: list[Row]
    total: int
    number: int = 0
    pages: int = 0
    more: bool = False
    goes_on: bool = False
    next: str = ""
    previous: str = ""


class BadCursor(Exception):
    """A cursor of another list, of other filters, or made up."""


def page_of(
    query: Select[*tuple[Any, ...]], order: Sequence[Any], place: str, size: int, load: Callable[[Sequence[Any]], list[Row]],
    most: int | None = None,
) -> Page[Row]:  # fmt: skip
    """One page of a select without an order. ``order`` are columns, or ``column.desc()``, never NULL, the last of them unique; ``place`` is
    ``next`` or ``previous`` of another page, and empty for the first; whatever else it is means the first page too, and ``place_unread``
    says so. ``load`` makes rows of what the query gives.

    ``most`` is given for a query that gives hardly more rows than that, as a search does: they are counted while they are put in order. Of all others
    up to ``MOST_COUNTED`` are counted apart."""
    keys = [_key(each) for each in order]
    # Of other filters it is a good place too; of another order it is none.
    made_for = ",".join(f"{type(column.type).__name__}{'-' if falls else ''}" for column, falls in keys)
    values: list[Any] | None
    try:
        way, values = decode(place, made_for, [column for column, _ in keys])
    except BadCursor:
        way, values = FORWARD, None
        if place:
            place_unread.send(place)
    back = way == BACK
    counts = most is not None and values is None
    read = query.add_columns(func.count().over()) if counts else query
    found: list[Any] = list(db.session.execute(_from(read, keys, values, back=back).limit(size + 1)))
    beyond, found = len(found) > size, found[:size]
    if back:
        found.reverse()
    if values is not None and (not found or (back and not beyond and len(found) < size)):
        # Rows were removed meanwhile: what would be an empty page, or a first page that is not full, shows the beginning.
        return page_of(query, order, "", size, load, most)
    goes_on, came_from = (True, beyond) if back else (beyond, values is not None)
    ends = [[*row][-len(keys) :] for row in (*found[:1], *found[-1:])]
    whole = not goes_on and not came_from
    most = MOST_COUNTED if most is None else most
    total = len(found) if whole else found[0][-len(keys) - 1] if counts else _counted(query, most)
    return Page(
        load(found), min(total, most), more=total > most, goes_on=goes_on,
        next=encode(FORWARD, ends[1], made_for) if goes_on and ends else "",
        previous=encode(BACK, ends[0], made_for) if came_from and ends else "",
    )  # fmt: skip


def _counted(query: Select[*tuple[Any, ...]], most: int) -> int:
    """The rows of a select, up to one more than ``most``. Without its columns, so that the databases leave out tables that only name something."""
    counted: Select[Any] = query.with_only_columns(literal_column("1"), maintain_column_froms=True).limit(most + 1)
    return db.session.scalar(select(func.count()).select_from(counted.subquery())) or 0


def first_after(query: Select[*tuple[Any, ...]], order: Sequence[Any], values: Sequence[Any] | None) -> Any:
    """The first row of a select after the one with these values, in an order as ``page_of`` takes it; without values the first of all.
    None if there is none."""
    return db.session.execute(_from(query, [_key(each) for each in order], values, back=False).limit(1)).first()


def _key(each: Any) -> tuple[ColumnElement[Any], bool]:
    """A column of an order, and whether it falls."""
    if isinstance(each, UnaryExpression) and each.modifier is operators.desc_op:
        return each.element, True
    return each, False


def _from(
    query: Select[Any], keys: Sequence[tuple[ColumnElement[Any], bool]], values: Sequence[Any] | None, *, back: bool
) -> Select[Any]:
    """The query in its order, or the other way round, after the row with these keys; the keys are its last columns."""
    keys = [(column, falls != back) for column, falls in keys]
    query = query.add_columns(*(column for column, _ in keys))
    query = query.order_by(None).order_by(*(column.desc() if falls else column for column, falls in keys))
    return query if values is None else query.where(after(keys, values))


def after(keys: Sequence[tuple[ColumnElement[Any], bool]], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a row comes after the one with these values. As one comparison of rows where all keys go the same way: the database then finds
    the place in an index of them."""
    bound = [literal(value, column.type) for (column, _), value in zip(keys, values, strict=True)]
    if len({falls for _, falls in keys}) == 1:
        ours, theirs = tuple_(*(column for column, _ in keys)), tuple_(*bound)
        return ours < theirs if keys[0][1] else ours > theirs
    steps = []
    for place, (column, falls) in enumerate(keys):
        same = [keys[each][0] == bound[each] for each in range(place)]
        steps.append(and_(*same, column < bound[place] if falls else column > bound[place]))
    first, falls = keys[0]
    return and_(first <= bound[0] if falls else first >= bound[0], or_(*steps))


def encode(way: str, values: Sequence[Any], made_for: str) -> str:
    """A cursor. ``way`` says whether it leads forward or back."""
    return str(_signer().dumps([made_for, way, [_plain(value) for value in values]]))


def decode(cursor: str, made_for: str, keys: Sequence[Any]) -> tuple[str, list[Any]]:
    """The way and the values in a cursor. Raises BadCursor."""
    try:
        said, way, values = _signer().loads(cursor)
        if said != made_for or len(values) != len(keys):
            raise BadCursor
        return way, [_restored(value, key) for value, key in zip(values, keys, strict=True)]
    except (BadSignature, ValueError, TypeError, ArithmeticError):
        raise BadCursor from None


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(current_config().secret_key, salt="cursor")


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool) else str(value)


def _restored(value: Any, key: Any) -> Any:
    if isinstance(key.type, Moment):
        return datetime.fromisoformat(value)
    if isinstance(key.type, Money):
        return Decimal(value)
    return date.fromisoformat(value) if isinstance(key.type, Date) else value


def by_id(load: Callable[[Sequence[int]], dict[int, Row]]) -> Callable[[Sequence[Any]], list[Row]]:
    """For a query of ids: their rows in its order, without those that are gone meanwhile."""

    def ordered(found: Sequence[Any]) -> list[Row]:
        ids = [row[0] for row in found]
        rows = load(ids)
        return [rows[row_id] for row_id in ids if row_id in rows]

    return ordered


def numbered(total: int, number: int, size: int) -> tuple[int, int]:
    """The number of the page that is there and nearest to ``number``, and how many pages there are."""
    pages = max(1, -(-total // size))
    return min(max(number, 1), pages), pages


def slice_of(rows: Sequence[Row], number: int, size: int) -> Page[Row]:
    """A page of rows that are all there."""
    number, pages = numbered(len(rows), number, size)
    return Page(list(rows[(number - 1) * size : number * size]), len(rows), number, pages, goes_on=number < pages)
