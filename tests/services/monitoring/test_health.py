"""The health of an integration: the worst thing that is true now, and a check that changes nothing."""

from __future__ import annotations

from itertools import product

import pytest
from sqlalchemy import select

from errors import KeyRejected, MethodBlocked, ReadOnlyKey, RowRefused, ShopBroken, ShopTimeout
from extensions import db, writing
from models import Flow, Integration
from models.flow import SYNCS, WRITING
from models.types import utcnow
from practice_shop import PracticeShop
from practice_shop.proxy import Rule
from services.integrations import overview
from services.security import vault
from services.shipping import outlook
from services.shops import connection, health
from services.sync import outcomes, schedule
from tests.support.rows import make_integration
from tests.support.shops import add, connect, do

pytestmark = pytest.mark.one_database

CAUSES = ("disabled", "key_rejected", "reads_only", "paused", "failing", "syncing", "never_checked")
WORDS = ("disabled", "needs_reauthorising", "read_only", "paused", "retrying", "syncing", "never_checked")


def test_the_worst_of_all_causes_that_are_true():
    for true in product((False, True), repeat=len(CAUSES)):
        assert_worst(true)


def assert_worst(true: tuple[bool, ...]) -> None:
    now = dict(zip(CAUSES, true, strict=True))
    word = health.state_of(
        enabled=not now["disabled"], key_rejected=now["key_rejected"], reads_only=now["reads_only"], paused=now["paused"],
        failing=now["failing"], syncing=now["syncing"], checked=not now["never_checked"],
    )  # fmt: skip
    assert word == next((word for word, is_true in zip(WORDS, true, strict=True) if is_true), "connected")


@pytest.mark.both_databases
def test_pages_say_that_a_flow_is_stopped_exactly_where_the_schedule_starts_no_run_of_it(app, db):
    stops = ("disabled", "off", "key", "read_only", "paused")
    for true in product((False, True), repeat=len(stops)):
        now = dict(zip(stops, true, strict=True))
        integration = make_integration(f"Shop {true}", enabled=not now["disabled"], writes_refused=now["read_only"])
        with writing() as session:
            integration = session.get_one(Integration, integration.id)
            integration.health = "needs_reauthorising" if now["key"] else "connected"
            integration.paused_at = utcnow() if now["paused"] else None
            for flow in integration.flows.values():
                flow.enabled = not now["off"]
        run = select(Flow.kind).join(Integration).where(Flow.integration_id == integration.id, schedule.may_run())
        started = set(db.session.scalars(run))
        for kind in SYNCS:
            stop = health.stopped_by(integration, kind)
            assert (stop == "") == (kind in started)
            assert stop == next((each for each in stops if now[each] and (each != "read_only" or kind in WRITING)), "")


def shown(integration_id: int) -> tuple[str, str]:
    db.session.rollback()
    row = overview.get_row(integration_id)
    return row.health, row.health_message


def fail(integration_id: int, kind: str, trouble) -> None:
    encrypted = db.session.get_one(Integration, integration_id).key_encrypted
    db.session.rollback()
    outcomes.record_failure(integration_id, kind, trouble, encrypted)


def test_a_good_order_run_does_not_hide_that_the_key_may_only_read(app, shop):
    one = connect(shop)
    for kind in ("orders", "listings"):
        do(one, kind)
    with writing() as session:
        session.get_one(Integration, one).key_encrypted = vault.encrypt(shop.read_key or "")
    fail(one, "stock", ReadOnlyKey("The API key may read but not write."))
    assert do(one, "orders").outcome == "done"
    assert shown(one) == ("read_only", health.READ_ONLY)


def test_a_good_order_run_does_not_hide_that_stock_fails(app):
    one = make_integration().id
    fail(one, "stock", MethodBlocked("shop.example answers reads, but its host blocks PUT (error 405)."))
    outcomes.record_success(one, "orders", answered=True)
    assert shown(one) == ("retrying", "shop.example answers reads, but its host blocks PUT (error 405).")
    outcomes.record_success(one, "stock", answered=True)
    assert shown(one) == ("connected", "")


def test_an_outage_does_not_hide_that_the_key_is_rejected(app):
    one = make_integration().id
    fail(one, "orders", KeyRejected("shop.example does not accept the API key."))
    fail(one, "stock", ShopTimeout("shop.example did not finish its answer in time."))
    assert shown(one)[0] == "needs_reauthorising"
    outcomes.record_success(one, "orders", answered=True)
    assert shown(one)[0] == "retrying"


