"""Integrations: added with a check before, listed, shown, checked, switched, removed."""

from __future__ import annotations

import getpass

import pytest
from sqlalchemy import func, select

from errors import QueueAway
from models import Allocation, Integration, Order, OrderLine, SyncRun
from models.order import OPEN_STATES
from practice_shop import PracticeShop
from tests.cli.conftest import flask


def add(practice: PracticeShop, key_file: str, *more: str) -> list[str]:
    return ["integrations", "add", "--name", "My shop", "--endpoint", practice.url, "--key-file", key_file, *more]


@pytest.mark.both_databases
def test_adding_a_shop_stores_it_and_starts_its_first_runs(commands, practice, key_file, db):
    said = commands.done(
        *add(practice, key_file, "--use-tax", "--no-use-shipping-tax", "--surcharge", "Handling fee", "--since", "2026-01-31")
    )
    assert said.splitlines()[0] == f"Added My shop: {practice.url}, orders since 2026-01-31."
    assert practice.key not in said
    stored = db.session.scalar(select(Integration))
    assert (stored.name, stored.use_tax, stored.use_shipping_tax, stored.surcharge_name) == (
        "My shop",
        True,
        False,
        "Handling fee",
    )
    assert stored.enabled
    runs = db.session.scalars(select(SyncRun)).all()
    assert {run.kind for run in runs} == {"listings", "orders", "stock"}
    assert {run.actor for run in runs} == {f"cli:{getpass.getuser()}"}
    assert all(run.enqueues == 1 for run in runs)


def test_the_address_is_said_as_it_was_understood(commands, practice, key_file):
    command = add(practice, key_file)
    command[command.index(practice.url)] = f" {practice.url.upper()}/admin.php?target=main "
    assert f"Added My shop: {practice.url}, " in commands.done(*command)


def test_a_key_comes_from_standard_input_too(commands, practice):
    assert "Added My shop" in commands.done(*add(practice, "-"), input=f"\ufeff{practice.key}\r\n".encode())


def test_orders_are_downloaded_from_30_days_back_by_default(commands, practice, key_file, db):
    commands.done(*add(practice, key_file))
    stored = db.session.scalar(select(Integration))
    assert (stored.created_at - stored.orders_since).days == 30


@pytest.mark.config(redis_url="redis://127.0.0.1:1")
def test_a_queue_that_is_away_delays_the_runs_and_is_said(commands, practice, key_file, db):
    result = commands.call(*add(practice, key_file))
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        QueueAway("The queue does not answer. The run is saved and starts when the queue is back.").sentence()
    ]
    assert len(db.session.scalars(select(SyncRun)).all()) == 3


def test_the_list_shows_every_integration_in_order_of_its_name(connected, key_file):
    with PracticeShop(products=1, orders=0) as other:
        connected.done("integrations", "add", "--name", "another", "--endpoint", other.url, "--key-file", key_file)
    connected.done("integrations", "disable", "ANOTHER")
    first, second = connected.rows("integrations", "list")
    assert (first["name"], first["status"], first["orders_done_at"]) == ("another", "disabled", None)
    assert (second["name"], second["type"], second["status"], second["health"]) == ("Practice", "X-Cart", "enabled", "connected")
    assert second["orders_done_at"].endswith("Z")
    table = connected.done("integrations", "list").splitlines()
    assert table[0].split()[:3] == ["NAME", "TYPE", "STATUS"]
    assert [line.split()[0] for line in table[2:]] == ["another", "Practice"]


def test_one_integration_is_shown_without_its_key(connected, practice):
    for said in (
        connected.done("integrations", "show", "practice"),
        connected.done("integrations", "show", "practice", "--json"),
    ):
        assert practice.key not in said
        assert practice.key[-4:] in said
        assert practice.url in said
    assert sum(connected.rows("integrations", "show", "practice")[0]["orders"].values()) == 50


def test_a_check_says_what_the_shop_says(connected, practice):
    assert connected.done("integrations", "check", "Practice").startswith("X-Cart 5.0–5.4 with the REST API add-on answers")
    practice.key = "another key than before"
    assert connected.refused("integrations", "check", "Practice").endswith("from the shop again and reauthorise.")
    assert connected.rows("integrations", "list")[0]["health"] == "connected", "a check remembers nothing"


def test_switching_twice_is_the_same_as_once(connected, practice):
    practice.clear_requests()
    for _ in range(2):
        assert connected.done("integrations", "disable", "Practice") == "Practice is disabled.\n"
    assert connected.refused("sync", "orders", "Practice") == "Practice is disabled. Enable it first."
    assert connected.done("integrations", "enable", "Practice").splitlines()[0] == "Practice is enabled."
    queued = connected.rows("runs", "list", "--state", "queued")
    assert {run["kind"] for run in queued} == {"listings", "orders", "stock"}
    assert connected.done("integrations", "enable", "Practice") == "Practice is enabled.\n"
    assert practice.requests == []


