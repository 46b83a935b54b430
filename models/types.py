"""Column types that keep money exact and times unambiguous on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Float,
    Integer,
    TableValuedAlias,
    Text,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

SCALE = Decimal(10_000)

Units = BigInteger().with_variant(Integer(), "sqlite")
"""A number of pieces, or a sum or product of such numbers: 64 bits on PostgreSQL, as SQLite's integers have anyway."""


def _ten_thousandths(value: Decimal | None) -> int | None:
    if not value:
        # Half of an order's amounts are zero.
        return None if value is None else 0
    return int((value * SCALE).to_integral_value())


class Money(TypeDecorator[Decimal]):
    """A ``Decimal`` of up to four decimals, stored as a whole number of ten-thousandths: SQLite has no exact decimal
    type, and whole numbers can be summed in SQL on both databases. X-Cart stores at most four decimals."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> int | None:
        return _ten_thousandths(value)

    def bind_processor(self, dialect: Any) -> Callable[[Decimal | None], int | None]:
        """The same, without the two calls around it: an order has a dozen amounts."""
        return _ten_thousandths

    def process_result_value(self, value: int | None, dialect: Any) -> Decimal | None:
        return None if value is None else Decimal(value) / SCALE


def _as_sqlite_keeps_it(value: datetime | None) -> str | None:
    """A time in UTC as SQLAlchemy writes it on SQLite: without its zone, always with microseconds."""
    if value is None:
        return None
    return _in_utc(value).isoformat(" ", "microseconds")[: -len("+00:00")]


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError("A time without a zone cannot be stored.")
    return value.astimezone(UTC)


class Moment(TypeDecorator[datetime]):
    """An aware ``datetime`` in UTC. A naive one is refused: it would be somebody's local time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        value = _in_utc(value)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def bind_processor(self, dialect: Any) -> Any:
        """On SQLite the text in one step: an order has five times, and SQLAlchemy's own way takes five times as long."""
        return _as_sqlite_keeps_it if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _Texts(TypeDecorator[list[str]]):
    """Many texts as one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: list[str] | None, dialect: Any) -> Any:
        return value if dialect.name == "postgresql" or value is None else msgspec.json.encode(value).decode()


class _Among(FunctionElement[Any]):
    """Without a type: SQLAlchemy would compare a boolean function with 1 on SQLite, and no index would be used."""

    name = "among"
    inherit_cache = True


def among(column: Any, parameter: str) -> ColumnElement[bool]:
    """Whether a text column is one of the texts in a parameter. As ``column.in_``, but the statement stays the same however
    many there are: nothing is made again each time it is sent."""
    return _Among(column, bindparam(parameter, type_=_Texts()))


@compiles(_Among)
def _among_on_sqlite(element: _Among, compiler: Any, **options: Any) -> str:
    column, texts = element.clauses
    listed = func.json_each(texts).table_valued("value")
    return str(compiler.process(column.in_(select(listed.c.value)), **options))


@compiles(_Among, "postgresql")
def _among_on_postgresql(element: _Among, compiler: Any, **options: Any) -> str:
    column, texts = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = ANY ({texts})"


class _EachText(FunctionElement[Any]):
    name = "each_text"
    inherit_cache = True


def each_text(parameter: str) -> TableValuedAlias:
    """The texts in a parameter as rows with the column ``value``, for a statement that looks something up for each of them. As with ``among``,
    it stays the same however many there are."""
    return _EachText(bindparam(parameter, type_=_Texts())).table_valued(column("value", Text()))


@compiles(_EachText)
def _each_text_on_sqlite(element: _EachText, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_EachText, "postgresql")
def _each_text_on_postgresql(element: _EachText, compiler: Any, **options: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **options)}) AS value)"


class _SecondsBetween(FunctionElement[float]):
    name = "seconds_between"
    inherit_cache = True
    type = Float()


def seconds_between(start: Any, end: Any) -> ColumnElement[float]:
    """How long it is from one ``Moment`` to another, NULL where one of them is. SQLite keeps moments as texts."""
    return _SecondsBetween(start, end)


@compiles(_SecondsBetween)
def _seconds_on_sqlite(element: _SecondsBetween, compiler: Any, **options: Any) -> str:
    start, end = (compiler.process(each, **options) for each in element.clauses)
    return f"((julianday({end}) - julianday({start})) * 86400)"


@compiles(_SecondsBetween, "postgresql")
def _seconds_on_postgresql(element: _SecondsBetween, compiler: Any, **options: Any) -> str:
    start, end = (compiler.process(each, **options) for each in element.clauses)
    return f"EXTRACT(EPOCH FROM ({end}) - ({start}))"


class _HourOf(FunctionElement[Any]):
    name = "hour_of"
    inherit_cache = True


def hour_of(moment: Any) -> ColumnElement[Any]:
    """The hour in UTC that a ``Moment`` lies in, to be compared with that of another."""
    return _HourOf(moment)


@compiles(_HourOf)
def _hour_on_sqlite(element: _HourOf, compiler: Any, **options: Any) -> str:
    return f"substr({compiler.process(element.clauses, **options)}, 1, 13)"


@compiles(_HourOf, "postgresql")
def _hour_on_postgresql(element: _HourOf, compiler: Any, **options: Any) -> str:
    return f"date_trunc('hour', {compiler.process(element.clauses, **options)} AT TIME ZONE 'UTC')"


MOST_INDEXED = 2600
"""Bytes of a text that PostgreSQL can have in an index, with some numbers beside it."""


def indexable(text: str) -> str:
    """As much of a text as every database can have in an index. A character has up to four bytes."""
    return text if len(text) <= MOST_INDEXED // 4 else text.encode(errors="ignore")[:MOST_INDEXED].decode(errors="ignore")


def utcnow() -> datetime:
    return datetime.now(UTC)
