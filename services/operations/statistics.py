"""What the database knows about the sizes of its tables, kept fresh: with old statistics it may read a million rows where an index would do."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from extensions import db

SAMPLE = 1_000
"""Entries of an index that SQLite looks at, of a million the same."""


def refresh() -> None:
    """Let the database count its tables: samples, so that it takes a second or so for millions of rows. PostgreSQL does that itself while
    autovacuum is switched on; here it happens in any case."""
    with db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            driver: Any = connection.connection.driver_connection
            # Past the transactions of this application: nothing of it belongs to one.
            for statement in (f"PRAGMA analysis_limit = {SAMPLE}", "ANALYZE"):
                driver.execute(statement).close()
        else:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
