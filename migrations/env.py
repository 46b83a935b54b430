"""How Alembic meets this application: the engine and tables are those of the Flask app in whose context it runs."""

from __future__ import annotations

from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cli.failures import Failed, database_sentence

migrate = current_app.extensions["migrate"]


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


def run_migrations() -> None:
    options = {"process_revision_directives": leave_out_empty_revisions, **migrate.configure_args}
    if context.is_offline_mode():
        context.configure(url=migrate.db.engine.url, target_metadata=migrate.db.metadata, literal_binds=True, **options)
        with context.begin_transaction():
            context.run_migrations()
        return
    with _connected() as connection:
        context.configure(connection=connection, target_metadata=migrate.db.metadata, **options)
        with context.begin_transaction():
            context.run_migrations()


run_migrations()
