"""The index of the parts of texts: every three letters in a row of a stock item's or listing's ``searched``. Without it a part is looked for in
every row.

A table ``listing_parts`` refers to the rows of ``listing``: an FTS5 table on SQLite, a table with a GIN index on PostgreSQL, which has such an
index itself only in an extension that not every server has. It is apart, because PostgreSQL writes all indexes of a table for each new quantity.
Triggers write it in the transaction that writes the row, whatever wrote it, also an older version that runs on after an upgrade. Like
the triggers of the event log it is away while migrations change the tables, and made again after them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

TABLES = ("stock_item", "listing")
LENGTH = 3
"""The letters of a part in the index, as FTS5's trigrams have them. Shorter parts are in no such index."""

SQLITE = (
    # The texts are without letter case already (models/sku_key.py). Nobody asks how long they are.
    "CREATE VIRTUAL TABLE {table}_parts USING fts5"
    "(searched, content='{table}', content_rowid='id', tokenize='trigram case_sensitive 1', columnsize=0)",
    "CREATE TRIGGER parts_{table}_added AFTER INSERT ON {table} BEGIN {add}; END",
    "CREATE TRIGGER parts_{table}_changed AFTER UPDATE OF id, searched ON {table} "
    "WHEN OLD.id <> NEW.id OR OLD.searched <> NEW.searched BEGIN {delete}; {add}; END",
    "CREATE TRIGGER parts_{table}_deleted AFTER DELETE ON {table} BEGIN {delete}; END",
    "INSERT INTO {table}_parts ({table}_parts) VALUES ('rebuild')",
)
SQLITE_ACTS = {
    "add": "INSERT INTO {table}_parts (rowid, searched) VALUES (NEW.id, NEW.searched)",
    "delete": "INSERT INTO {table}_parts ({table}_parts, rowid, searched) VALUES ('delete', OLD.id, OLD.searched)",
}
PARTS = "SELECT coalesce(array_agg(DISTINCT substr($1, place, 3)), '{}') FROM generate_series(1, length($1) - 2) place"
WRITE = (
    "BEGIN INSERT INTO {table}_parts VALUES (NEW.id, NEW.searched, parts_of_text(NEW.searched)) "
    "ON CONFLICT (id) DO UPDATE SET searched = excluded.searched, parts = excluded.parts; RETURN NULL; END"
)
FUNCTION = f"CREATE OR REPLACE FUNCTION parts_of_text(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT AS $${PARTS}$$"
POSTGRESQL = (
    "CREATE TABLE {table}_parts (id integer PRIMARY KEY REFERENCES {table} ON DELETE CASCADE, searched text NOT NULL, parts text[] NOT NULL)",
    "INSERT INTO {table}_parts SELECT id, searched, parts_of_text(searched) FROM {table}",
    # What waits to be put into the index would be read by every search.
    "CREATE INDEX ix_{table}_parts ON {table}_parts USING gin (parts) WITH (fastupdate = off)",
    "CREATE OR REPLACE FUNCTION parts_{table}() RETURNS trigger LANGUAGE plpgsql AS $$" + WRITE + "$$",
    "CREATE TRIGGER parts_{table}_added AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION parts_{table}()",
    "CREATE TRIGGER parts_{table}_changed AFTER UPDATE OF searched ON {table} FOR EACH ROW "
    "WHEN (OLD.searched <> NEW.searched) EXECUTE FUNCTION parts_{table}()",
)
TRIGGERS = (
    "SELECT tgname, prosrc FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid "
    "WHERE tgenabled = 'O' AND pg_table_is_visible(pg_class.oid)"
)
FOUND = {
    "sqlite": "SELECT rowid FROM {table}_parts WHERE {table}_parts MATCH :phrase LIMIT :most",
    "postgresql": "SELECT id FROM {table}_parts WHERE parts @> CAST(:parts AS text[]) AND strpos(searched, :part) > 0 LIMIT :most",
}
"""By database: the ids of rows with a part. Takes ``most`` and what ``asked`` returns."""


def asked(part: str) -> dict[str, Any]:
    """The values for ``FOUND``. A part has at least ``LENGTH`` letters."""
    doubled = part.replace('"', '""')
    return {
        "part": part,
        "phrase": f'"{doubled}"',
        "parts": sorted({part[place : place + LENGTH] for place in range(len(part) - LENGTH + 1)}),
    }


def in_place(connection: Connection) -> bool:
    """Whether a database has the indexes, and the triggers as they are made here."""
    if connection.dialect.name == "sqlite":
        here = {row[0] for row in connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
        return here.issuperset(_filled(each, table) for table in TABLES for each in SQLITE[:-1])
    does = {row.tgname: row.prosrc for row in connection.execute(text(TRIGGERS))}
    return all(
        connection.exec_driver_sql(f"SELECT to_regclass('ix_{table}_parts')").scalar() is not None
        and does.get(f"parts_{table}_{act}") == WRITE.format(table=table)
        for table in TABLES
        for act in ("added", "changed")
    )


def remove(connection: Connection) -> None:
    """Drop the indexes and their triggers. The tables can be changed then."""
    of_table = "" if connection.dialect.name == "sqlite" else " ON {table}"
    for table in TABLES:
        for act in ("added", "changed", "deleted"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS parts_{table}_{act}{of_table.format(table=table)}")
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}_parts")
        if of_table:
            connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS parts_{table}()")
    if of_table:
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS parts_of_text(text)")


def install(connection: Connection) -> None:
    """Make and fill the indexes, if they are not there. For 200,000 rows that takes a second on SQLite and ten on PostgreSQL."""
    if in_place(connection):
        return
    remove(connection)
    sqlite = connection.dialect.name == "sqlite"
    if not sqlite:
        connection.exec_driver_sql(FUNCTION)
    for table in TABLES:
        for statement in SQLITE if sqlite else POSTGRESQL:
            connection.exec_driver_sql(_filled(statement, table))


def _filled(statement: str, table: str) -> str:
    acts = {name: does.format(table=table) for name, does in SQLITE_ACTS.items()}
    return statement.format(table=table, **acts)
