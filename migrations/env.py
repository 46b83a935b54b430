"""How Alembic meets this application: the engine and tables are those of the Flask app in whose context it runs."""

from __future__ import annotations

from typing import Any

from alembic import context
from flask import current_app

migrate = current_app.extensions["migrate"]


def leave_out_empty_revisions(migration_context: Any, revision: Any, directives: list[Any]) -> None:
    """``flask db migrate`` writes no file where nothing has changed."""
    if getattr(context.config.cmd_opts, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives.clear()


def run_migrations() -> None:
    options = {"process_revision_directives": leave_out_empty_revisions, **migrate.configure_args}
    if context.is_offline_mode():
        context.configure(url=migrate.db.engine.url, target_metadata=migrate.db.metadata, literal_binds=True, **options)
        with context.begin_transaction():
            context.run_migrations()
        return
    with migrate.db.engine.connect() as connection:
        context.configure(connection=connection, target_metadata=migrate.db.metadata, **options)
        with context.begin_transaction():
            context.run_migrations()


run_migrations()
