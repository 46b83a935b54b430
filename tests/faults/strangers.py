"""Triggers that catch a commit by a stranger: rows written in a run's name while that run is not under way.

They stand in the databases of this suite only, and see what Cartlink's own lease check has let through."""

from __future__ import annotations

from sqlalchemy import Connection, text

WATCHED = (("stock_entry", "INSERT"), ("run_item", "INSERT"), ("order_change", "INSERT"), ("write_back", "UPDATE"))
TABLE = "CREATE TABLE faults_stranger (run_id INTEGER, state VARCHAR(10), place VARCHAR(40))"


def watch(connection: Connection) -> None:
    """Put the triggers into a database."""
    connection.execute(text(TABLE))
    if connection.dialect.name == "postgresql":
        connection.execute(
            text(
                """CREATE FUNCTION faults_note() RETURNS trigger AS $$
                DECLARE found varchar;
                BEGIN
                  SELECT state INTO found FROM sync_run WHERE id = NEW.run_id;
                  IF found <> 'running' THEN INSERT INTO faults_stranger VALUES (NEW.run_id, found, TG_TABLE_NAME); END IF;
                  RETURN NEW;
                END $$ LANGUAGE plpgsql"""
            )
        )
    for table, verb in WATCHED:
        fresh = "NEW.run_id IS NOT NULL" if verb == "INSERT" else "NEW.run_id IS NOT NULL AND NEW.state IN ('sending', 'done')"
        if connection.dialect.name == "postgresql":
            connection.execute(
                text(
                    f"CREATE TRIGGER faults_{table} AFTER {verb} ON {table} FOR EACH ROW WHEN ({fresh}) "
                    "EXECUTE FUNCTION faults_note()"
                )
            )
        else:
            connection.execute(
                text(
                    f"CREATE TRIGGER faults_{table} AFTER {verb} ON {table} "
                    f"WHEN {fresh} AND (SELECT state FROM sync_run WHERE id = NEW.run_id) <> 'running' "
                    "BEGIN INSERT INTO faults_stranger "
                    f"SELECT id, state, '{table}' FROM sync_run WHERE id = NEW.run_id; END"
                )
            )
