"""Rows whose text begins as a person typed it, found in an index: what is searched for a part has to be looked for in every row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from extensions import db

LAST = "\U0010ffff"
"""After every other character."""


def begins(column: Any, text: str) -> ColumnElement[bool]:
    """Whether a column begins with a text, letter by letter. PostgreSQL compares in the language of the database otherwise; its operators for
    patterns compare by bytes, as their indexes are sorted (migrations/versions/0541_beginnings.py). SQLite always does."""
    if db.session.get_bind().dialect.name == "postgresql":
        return and_(column.op("~>=~", is_comparison=True)(text), column.op("~<~", is_comparison=True)(text + LAST))
    return and_(column >= text, column < text + LAST)


def names_begin(column: Any, text: str) -> ColumnElement[bool]:
    """``begins`` for names, in the letter cases that names have: as typed, small, with a capital, in capitals."""
    return or_(
        *(begins(column, each) for each in dict.fromkeys((text, text.lower(), text.capitalize(), text.title(), text.upper())))
    )
