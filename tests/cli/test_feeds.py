"""``flask suppliers`` and ``flask feeds``: from a new supplier to a fed item, and every wrong input with its sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from extensions import db
from models import StockItem
from tests.blueprints.feed_walks import FILE
from tests.blueprints.queues import work_off
from tests.support.remote_files import File, WebServer, quick, web_server
from tests.support.remote_sftp import sftp_server
from tests.support.rows import make_item


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        server.files["/stock.csv"] = File(FILE)
        yield server


def on_hand(sku: str) -> int:
    db.session.rollback()
    return db.session.scalar(db.select(StockItem.on_hand).where(StockItem.sku == sku))


COLUMNS = ("--sku-column", "Article", "--quantity-column", "Available")


def test_a_supplier_feeds_an_item_by_commands(commands, web, tmp_path):
    make_item("CUP", 1)
    make_item("PLATE", 1)
    secret = tmp_path / "token.txt"
    secret.write_text("a-long-token-1234\n")
    web.sign_in = ("bearer", "a-long-token-1234")
    commands.done("suppliers", "add", "ACME", "--lead-days", "2")
    commands.done("suppliers", "change", "acme", "--lead-days", "3")
    said = commands.done(
        "feeds", "add", "ACME", "--name", "List", "--address", web.url(), "--auth", "bearer", "--secret-file", str(secret), *COLUMNS,
        "--times", "06:30,13:00", "--zone", "Europe/Berlin", "--quiet", "22:00-5:00",
    )  # fmt: skip
    assert "waits for your approval" in said
    (row,) = commands.rows("feeds", "show", "ACME/list")
    assert (row["times"], row["quiet_until"], row["secret_last4"], row["sku_column"]) == (
        ["06:30", "13:00"],
        "05:00",
        "1234",
        "Article",
    )
    assert "a-long-token" not in commands.done("feeds", "show", "ACME")
    assert commands.rows("feeds", "check", "ACME")[1] == {"Article": "PLATE", "Available": "10+", "Price": "2.00"}
    run = commands.done("feeds", "fetch", "ACME").strip()
    work_off("checks")
    (row,) = commands.rows("feeds", "list")
    assert (row["state"], row["run"]) == ("approval", int(run))
    assert commands.rows("suppliers", "list")[0]["problems"] == ["List: approval"]
    assert {each["what"] for each in commands.rows("feeds", "rows", run)} == {"new", "unknown"}
    assert [each["code"] for each in commands.rows("feeds", "rows", run, "--kind", "unknown")] == ["NEW-1"]
    commands.done("feeds", "approve", run, "--make-fed")
    work_off("checks")
    assert (on_hand("CUP"), on_hand("PLATE")) == (12, 10)
    done = commands.rows("feeds", "runs", "ACME")[0]
    assert (done["state"], done["note"]) == ("done", "")
    (offer,) = commands.rows("feeds", "offers", "CUP")
    assert (offer["supplier"], offer["quantity"], offer["counts"]) == ("ACME", 12, True)
    assert "its quantity comes from suppliers" in commands.done("feeds", "offers", "CUP")
    assert commands.rows("feeds", "unknown")[0]["code"] == "NEW-1"
    commands.done("feeds", "ignore", "ACME", "new-1")
    assert commands.rows("feeds", "unknown") == [] and len(commands.rows("feeds", "unknown", "ACME", "--ignored")) == 1
    commands.done("feeds", "ignore", "ACME", "NEW-1", "--ask-again")
    commands.done("feeds", "link", "ACME", "NEW-1", "PLATE", "--units", "2")
    assert on_hand("PLATE") == 24
    commands.done("feeds", "undo", run)
    assert commands.rows("feeds", "runs", "ACME")[0]["state"] == "undone"
    commands.done("feeds", "disable", "ACME")
    commands.done("feeds", "enable", "ACME")
    commands.done(
        "feeds", "change", "ACME", "--every", "600", "--quiet", "none", "--delta", "--stale-hours", "4", "--name", "Changes"
    )
    (row,) = commands.rows("feeds", "show", "ACME/Changes")
    assert (row["interval_seconds"], row["times"], row["delta"], row["quiet_from"], row["stale_after_seconds"]) == (
        600,
        [],
        True,
        "",
        14_400,
    )
    commands.done("feeds", "remove", "ACME", "--yes")
    commands.done("suppliers", "remove", "ACME", "--yes")
    assert commands.rows("suppliers", "list") == [] and on_hand("CUP") is not None


def test_items_are_created_of_all_unknown_codes(commands, web):
    commands.done("suppliers", "add", "ACME")
    commands.done("feeds", "add", "ACME", "--name", "List", "--address", web.url(), *COLUMNS)
    run = commands.done("feeds", "fetch", "ACME").strip()
    work_off("checks")
    commands.done("feeds", "approve", run)
    work_off("checks")
    assert commands.done("feeds", "create", "ACME", "CUP") == "1 fed item created.\n"
    assert commands.done("feeds", "create", "ACME") == "2 fed items created.\n"
    assert (on_hand("CUP"), on_hand("NEW-1")) == (12, 7)


def test_a_waiting_run_is_dropped(commands, web):
    commands.done("suppliers", "add", "ACME")
    commands.done("feeds", "add", "ACME", "--name", "List", "--address", web.url(), *COLUMNS)
    run = commands.done("feeds", "fetch", "1").strip()
    work_off("checks")
    assert commands.refused("feeds", "fetch", "ACME").startswith("A run of this feed waits for approval.")
    commands.done("feeds", "drop", run)
    assert commands.refused("feeds", "approve", run).startswith("That run does not wait for this any more.")
    assert commands.refused("feeds", "undo", run)


def test_the_host_key_is_shown_before_it_is_trusted(commands, tmp_path, monkeypatch):
    (tmp_path / "stock.csv").write_bytes(FILE)
    with sftp_server(tmp_path) as server:
        monkeypatch.setattr("services.onboarding.feed_check.file_limits", lambda: quick(server))
        secret = tmp_path / "password"
        secret.write_text(server.password, encoding="utf-8")
        commands.done("suppliers", "add", "ACME")
        address = f"sftp://127.0.0.1:{server.port}/stock.csv"
        commands.done(
            "feeds", "add", "ACME", "--name", "List", "--address", address, "--user", server.user, "--secret-file", str(secret)
        )
        said = commands.refused("feeds", "check", "ACME")
        fingerprint = next(word for word in said.split() if word.startswith("SHA256:")).rstrip(".")
        assert server.tried == 0 and commands.refused("feeds", "check", "ACME", "--trust", "SHA256:other") == said
        assert len(commands.done("feeds", "check", "ACME", "--trust", fingerprint).splitlines()) == 5
        assert commands.rows("feeds", "show", "ACME")[0]["host_key"] == fingerprint


def test_columns_are_assigned_as_on_the_page(commands, web):
    web.files["/stock.csv"] = File(b"Article;Stock;Stock;\nCUP;9;In stock;1,5\nPLATE;9;3;2\n")
    commands.done("suppliers", "add", "ACME")
    reading = (
        "--word",
        "In stock=10",
        "--word",
        "Call us=0",
        "--decimal",
        "comma",
        "--pack",
        "2",
        "--take-off",
        "1",
        "--most",
        "15",
    )
    columns = ("--sku-column", "Article", "--quantity-column", "Stock (2)")
    commands.done("feeds", "add", "ACME", "--name", "List", "--address", web.url(), *columns, *reading)
    make_item("CUP", 0)
    make_item("PLATE", 0)
    run = commands.done("feeds", "fetch", "ACME").strip()
    work_off("checks")
    commands.done("feeds", "approve", run, "--make-fed")
    work_off("checks")
    assert (on_hand("CUP"), on_hand("PLATE")) == (15, 5)
    [shown] = commands.rows("feeds", "show", "ACME")
    assert (shown["quantity_column"], shown["words"], shown["decimal"]) == ("Stock (2)", {"in stock": 10, "call us": 0}, "comma")
    assert (shown["pack"], shown["take_off"], shown["most"]) == (2, 1, 15)
    commands.done("feeds", "change", "ACME", "--quantity-column", "Column 4", "--most", "none")
    [shown] = commands.rows("feeds", "show", "ACME")
    assert (shown["sku_column"], shown["quantity_column"], shown["pack"], shown["most"]) == ("Article", "Column 4", 2, None)
    change = ("feeds", "change", "ACME")
    assert commands.refused(*change, "--quantity-column", "article").startswith("The column Article is chosen twice.")
    assert commands.refused(*change, "--word", "many").startswith("'many' is not a word with its quantity.")
    assert commands.refused(*change, "--most", "lots").startswith("The maximum has to be a whole number")


def test_wrong_inputs(commands, web):
    commands.done("suppliers", "add", "ACME")
    assert commands.refused("suppliers", "add", "acme").startswith("There is a supplier acme already.")
    assert commands.refused("suppliers", "change", "ACME").startswith("Say what to change.")
    assert commands.refused("suppliers", "change", "Nobody", "--lead-days", "1").startswith("There is no supplier 'Nobody'.")
    add = ("feeds", "add", "ACME", "--name", "List", "--address")
    assert "https://" in commands.refused(*add, "ftp://x")
    assert commands.refused(*add, web.url(), "--every", "600", "--times", "6:00").startswith(
        "Choose an interval or times of day."
    )
    assert commands.refused(*add, web.url(), "--sku-column", "a").startswith("Name both columns.")
    assert "password" in commands.refused(*add, web.url(), "--auth", "basic", "--user", "me")
    assert commands.refused("feeds", "show", "Nobody").startswith("There is no feed 'Nobody'.")
    for name in ("One", "Two"):
        commands.done("feeds", "add", "ACME", "--name", name, "--address", web.url())
    assert commands.refused("feeds", "show", "ACME").startswith("ACME has several feeds.")
    assert commands.refused("feeds", "change", "ACME/One").startswith("Say what to change.")
    assert commands.refused("feeds", "link", "ACME/One", "X", "Y").startswith("The feed ACME/One has no code 'X'.")
    assert commands.refused("feeds", "approve", "99") == "There is no such run of a feed."
    web.files["/stock.csv"] = File(b"<!doctype html><title>Sign in</title><body>")
    assert "Sign in" in commands.refused("feeds", "check", "ACME/One")
    empty = Path(db.engine.url.database or "").parent / "empty"
    empty.write_text("")
    assert "is empty" in commands.refused(*add, web.url(), "--auth", "bearer", "--secret-file", str(empty))
