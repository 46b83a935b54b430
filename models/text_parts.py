"""SQLite's index of the parts of texts: every three letters in a row of a stock item's or listing's ``searched``.

Without it a part is looked for in every row. PostgreSQL would need an extension for such an index, which not every server has, and reads all rows.
An index is an FTS5 table, ``listing_parts``, that refers to the rows of its table. Triggers write it in the transaction that writes the row, whatever
wrote it, also an older version that runs on after an upgrade. Like the triggers of the event log it is away while migrations change the
tables, and made again after them."""

from __future__ import annotations

from sqlalchemy import Connection

TABLES = ("stock_item", "listing")
SHORTEST = 3
"""Shorter parts are in no such index."""

INDEX = (
    # The texts are without letter case already (models/sku_key.py). Nobody asks how long they are.
    "CREATE VIRTUAL TABLE {table}_parts USING fts5"
    "(searched, content='{table}', content_rowid='id', tokenize='trigram case_sensitive 1', columnsize=0)"
)
FILL = "INSERT INTO {table}_parts ({table}_parts) VALUES ('rebuild')"
ADD = "INSERT INTO {table}_parts (rowid, searched) VALUES (NEW.id, NEW.searched)"
DELETE = "INSERT INTO {table}_parts ({table}_parts, rowid, searched) VALUES ('delete', OLD.id, OLD.searched)"
TRIGGERS = {
    "parts_{table}_added": "AFTER INSERT ON {table} BEGIN " + ADD + "; END",
    "parts_{table}_changed": (
        "AFTER UPDATE OF id, searched ON {table} WHEN OLD.id <> NEW.id OR OLD.searched <> NEW.searched BEGIN "
        + DELETE
        + "; "
        + ADD
        + "; END"
    ),
    "parts_{table}_deleted": "AFTER DELETE ON {table} BEGIN " + DELETE + "; END",
}


def query(part: str) -> str:
    """What FTS5 is asked for the rows with a part, which has at least ``SHORTEST`` letters."""
    doubled = part.replace('"', '""')
    return f'"{doubled}"'


def in_place(connection: Connection) -> bool:
    """Whether a database has the indexes and their triggers as they are made here; no other database than SQLite needs any."""
    if connection.dialect.name != "sqlite":
        return True
    here = {row[0] for row in connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    return all(statement in here for table in TABLES for statement in _made(table))


def remove(connection: Connection) -> None:
    """Drop the indexes and their triggers. The tables can be changed then."""
    if connection.dialect.name == "sqlite":
        for table in TABLES:
            for name in TRIGGERS:
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name.format(table=table)}")
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}_parts")


def install(connection: Connection) -> None:
    """Make and fill the indexes, if they are not there."""
    if not in_place(connection):
        remove(connection)
        for table in TABLES:
            for statement in _made(table):
                connection.exec_driver_sql(statement)
        fill(connection)


def fill(connection: Connection) -> None:
    """Make the content of the indexes again, after rows were written without the triggers. A second for 200,000 rows."""
    for table in TABLES:
        connection.exec_driver_sql(FILL.format(table=table))


def _made(table: str) -> list[str]:
    triggers = [f"CREATE TRIGGER {name} {does}" for name, does in TRIGGERS.items()]
    return [statement.format(table=table) for statement in (INDEX, *triggers)]
