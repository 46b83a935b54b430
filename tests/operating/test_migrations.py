"""Migrations can be gone back on, and leave older code able to write while parts are restarted one after the other."""

from __future__ import annotations

import ast
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import flask_migrate
import pytest
from alembic.operations import Operations
from sqlalchemy import DateTime, inspect, select, text

from extensions import db, writing
from models import Order, RunItem
from services.operations import schema
from services.orders import search
from services.stock import skus
from tests.blueprints.rows import add_run
from tests.support import books
from tests.support.processes import ROOT
from tests.support.rows import make_integration, make_item, make_listing, make_order

VERSIONS = sorted((ROOT / "migrations" / "versions").glob("*.py"))
SINCE = "0300"
"""Before it nothing was in use anywhere."""


def added_columns(path: Path) -> list[ast.Call]:
    upgrade = next(
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"
    )
    calls = [node for node in ast.walk(upgrade) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return [
        next(argument for argument in call.args if isinstance(argument, ast.Call))
        for call in calls
        if call.func.attr == "add_column"
    ]


@pytest.mark.parametrize("path", [path for path in VERSIONS if path.name >= SINCE], ids=lambda path: path.stem)
def test_a_new_column_has_a_default_of_the_databases_own(path):
    """What older code inserts does not name it."""
    for column in added_columns(path):
        said = {keyword.arg: keyword.value for keyword in column.keywords}
        may_be_empty = getattr(said.get("nullable"), "value", True)
        assert may_be_empty or "server_default" in said, ast.unparse(column)


@pytest.mark.both_databases
def test_a_new_migration_leaves_the_tables_of_the_searches_alone(app, caplog):
    """No model stands for them, so they would be dropped."""
    db.session.remove()
    db.engine.dispose()
    with suppress(SystemExit):
        flask_migrate.check()
    assert "remove_table" not in caplog.text


@pytest.mark.both_databases
def test_the_newest_migrations_can_be_gone_back_on_with_rows_in_place(app, caplog):
    make_order(make_integration(), "1", [("SKU", 1), ("OTHER", 2)])
    caplog.set_level("WARNING", "alembic")
    for revision, place in ((SINCE, schema.OLDER), ("head", schema.SAME)):
        db.session.remove()
        db.engine.dispose()
        act = flask_migrate.downgrade if place == schema.OLDER else flask_migrate.upgrade
        act(revision=revision)
        assert schema.standing().place == place
        assert db.session.scalar(text("SELECT name FROM integration")) == "Shop"
        assert db.session.scalar(text("SELECT count(*) FROM order_line")) == 2
        db.session.rollback()
        if db.engine.dialect.name == "sqlite":
            assert db.session.scalar(text("PRAGMA foreign_keys")) == 1
            db.session.rollback()
    assert "ix_sync_run_finished" in {index["name"] for index in inspect(db.engine).get_indexes("sync_run")}


@pytest.mark.both_databases
def test_an_upgrade_that_fails_in_the_middle_leaves_everything_as_it_was(app, monkeypatch):
    before = schema.standing().revision
    db.session.remove()
    db.engine.dispose()
    drop = Operations.drop_table

    def fails(self, name, *args, **kwargs):
        if name == "delivery":
            raise OSError("the power is gone")
        return drop(self, name, *args, **kwargs)

    monkeypatch.setattr(Operations, "drop_table", fails)
    with pytest.raises(OSError, match="the power is gone"):
        flask_migrate.downgrade(revision="0200")
    assert schema.standing().revision == before
    assert {"notification", "incident_event", "tally"} <= set(inspect(db.engine).get_table_names())
    assert db.session.scalar(text("SELECT count(*) FROM alembic_version")) == 1


@pytest.mark.both_databases
def test_stock_items_that_differ_in_spelling_only_are_kept_apart_and_everything_else_gets_its_key(app):
    integration = make_integration()
    for sku in ("Lamp", "CAFE\u0301"):
        make_item(sku, 1)
    make_listing(integration, "Lamp ", 1)
    make_order(integration, "1", [("LAMP\u00a0", 1)])
    db.session.remove()
    db.engine.dispose()
    flask_migrate.downgrade(revision="0305")
    with db.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO stock_item (sku, name, on_hand, reserved, buffer, updated_at) VALUES ('LAMP', '', 2, 0, 0, '2026-11-26 00:00:00')"
            )
        )
    db.engine.dispose()
    flask_migrate.upgrade(revision="head")
    items = db.session.execute(text("SELECT sku, sku_key, shared_key FROM stock_item ORDER BY sku_key")).all()
    assert {tuple(row) for row in items} == {
        ("CAFE\u0301", "caf\u00e9", None), ("LAMP", "LAMP", "lamp"), ("Lamp", "Lamp", "lamp"),
    }  # fmt: skip
    assert db.session.scalar(text("SELECT sku_key FROM listing")) == "lamp"
    assert db.session.scalar(text("SELECT sku_key FROM order_line")) == "lamp"
    db.session.rollback()
    assert skus.alike() == [("LAMP", "Lamp")]


