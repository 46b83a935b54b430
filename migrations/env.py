"""How Alembic meets this application: the engine and tables are those of the Flask app in whose context it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cli.failures import Failed, database_sentence
from models import captured, text_parts

migrate = current_app.extensions["migrate"]
SEARCHES = re.compile(rf"(order_search|({'|'.join(text_parts.TABLES)})_parts)(_[a-z]+)?")
"""The tables of the searches, with those that SQLite keeps for them. No model stands for them."""


def has_a_model(name: str | None, kind: str, parents: Any) -> bool:
    """``flask db migrate`` would drop what has none."""
    return kind != "table" or SEARCHES.fullmatch(name or "") is None


def leave_out_empty_revisions(migration_context: Any, revision: Any, directives: list[Any]) -> None:
    """``flask db migrate`` writes no file where nothing has changed."""
    if getattr(context.config.cmd_opts, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives.clear()


def _connected() -> Connection:
    """Raises what ends a command with one sentence where the database is away. What goes wrong later, in a migration, is not
    for one sentence."""
    try:
        return migrate.db.engine.connect()
    except DBAPIError as error:
        sentence = database_sentence(error)
        if not sentence:
            raise
        raise Failed(sentence) from None


@contextmanager
def without_foreign_keys(connection: Connection) -> Iterator[None]:
    """SQLite changes most of a table by copying it and dropping the old one, which would delete, or be refused for, the rows
    of other tables that refer to it. The switch works outside a transaction only, so it is turned on the driver's connection."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF").close()
    try:
        yield
    finally:
        connection.rollback()
        driver.execute("PRAGMA foreign_keys=ON").close()


def check_foreign_keys(connection: Connection) -> None:
    """Raises RuntimeError where a migration has left rows that refer to nothing; it is rolled back then."""
    if connection.dialect.name == "sqlite":
        wrong = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if wrong is not None:
            raise RuntimeError(f"After the migrations a row of {wrong[0]} refers to a row of {wrong[2]} that is not there.")


@contextmanager
def without_triggers(connection: Connection) -> Iterator[None]:
    """Triggers name tables and columns, so they are away while migrations change these, and the present ones are put in place at the newest
    revision: those of the event log, so that what migrations change is in no event, and those of the index of the parts of texts, which is made again."""
    script, here = context.script, context.get_context()
    newest = set(script.get_heads())
    try:
        wanted = context.get_revision_argument()
    except KeyError:  # a command that only looks, such as ``flask db current``
        moves = False
    else:
        stays = {wanted} == newest == set(here.get_current_heads())
        moves = not (stays and captured.in_place(connection) and text_parts.in_place(connection))
    if moves:
        captured.remove(connection)
        text_parts.remove(connection)
    yield
    if moves and set(here.get_current_heads()) == newest:
        captured.install(connection)
        text_parts.install(connection)


def run_migrations() -> None:
    options = {"process_revision_directives": leave_out_empty_revisions, "include_name": has_a_model, **migrate.configure_args}
    if context.is_offline_mode():
        context.configure(url=migrate.db.engine.url, target_metadata=migrate.db.metadata, literal_binds=True, **options)
        with context.begin_transaction():
            context.run_migrations()
        return
    with _connected() as connection, without_foreign_keys(connection):
        # Alembic takes it for granted that SQLite cannot take back changes of tables. It can, with transactions that are begun
        # (extensions.py): what fails in the middle leaves everything as it was, on both databases.
        context.configure(connection=connection, target_metadata=migrate.db.metadata, transactional_ddl=True, **options)
        with context.begin_transaction(), without_triggers(connection):
            context.run_migrations()
            check_foreign_keys(connection)


run_migrations()
