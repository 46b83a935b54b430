"""Whether this process can serve requests: the parts it needs work, and the schema fits the code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from extensions import db, reading
from services.common import database_trouble
from services.operations import schema


@dataclass(frozen=True, slots=True)
class Part:
    """``sentence`` is for operators: what to do, without internal details."""

    name: str
    ready: bool
    sentence: str = "ready"


def look(queue_trouble: Callable[[], str]) -> list[Part]:
    """The database, its schema and the queue, in this order. ``queue_trouble`` says in a sentence why the queue is not ready; it is
    asked last and must not raise."""
    return [*_database(), _queue(queue_trouble)]


def _database() -> list[Part]:
    try:
        with reading() as session:
            session.execute(text("SELECT 1"))
        found = schema.standing()
        if database_trouble.disk_is_full(db.engine):
            return [Part("database", False, f"{database_trouble.DISK_FULL} {database_trouble.FREE_THE_DISK}")]
    except DBAPIError as error:
        trouble = database_trouble.named(error)
        if trouble is not None and trouble.message in (database_trouble.DISK_FULL, database_trouble.DAMAGED):
            return [Part("database", False, trouble.sentence())]
        return [Part("database", False, "It does not answer. Start it, or check DATABASE_URL.")]
    except SQLAlchemyError:
        return [Part("database", False, "It does not answer. Start it, or check DATABASE_URL.")]
    if found.place == schema.SAME:
        return [Part("database", True), Part("schema", True)]
    said = {
        schema.NEWER: "It is of another version of Cartlink. Start the version that belongs to it.",
        schema.OLDER: f"It is of an older version of Cartlink. {schema.UPGRADE}",
        schema.EMPTY: f"There are no tables yet. {schema.UPGRADE}",
    }
    return [Part("database", True), Part("schema", False, said[found.place])]


def _queue(trouble: Callable[[], str]) -> Part:
    sentence = trouble()
    return Part("queue", False, sentence) if sentence else Part("queue", True)