@pytest.mark.both_databases
@pytest.mark.parametrize(("numbers", "due"), [(["RM1"], True), ([], False)])
def test_orders_of_before_are_found_by_the_tracking_numbers_of_their_shop(app, numbers, due):
    order_id = make_order(make_integration(), "1", [("CUP", 1)]).id
    with writing() as session:
        session.get_one(Order, order_id).tracking_numbers = numbers
    db.session.remove()
    db.engine.dispose()
    flask_migrate.downgrade(revision="0781")
    db.engine.dispose()
    flask_migrate.upgrade(revision="head")
    assert search.is_fill_due() == due


@pytest.mark.both_databases
def test_what_is_kept_for_searches_and_lists_follows_from_the_rows_of_before(app):
    shop = make_integration()
    item = make_item("TÄSSE", 1)
    for sku, linked in (("TÄSSE", item), ("Bowl", None), ("Plate", None)):
        make_listing(shop, sku, 1, item=linked, name=f"{sku} ÜBER")
    db.session.remove()
    db.engine.dispose()
    flask_migrate.downgrade(revision="0762")
    assert not {"searched", "linked"} & {column["name"] for column in inspect(db.engine).get_columns("listing")}
    db.engine.dispose()
    flask_migrate.upgrade(revision="head")
    assert list(books.kept_of_listings()) == []
    said = db.session.execute(text("SELECT sku, linked FROM listing ORDER BY sku")).all()
    assert [(sku, bool(linked)) for sku, linked in said] == [("Bowl", False), ("Plate", False), ("TÄSSE", True)]
    db.session.rollback()


@pytest.mark.both_databases
def test_times_are_kept_in_the_types_of_the_models_so_that_the_zone_of_the_server_does_not_count(app):
    found = inspect(db.engine)
    wrong = [
        f"{table.name}.{column['name']}"
        for table in db.metadata.sorted_tables
        for column in found.get_columns(table.name)
        if isinstance(column["type"], DateTime) and db.engine.dialect.name == "postgresql" and not column["type"].timezone
    ]
    assert wrong == []


@pytest.mark.both_databases
def test_a_time_that_was_stored_in_the_zone_of_the_server_is_read_as_it_was(app):
    if db.engine.dialect.name != "postgresql":
        return
    name, at = db.engine.url.database, "2026-11-28 12:00:00+00"
    run_id = add_run(make_integration().id)
    db.session.remove()
    db.engine.dispose()
    flask_migrate.downgrade(revision="0780")
    with db.engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET timezone TO 'Europe/Berlin'"))
        connection.execute(text("ALTER TABLE run_item ALTER COLUMN as_of TYPE timestamp"))
    db.engine.dispose()
    with db.engine.begin() as connection:
        row = "INSERT INTO run_item (run_id, external_id, sku, result, reason, as_of) VALUES (:run, '1', 'CUP', 'sent', '', CAST(:at AS timestamptz))"
        connection.execute(text(row), {"run": run_id, "at": at})
    db.engine.dispose()
    flask_migrate.upgrade(revision="head")
    assert db.session.scalar(select(RunItem.as_of)) == datetime.fromisoformat(at)
