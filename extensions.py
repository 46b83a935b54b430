"""The extensions, created unbound and bound in ``create_app``; and how a transaction that writes is opened.

SQLite takes one writer at a time. A transaction that begins by reading and writes later loses the race with
"database is locked" at once, whatever the busy timeout; so ``writing()`` begins with BEGIN IMMEDIATE there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from htmx_flask import Htmx
from sqlalchemy import Engine, MetaData, event
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.orm import scoped_session as ScopedSession

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# Several columns of each order and of each of its lines are JSON: the standard library's took a tenth of a download.
# What a failed statement was given is kept out of its exception, and so out of logs: orders hold customers' data.
db = SQLAlchemy(
    model_class=Base,
    engine_options={"json_serializer": _json, "json_deserializer": msgspec.json.decode, "hide_parameters": True},
)
migrate = Migrate()
csrf = CSRFProtect()
htmx = Htmx()
login = LoginManager()

_writing: ContextVar[bool] = ContextVar("writing", default=False)


@contextmanager
def writing() -> Iterator[ScopedSession[Session]]:
    """One transaction that writes: committed at the end, rolled back on any exception.

    What was loaded before is loaded again inside, so a decision made inside rests on what nobody else can change
    meanwhile (on SQLite nobody else writes; on PostgreSQL rows to be decided on are locked by the caller). Not to be
    nested, and never to be held open across a network call."""
    if _writing.get():
        raise RuntimeError("A transaction that writes is open already.")
    if db.session.dirty or db.session.new or db.session.deleted:
        raise RuntimeError("Rows were changed outside writing(); they would be lost.")
    db.session.rollback()
    token = _writing.set(True)
    try:
        yield db.session
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise
    finally:
        _writing.reset(token)


@event.listens_for(Session, "before_flush")
def _refuse_stray_writes(session: Session, flush_context: Any, instances: Any) -> None:
    if not _writing.get():
        raise RuntimeError("Rows are written inside writing() only.")


@event.listens_for(Engine, "connect")
def _prepare_connection(connection: Any, record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        # SQLAlchemy's own "begin" hook below opens every transaction; the driver must not do it a second time.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA busy_timeout=15000")
        cursor.execute("PRAGMA synchronous=NORMAL")
        # What is erased or replaced is overwritten, not only forgotten.
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.close()


@event.listens_for(Engine, "begin")
def _begin(connection: Any) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _writing.get() else "BEGIN")
