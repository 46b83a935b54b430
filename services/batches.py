"""Long lists in batches: first the ids in their order, then the rows a batch at a time.

A list of 100,000 rows costs eight bytes a row and one batch in memory, is sorted once, stays in its order while rows are
added, and keeps no transaction open while the reader takes his time with a batch.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Select

from extensions import db

Row = TypeVar("Row")
BATCH = 500


def in_batches(ids: Select[Any], load: Callable[[Sequence[int]], dict[int, Row]]) -> Iterator[list[Row]]:
    """The rows of ``ids`` in its order. ``load`` answers with plain values by id, not with rows of the session."""
    wanted = array("q", db.session.scalars(ids.execution_options(yield_per=10_000)))
    db.session.rollback()
    for start in range(0, len(wanted), BATCH):
        chunk = wanted[start : start + BATCH].tolist()
        found = load(chunk)
        db.session.rollback()
        yield [found[row_id] for row_id in chunk if row_id in found]


def stamp(moment: datetime | None) -> str | None:
    """A time for scripts: ISO 8601, UTC, to the second (``2026-11-23T08:00:00Z``)."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