def test_removing_asks_and_keeps_the_orders_for_the_day_the_shop_comes_back(connected, practice, key_file):
    numbers = [row["number"] for row in connected.rows("orders", "list")]
    assert connected.call("integrations", "remove", "Practice", input="n\n").stderr.endswith("Nothing was removed.\n")
    assert connected.refused("integrations", "remove", "Practice", input="").endswith(
        "There was no answer. Use --yes to skip the question."
    )
    assert len(connected.rows("integrations", "list")) == 1
    said = connected.done("integrations", "remove", "Practice", "--yes")
    assert "not shipped" in said
    assert said.splitlines()[-1] == "Practice is removed."
    for group in ("integrations", "orders", "listings", "runs"):
        assert connected.rows(group, "list") == []
    connected.done("integrations", "add", "--name", "Back", "--endpoint", practice.url, "--key-file", key_file)
    connected.done("sync", "orders", "Back", "--now")
    assert [row["number"] for row in connected.rows("orders", "list", "back")] == numbers


def test_a_key_never_shows_in_what_a_process_prints(environment, practice, key_file, tmp_path):
    result = flask(
        "integrations", "add", "--name", "x", "--endpoint", practice.url, "--key-file", key_file, environment=environment
    )
    assert result.returncode == 0, result.stderr
    assert practice.key.encode() not in result.stdout + result.stderr


def test_health_stays_with_what_is_true_and_a_check_starts_nothing(connected, practice):
    """A key that may only read is shown until it may write, whatever else goes well."""
    item = connected.rows("stock", "list")[0]
    practice.read_key, practice.key = practice.key, "another key than before"
    connected.done("stock", "set", item["sku"], "500")
    connected.call("sync", "stock", "Practice", "--now")
    for _ in range(2):
        connected.done("sync", "orders", "Practice", "--now")
        shown = connected.rows("integrations", "list")[0]
        assert shown["health"] == "read only" and "may only read" in shown["health_message"]
    practice.key, practice.read_key = practice.read_key, None
    assert "tries the key again by itself" in connected.done("integrations", "check", "Practice")
    assert connected.rows("runs", "list", "--state", "queued") == []


def test_a_copy_of_a_connected_shop_at_another_address_is_refused(connected, practice, key_file):
    with PracticeShop(store=practice.store.snapshot(), key=practice.key) as clone:
        add = ["integrations", "add", "--endpoint", clone.url, "--key-file", key_file, "--name"]
        assert "connected already, as Practice" in connected.refused(*add, "Copy")
        # A copy that has gone its own way since is still the same shop.
        clone.store.place_order([(1, 1)])
        assert "connected already, as Practice" in connected.refused(*add, "Copy")
        connected.done("integrations", "remove", "Practice", "--yes")
        connected.done(*add, "Moved")


@pytest.mark.both_databases
def test_what_a_removed_shop_keeps_reserved_is_released_later(connected, practice, key_file, db):
    def reserved() -> int:
        db.session.rollback()
        return db.session.scalar(
            select(func.sum(Allocation.reserved)).join(OrderLine).join(Order).where(Order.state.in_(OPEN_STATES))
        )

    kept = reserved()
    assert connected.refused("integrations", "release-stock", "Practice").startswith(
        "There is no removed integration called 'Practice'."
    )
    connected.done("integrations", "remove", "Practice", "--yes", "--keep-reserved")
    assert reserved() == kept > 1
    answer = connected.call("integrations", "release-stock", "practice", input="n\n")
    assert f"Release {kept} units that open orders of Practice keep reserved?" in answer.stderr
    assert answer.stderr.endswith("Nothing was released.\n") and reserved() == kept and not connected.changed
    assert connected.done("integrations", "release-stock", "practice", "--yes") == f"Practice: {kept} units released.\n"
    assert reserved() == 0
    assert connected.done("integrations", "release-stock", "Practice") == "Practice keeps nothing reserved.\n"
    with PracticeShop(products=1, orders=0) as other:
        connected.done("integrations", "add", "--name", "Practice", "--endpoint", other.url, "--key-file", key_file)
        connected.done("integrations", "remove", "Practice", "--yes")
    assert connected.refused("integrations", "release-stock", "Practice").startswith(
        "2 removed integrations are called 'Practice'."
    )
    connected.done("integrations", "add", "--name", "Back", "--endpoint", practice.url, "--key-file", key_file)
    assert connected.done("integrations", "release-stock", "Practice").startswith("Practice keeps nothing"), (
        "the other shop has the name alone"
    )