def test_what_failed_in_a_flow_that_was_switched_off_is_not_true_any_more(app):
    one = make_integration().id
    fail(one, "stock", ShopBroken("shop.example answered with its error 500."))
    outcomes.record_success(one, "orders", answered=True)
    with writing() as session:
        session.get_one(Integration, one).flows["stock"].enabled = False
    assert shown(one) == ("connected", "")


def test_a_read_only_key_does_not_change_what_is_said_of_a_rejected_one(app):
    one = make_integration().id
    fail(one, "orders", KeyRejected("shop.example does not accept the API key."))
    fail(one, "stock", ReadOnlyKey("The API key may read but not write."))
    assert shown(one) == ("needs_reauthorising", "shop.example does not accept the API key.")


@pytest.mark.parametrize(
    ("kind", "trouble", "words"),
    [
        (
            "shipments",
            MethodBlocked("shop.example answers reads, but its host blocks PUT (error 405)."),
            "allows the HTTP method PUT",
        ),
        (
            "stock",
            MethodBlocked("shop.example answers reads, but its host blocks PUT (error 405)."),
            "allows the HTTP method PUT",
        ),
        ("shipments", RowRefused("shop.example refused the request: no such status."), "write-backs to this shop work again"),
        ("orders", ShopTimeout("shop.example did not finish its answer in time."), "the shop answers again"),
        ("stock", ReadOnlyKey("The API key may read but not write."), "an API key that may write"),
        ("orders", KeyRejected("shop.example does not accept the API key."), "the shop rejects its API key"),
    ],
)
def test_shipping_says_what_keeps_the_shop_from_being_updated(app, kind, trouble, words):
    integration = make_integration()
    one, shop_id = integration.id, integration.shop_id
    with writing() as session:
        session.get_one(Integration, one).processed_status = "S"
    assert outlook.of_write_back(shop_id, "shipped") == "It is saved; the next run updates the shop."
    fail(one, kind, trouble)
    said = outlook.of_write_back(shop_id, "shipped")
    assert words in said and "cannot be updated" in said and "next run" not in said


def everything() -> dict[str, list[tuple]]:
    db.session.rollback()
    return {table.name: sorted(map(repr, db.session.execute(select(table)))) for table in db.metadata.sorted_tables}


@pytest.mark.parametrize("generation", ["addon", "api"])
@pytest.mark.parametrize("state", ["good", "wrong key", "read-only key", "maintenance", "stopped"])
@pytest.mark.sampled(3)
def test_a_check_changes_nothing_here_or_there(app, shop, generation: str, state: str):
    with PracticeShop(store=shop.store, generation=generation) as there:
        one = connect(there)
        do(one, "orders")
        if state == "wrong key":
            there.key = "another-key-than-before"
        elif state == "read-only key":
            there.key, there.read_key = "another-key-than-before", there.key
        elif state == "maintenance":
            there.mode.maintenance = True
        elif state == "stopped":
            fail(one, "orders", KeyRejected("shop.example does not accept the API key."))
        before, amounts = everything(), {row.id: row.amount for row in there.store.products.values()}
        found = connection.check_integration(one)
        assert found.good == (state in ("good", "stopped"))
        assert everything() == before
        assert {row.id: row.amount for row in there.store.products.values()} == amounts and there.store.mails == []


def test_a_run_that_reads_past_php_messages_warns(app, shop):
    shop.store.place_order([(1, 1)])
    one = connect(shop)
    shop.faults.add("before")
    for kind in ("orders", "listings"):
        run = do(one, kind)
        assert run.outcome == "done" and any("display_errors" in warning for warning in run.warnings)
    assert shown(one)[0] == "connected"


def test_a_database_that_fails_is_named_without_its_sql(app, shop):
    one = connect(shop)
    shop.faults.add("sql_error")
    run = do(one, "orders")
    assert (run.outcome, run.error_code) == ("failed", "database") and "SELECT" not in run.error + run.advice
    assert shown(one) == ("retrying", run.error)
    shop.faults.clear()
    assert do(one, "orders").outcome == "done"
    assert shown(one) == ("connected", "")


@pytest.mark.parametrize("generation", ["addon", "api"])
def test_empty_lists_in_the_shops_place_are_no_good_answer(app, shop, proxied, generation):
    """A cache or a guard answers ``[]`` to every question: nothing was read, and the shop is not connected."""
    shop.store.place_order([(1, 1)])
    shop.generation = generation
    proxy = proxied(shop)
    one = add(proxy.url, shop.key)
    do(one, "orders")
    proxy.set(Rule(method="GET", body="[]", status=200, headers={"Content-Type": "application/json"}, swallow="request"))
    assert do(one, "orders").error_code == "broken"
    assert shown(one)[0] == "retrying"
    proxy.set()
    assert do(one, "orders").outcome == "done"
    assert shown(one)[0] == "connected"
