"""What a statement changed."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import CursorResult, Result


def changed_rows(result: Result[*tuple[Any, ...]]) -> int:
    """How many rows an UPDATE, a DELETE or an INSERT has changed."""
    return cast(CursorResult[*tuple[Any, ...]], result).rowcount
