"""Long lists in batches: first the ids in their order, then the rows a batch at a time.

A list of a million rows needs one batch in memory, and a file of eight bytes a row. It is sorted once, keeps its order while rows are added,
and has no transaction open while the reader processes a batch.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from tempfile import SpooledTemporaryFile
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Select, delete, select

from extensions import db, reading, writing
from services.common.results import changed_rows

Row = TypeVar("Row")
Value = TypeVar("Value")
BATCH = 500
IN_MEMORY = 800_000
"""Bytes of ids that are kept in memory: those of 100,000 rows."""
_LENGTH = 4
"""Bytes before each batch of sums, which say how long it is."""


def batches(values: Sequence[Value], size: int = BATCH) -> Iterator[Sequence[Value]]:
    """``values`` in their order, ``size`` at a time: a statement takes only so many, and holds its locks only so long."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def in_batches(ids: Select[*tuple[Any, ...]], load: Callable[[Sequence[int]], dict[int, Row]]) -> Iterator[list[Row]]:
    """The rows of ``ids`` in its order. ``load`` returns plain values by id, not with rows of the session."""
    with SpooledTemporaryFile(IN_MEMORY) as wanted:
        with reading():
            # Past the session, which takes five seconds of processor time for a million ids.
            found = db.session.connection().execute(ids.execution_options(yield_per=10_000))
            for part in found.scalars().partitions():
                wanted.write(array("q", part).tobytes())
        wanted.seek(0)
        while chunk := array("q", wanted.read(BATCH * 8)).tolist():
            with reading():
                rows = load(chunk)
            yield [rows[row_id] for row_id in chunk if row_id in rows]


def sums_in_batches(query: Select[*tuple[Any, ...]]) -> Iterator[list[list[Any]]]:
    """The rows of a select that has no ids, such as sums, in its order: they are read once, into a file, so that nothing is summed again
    for each batch. Amounts and days come back as text."""
    with SpooledTemporaryFile(IN_MEMORY) as kept:
        with reading():
            for part in db.session.execute(query.execution_options(yield_per=BATCH)).partitions():
                block = msgspec.msgpack.encode([tuple(row) for row in part])
                kept.write(len(block).to_bytes(_LENGTH) + block)
        kept.seek(0)
        while length := kept.read(_LENGTH):
            yield msgspec.msgpack.decode(kept.read(int.from_bytes(length)))


def delete_in_batches(model: Any, *where: ColumnElement[bool], stopping: Callable[[], bool] = lambda: False) -> int:
    """Delete the rows of ``model`` that ``where`` selects, from the oldest on, each batch in a separate transaction. Returns their
    number. Ends early if ``stopping`` says so."""
    count = 0
    query = select(model.id).where(*where).order_by(model.id).limit(BATCH)
    while not stopping():
        with reading() as session:
            ids = list(session.scalars(query))
        if not ids:
            break
        with writing() as session:
            count += changed_rows(
                session.execute(delete(model).where(model.id.in_(ids), *where).execution_options(synchronize_session=False))
            )
    return count


def stamp(moment: datetime | None) -> str | None:
    """A time for scripts: ISO 8601, UTC, to the second (``2026-11-23T08:00:00Z``)."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
