"""What a database says of its flows survives the upgrade to the table of flows, and the way back."""

from __future__ import annotations

import flask_migrate
import pytest
from sqlalchemy import text

from extensions import db
from tests.support.rows import make_integration

BEFORE, AFTER = "0410", "0400"
NOW, EARLIER, LATER = "2026-11-26 10:00:00", "2026-11-25 10:00:00", "2026-11-26 11:00:00"
COLUMNS = (
    "orders_on, stock_on, shipments_on, orders_every, stock_every, listings_every, orders_due_at, stock_due_at, listings_due_at, "
    "shipments_due_at, receipts_due_at, probe_due_at, orders_done_at, stock_done_at, shipments_done_at, failing"
)
PARTS = "part, good_at, failing_since, failures, code, message"


def rows(statement: str) -> list[tuple]:
    found = [
        tuple(str(value)[:19] if hasattr(value, "year") else value for value in row)
        for row in db.session.execute(text(statement))
    ]
    db.session.rollback()
    return [
        tuple(value[:19] if isinstance(value, str) and value.startswith("2026-") else value for value in row) for row in found
    ]


def move_to(revision: str, act) -> None:
    db.session.remove()
    db.engine.dispose()
    act(revision=revision)


@pytest.mark.both_databases
def test_flows_keep_their_schedule_switches_and_failures_in_both_directions(app):
    make_integration("One")
    make_integration("Two")
    move_to(BEFORE, flask_migrate.downgrade)
    with db.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE integration SET orders_on = false, stock_every = 77, orders_due_at = :now, stock_due_at = :later, "
                "receipts_due_at = :later, orders_done_at = :earlier, stock_done_at = :now, probe_due_at = :later, "
                "failing = 'receipts stock' WHERE name = 'One'"
            ),
            {"now": NOW, "earlier": EARLIER, "later": LATER},
        )
        connection.execute(text("DELETE FROM health_part"))
        for part in ("stock", "receipts"):
            connection.execute(
                text(
                    "INSERT INTO health_part (integration_id, part, failing_since, failed_at, failures, code, message, advice) "
                    f"SELECT id, '{part}', '{NOW}', '{NOW}', 3, 'timeout', 'No answer.', '' FROM integration WHERE name = 'One'"
                )
            )
        connection.execute(
            text(
                "INSERT INTO sync_run (integration_id, kind, state, outcome, actor, created_at, enqueues, lease_token, stop_requested, done, "
                "counts, requests, error_code, error, advice, warnings) SELECT id, 'receipts', 'finished', 'done', 'x', :now, 0, '', false, 0, "
                "'{}', 0, '', '', '', '[]' FROM integration WHERE name = 'One'"
            ),
            {"now": NOW},
        )
        connection.execute(
            text("INSERT INTO tally (name, labels, value) VALUES ('runs', 'receipts|done', 4), ('seconds', 'receipts', 2.5)")
        )
    before = rows(f"SELECT {COLUMNS} FROM integration ORDER BY name")
    parts = rows(f"SELECT {PARTS} FROM health_part WHERE failing_since IS NOT NULL ORDER BY part")

    move_to(AFTER, flask_migrate.upgrade)
    found = rows(
        "SELECT flow.kind, flow.enabled, interval_seconds, due_at, succeeded_at, failing_since, failures, error_code, retry_at "
        "FROM flow JOIN integration ON integration.id = integration_id WHERE name = 'One' ORDER BY flow.kind"
    )
    assert [(kind, bool(on), *others) for kind, on, *others in found] == [
        ("connection", True, None, LATER, NOW, None, 0, "", None),
        ("listings", True, 86400, found[1][3], None, None, 0, "", None),
        ("orders", False, 300, NOW, EARLIER, None, 0, "", None),
        ("reconciliation", False, None, LATER, None, NOW, 3, "timeout", LATER),
        ("shipments", True, None, None, None, None, 0, "", None),
        ("stock", True, 77, LATER, NOW, NOW, 3, "timeout", LATER),
    ]
    assert rows("SELECT count(*) FROM flow") == [(12,)]
    assert rows("SELECT kind FROM sync_run") == [("reconciliation",)]
    assert rows("SELECT labels FROM tally ORDER BY labels") == [("reconciliation",), ("reconciliation|done",)]

    move_to(BEFORE, flask_migrate.downgrade)
    assert rows(f"SELECT {COLUMNS} FROM integration ORDER BY name") == before
    assert rows(f"SELECT {PARTS} FROM health_part WHERE failing_since IS NOT NULL ORDER BY part") == [
        (part, NOW if part == "stock" else None, *others) for part, _, *others in parts
    ]
    assert rows("SELECT kind FROM sync_run") == [("receipts",)]
    assert rows("SELECT labels FROM tally ORDER BY labels") == [("receipts",), ("receipts|done",)]
    move_to("head", flask_migrate.upgrade)
