"""The Flask extensions, bound in ``create_app``, and the transactions: ``writing()`` and ``reading()``.

SQLite takes one writer at a time. A transaction that begins by reading and writes later loses the race with
"database is locked" at once, whatever the busy timeout; so ``writing()`` begins with BEGIN IMMEDIATE there.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from htmx_flask import Htmx
from sqlalchemy import Engine, MetaData, Table, event, text
from sqlalchemy.orm import DeclarativeBase, Session

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    if TYPE_CHECKING:
        __table__: ClassVar[Table]

    metadata = MetaData(naming_convention=NAMING)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# Several columns of orders and lines are JSON: the standard library took a tenth of the time of a download.
# Exceptions and so logs do not contain the parameters of failed statements: orders have customers' data.
db = SQLAlchemy(
    model_class=Base,
    engine_options={"json_serializer": _json, "json_deserializer": msgspec.json.decode, "hide_parameters": True},
)
if TYPE_CHECKING:
    Model = Base  # types cannot follow what Flask-SQLAlchemy makes of Base
else:
    Model = db.Model
migrate = Migrate()
csrf = CSRFProtect()
htmx = Htmx()
login = LoginManager()

_writing: ContextVar[bool] = ContextVar("writing", default=False)
_together: ContextVar[bool] = ContextVar("together", default=False)
_reading_limit: ContextVar[float | None] = ContextVar("reading_limit", default=None)
_acting: ContextVar[tuple[str, str]] = ContextVar("acting", default=("", ""))
captured_tables: set[str] = set()
"""The tables whose changes become events; models/captured.py fills it."""
STEPS = 20_000
"""Steps of SQLite's virtual machine between two checks of the time; about a millisecond."""


def limit_reading(seconds: float | None) -> None:
    """How long each statement that only reads may take in this thread from now on; None for no limit. A statement that takes
    longer raises OperationalError (services/common/database_trouble.py names it)."""
    _reading_limit.set(seconds)


def extend_reading(seconds: float) -> None:
    """Let each statement that only reads take so long from now on, also in the transaction that is open."""
    limit_reading(seconds)
    session = db.session()
    if session.in_transaction() and session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))


def act_as(actor: str, cause: str) -> None:
    """Say who or what acts from now on in this thread, for the events about it. A cause is page, api, command, run or schedule."""
    _acting.set((actor[:100], cause))


@contextmanager
def acting(actor: str, cause: str) -> Iterator[None]:
    """Who or what acts inside the block, for the events about it, as ``act_as`` has it."""
    token = _acting.set((actor[:100], cause))
    try:
        yield
    finally:
        _acting.reset(token)


def who_acts() -> tuple[str, str]:
    """Who or what acts in this thread, and the cause; both empty where nobody said so."""
    return _acting.get()


@contextmanager
def writing() -> Iterator[Session]:
    """One transaction that writes: committed at the end, rolled back on any exception.

    What was loaded before is loaded again inside, so a decision made inside rests on what nobody else can change
    meanwhile (on SQLite nobody else writes; on PostgreSQL rows to be decided on are locked by the caller). Nested only inside
    ``one_transaction``, and never to be held open across a network call."""
    if _together.get():
        with db.session.begin_nested():
            db.session.expire_all()
            yield db.session()
        return
    if _writing.get():
        raise RuntimeError("A transaction that writes is open already.")
    if db.session.dirty or db.session.new or db.session.deleted:
        raise RuntimeError("Rows were changed outside writing(); they would be lost.")
    db.session.rollback()
    token = _writing.set(True)
    try:
        yield cast(Session, db.session)
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise
    finally:
        _writing.reset(token)


@contextmanager
def one_transaction() -> Iterator[Session]:
    """Several acts as one transaction: each ``writing()`` inside becomes a savepoint of it, undone alone if it fails, and committed with
    the others at the end."""
    with writing() as session:
        token = _together.set(True)
        try:
            yield session
        finally:
            _together.reset(token)


def begin_again() -> None:
    """Undo all that the open ``writing()`` has written so far, and go on in a new transaction inside the same block. For code that wrote all
    of it: in place of a savepoint, which makes SQLite write each page aside that a statement changes. Raises RuntimeError where others'
    writes would be lost with it."""
    if _together.get() or not _writing.get():
        raise RuntimeError("Only a transaction of one act can begin again.")
    db.session.rollback()


@contextmanager
def reading() -> Iterator[Session]:
    """Read rows, and end the transaction at the end of the block, so that none is open while a shop or a person is waited for.

    Take plain values out of the block: a row that is used after it is loaded again. Inside ``writing()`` it changes nothing: what is
    read there belongs to that transaction."""
    try:
        yield cast(Session, db.session)
    finally:
        if not _writing.get():
            db.session.rollback()


@event.listens_for(Session, "before_flush")
def _refuse_stray_writes(session: Session, flush_context: Any, instances: Any) -> None:
    if not _writing.get():
        raise RuntimeError("Rows are written inside writing() only.")


@event.listens_for(Engine, "connect")
def _prepare_connection(connection: Any, record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        # The "begin" hook below opens every transaction; the driver must not do it a second time.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA busy_timeout=15000")
        cursor.execute("PRAGMA synchronous=NORMAL")
        # Deleted and replaced data is overwritten on disk.
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.close()


@event.listens_for(Engine, "begin")
def _begin(connection: Any) -> None:
    connection.info["noted"] = False
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _writing.get() else "BEGIN")
    elif (seconds := _reading_limit.get()) and not _writing.get():
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")


@event.listens_for(Engine, "before_cursor_execute")
def _limit_sqlite(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
    """SQLite has no time limit; its progress handler ends the statement."""
    if connection.dialect.name != "sqlite":
        return
    seconds = None if _writing.get() else _reading_limit.get()
    if seconds is None and not connection.info.get("limited"):
        return
    until = time.monotonic() + (seconds or 0)
    handler = (lambda: time.monotonic() > until) if seconds else None
    connection.connection.driver_connection.set_progress_handler(handler, STEPS if seconds else 0)
    connection.info["limited"] = seconds is not None


@event.listens_for(Engine, "before_cursor_execute")
def _note_transaction(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
    """With the first change of a captured table, note which transaction it is and who acts, where the triggers find it
    (models/captured.py). PostgreSQL numbers its transactions itself."""
    if connection.info.get("noted") or not _writing.get() or _changed_table(statement) not in captured_tables:
        return
    connection.info["noted"] = True
    driver = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        driver.execute("UPDATE event_state SET transaction_number = transaction_number + 1, actor = ?, cause = ?", _acting.get())
    elif _acting.get() != ("", ""):
        driver.execute("SELECT set_config('cartlink.actor', %s, true), set_config('cartlink.cause', %s, true)", _acting.get())


def _changed_table(statement: str) -> str:
    """The table that an INSERT, UPDATE or DELETE names; empty for other statements."""
    if statement[:7] not in ("INSERT ", "UPDATE ", "DELETE "):
        return ""
    words = statement[:80].split(None, 3)
    return words[1 if words[0] == "UPDATE" else 2].strip('"')


@event.listens_for(Engine, "rollback_savepoint")
def _note_again(connection: Any, name: str, context: Any) -> None:
    """What was noted inside the savepoint is undone with it."""
    connection.info["noted"] = False
