"""Whether this process could serve a request well: what it needs is there, and of the schema it was written for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from extensions import db
from services import schema


@dataclass(frozen=True, slots=True)
class Part:
    """``sentence`` is for whoever looks from outside: what to do, and nothing of the inside."""

    name: str
    ready: bool
    sentence: str = "ready"


def look(queue_answers: Callable[[], bool]) -> list[Part]:
    """The database, its schema and the queue, in this order. ``queue_answers`` is asked last and must not raise."""
    return [*_database(), _queue(queue_answers)]


def _database() -> list[Part]:
    try:
        db.session.execute(text("SELECT 1"))
        found = schema.standing()
    except SQLAlchemyError:
        return [Part("database", False, "It does not answer. Start it, or check DATABASE_URL.")]
    finally:
        db.session.rollback()
    if found.place == schema.SAME:
        return [Part("database", True), Part("schema", True)]
    said = {
        schema.NEWER: "It is of another version of Cartlink. Start the version that belongs to it.",
        schema.OLDER: f"It is of an older version of Cartlink. {schema.UPGRADE}",
        schema.EMPTY: f"There are no tables yet. {schema.UPGRADE}",
    }
    return [Part("database", True), Part("schema", False, said[found.place])]


def _queue(answers: Callable[[], bool]) -> Part:
    if answers():
        return Part("queue", True)
    return Part("queue", False, "It does not answer. Start it, or check REDIS_URL.")
