"""What a hostile shop says: taken in or refused with a sentence, and harmless wherever it is shown."""

from __future__ import annotations

import csv
import io
import random
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from errors import AppError
from extensions import db
from models import Integration, Link, Listing, Order, SyncRun, WriteBack
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Rule
from services.integrations import lifecycle
from services.integrations.lifecycle import NewIntegration
from services.listings import stock_push
from services.onboarding import reauthorise
from services.runs import lifecycle as runs_lifecycle
from services.shipping import shipments
from services.shops import connection
from services.stock import items
from services.sync import execution
from tests.blueprints.pages import elements
from tests.support.hostile import BIDI, CONTROL, FORMULA, MARK, MARKUP, TEMPLATE, HostileShop, at_random, every_text
from tests.support.urls import every_address, example_values

KINDS = ("listings", "orders", "stock")
NAMES = frozenset((
    "name", "sku", "title", "firstname", "lastname", "street", "city", "zipcode", "phone", "company", "customerNotes", "adminNotes",
    "notes", "email", "login", "paymentMethodName", "shippingMethodName", "shipping_method_name", "payment_method_name",
    "customer_notes", "admin_notes", "trackingValue", "tracking_value", "value", "attributeName", "attributeValue", "orderNumber",
    "order_number", "description", "customerName", "address", "state", "country",
))  # fmt: skip
HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(params=["addon", "api"])
def shop(request) -> Iterator[HostileShop]:
    store = Store()
    cup = store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    mug = store.add_product(sku="MUG", name="Mug", price=8, amount=5)
    now = datetime.now(UTC)
    for number in range(6):
        order = store.place_order([(cup, 1), (mug, 2)], at=now - timedelta(hours=number), notes="A note", shipping_cost=4)
        store.add_tracking(store.order(order), f"TRACK{number}")
    with PracticeShop(store=store, generation=request.param) as behind, HostileShop(behind) as hostile:
        yield hostile


def connect(shop: HostileShop) -> int:
    check = connection.check_shop("xcart", shop.url, shop.key)
    assert check.good, check.message
    since = datetime.now(UTC) - timedelta(days=2)
    return lifecycle.add_integration(NewIntegration("xcart", "Shop", shop.url, shop.key, since=since), check, "test").id


def do(integration_id: int, kind: str) -> SyncRun:
    run = execution.perform(runs_lifecycle.start_run(integration_id, kind, "test").id)
    assert run is not None
    return run


def assert_harmless(page: str, where: str) -> None:
    """Nothing that came from outside is markup, a script, an address to click, or turns the text round."""
    assert not elements(page, MARK), where
    assert f"<{MARK}" not in page, where
    assert not [item for item in elements(page, "script") if not (item.get("src") or "").startswith("/assets/")], where
    for item in elements(page):
        assert not [name for name in item.attributes if name.startswith("on")], where
        for name in ("href", "src", "action", "formaction"):
            place = (item.get(name) or "").strip().lower()
            assert not place.startswith(("javascript:", "data:text", "vbscript:")), where
    found = HIDDEN.search(page)
    assert not found, f"{where}: {found and page[max(0, found.start() - 60) : found.end() + 30]!r}"
    assert len(page) < 2_000_000, where


def look_everywhere(client) -> int:
    """Read every page and file a person may ask for; answers with their number."""
    values = example_values(client.application)
    integration = db.session.scalars(select(Integration).where(Integration.name == "Shop")).one()
    values["integration_id"] = integration.id
    # Where the shop's answers were taken in, their rows are looked at; rows of our own where they were not.
    own = {
        "order_id": select(Order.id).where(Order.shop_id == integration.shop_id),
        "listing_id": select(Listing.id).where(Listing.shop_id == integration.shop_id),
        "item_id": select(Link.stock_item_id).join(Listing).where(Listing.shop_id == integration.shop_id),
        "run_id": select(SyncRun.id).where(SyncRun.integration_id == integration.id).order_by(SyncRun.id.desc()),
    }
    values |= {name: found for name, query in own.items() if (found := db.session.scalar(query.limit(1))) is not None}
    seen = 0
    for address in every_address(client.application, values):
        if address.method != "GET" or address.path.startswith("/assets"):
            continue
        answer = client.get(address.path)
        assert answer.status_code < 500, address
        assert "X-Injected" not in answer.headers, address
        if answer.mimetype == "text/html":
            assert_harmless(answer.text, address.path)
            seen += answer.status_code == 200
        elif answer.mimetype == "text/csv":
            assert_no_formula(answer.text, address.path)
    return seen


def assert_no_formula(text: str, where: str) -> None:
    for row in csv.reader(io.StringIO(text.lstrip("\ufeff"))):
        for cell in row:
            is_number = re.fullmatch(r"-?\d+(\.\d+)?", cell)
            assert is_number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), f"{where}: {cell!r}"


@pytest.mark.parametrize(
    "words", [MARKUP, BIDI, CONTROL, FORMULA, TEMPLATE, "A" * 50_000],
    ids=["markup", "bidi", "control", "formula", "template", "long"],
)  # fmt: skip
@pytest.mark.sampled(1)
def test_words_of_a_shop_are_stored_and_shown_harmlessly(client, shop, words):
    shop.change = every_text(words, NAMES)
    integration_id = connect(shop)
    ends = {kind: do(integration_id, kind) for kind in KINDS}
    assert {run.outcome for run in ends.values()} <= {"done", "partial", "waiting", "failed"}, ends
    assert look_everywhere(client) >= 8


@pytest.mark.sampled(1)
def test_ten_million_characters_are_not_taken_in(client, shop):
    integration_id = connect(shop)
    shop.change = every_text("A" * 10_000_000, frozenset({"name"}))
    before = time.monotonic()
    run = do(integration_id, "listings")
    assert run.outcome in ("done", "partial", "failed"), run.outcome
    assert len(run.error) < 300
    assert time.monotonic() - before < 60
    longest = max((len(row.name) for row in db.session.scalars(select(Listing))), default=0)
    assert longest <= 10_000
    look_everywhere(client)


@pytest.mark.deep
@pytest.mark.both_databases
@pytest.mark.parametrize("words", [MARKUP, BIDI, CONTROL, FORMULA, TEMPLATE, "A" * 50_000])
def test_words_of_a_shop_are_stored_on_both_databases(client, shop, words):
    shop.change = every_text(words, NAMES)
    integration_id = connect(shop)
    for kind in KINDS:
        do(integration_id, kind)
    assert_accounted(shop, integration_id)


@pytest.mark.both_databases
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.sampled(1)
def test_values_of_any_kind_anywhere_lead_to_no_fault_of_ours(client, shop, seed):
    assert_survives(client, shop, seed)


@pytest.mark.deep
@pytest.mark.both_databases
@pytest.mark.parametrize("seed", range(100, 140))
def test_values_of_any_kind_anywhere_lead_to_no_fault_of_ours_however_often(client, shop, seed):
    assert_survives(client, shop, seed)


def assert_survives(client, shop: HostileShop, seed: int) -> None:
    """Whatever stands where, a run ends in order, its books are sound, and the next honest answer repairs what it can."""
    integration_id = connect(shop)
    shop.change = at_random(seed, random.Random(seed).choice((0.01, 0.05, 0.3)))
    for kind in KINDS:
        run = do(integration_id, kind)
        assert run.outcome in ("done", "partial", "waiting", "failed", "stopped"), (kind, run.outcome)
        assert run.outcome != "failed" or run.error, kind
    assert_accounted(shop, integration_id)
    look_everywhere(client)
    shop.change = None
    lifecycle.set_enabled(integration_id, True, "test")
    for kind in KINDS:
        assert do(integration_id, kind).outcome in ("done", "partial", "waiting"), kind
    assert_accounted(shop, integration_id)


def broken_answers(seed: int) -> list[Rule]:
    """What is in the way of one round of runs: one to three rules, some for writes only."""
    dice = random.Random(seed)
    what = [
        {"status": dice.choice((200, 202, 301, 400, 404, 408, 418, 429, 500, 502, 503, 999)), "body": dice.choice(PAGES)},
        {"before": dice.choice(("\n", "\ufeff", "<b>Warning</b>: x", "[", "\x00")), "after": dice.choice(("", "<!-- x -->", "]", "{}"))},
        {"body": dice.choice(PAGES)}, {"cut": dice.choice(("request", "answer", "middle"))},
        {"swallow": dice.choice(("request", "answer")), "status": dice.choice((200, 204, 403, 405, 500, 504)), "body": dice.choice(PAGES)},
        {"headers": {"Content-Type": dice.choice(("text/html", "application/json", "x")), "Date": "Wed, 31 Dec 2098 23:59:59 GMT"}},
        {"query": ""}, {"request_headers": {"Content-Type": None}},
    ]  # fmt: skip
    return [
        Rule(method=dice.choice(("", "GET", "PUT", "PUT")), first=dice.choice((1, 1, 2, 5)), times=dice.choice((None, 1, 3)), **rule)
        for rule in dice.sample(what, dice.choice((1, 1, 2, 3)))
    ]  # fmt: skip


@pytest.mark.both_databases
@pytest.mark.parametrize("seed", [1])
@pytest.mark.sampled(1)
def test_after_hostile_answers_every_row_is_due_stored_or_refused(app, shop, seed):
    assert_accounts_for_everything(shop, seed, rounds=4)


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.both_databases
@pytest.mark.parametrize("seed", range(200, 230))
def test_after_hostile_answers_every_row_is_due_stored_or_refused_however_often(app, shop, seed):
    assert_accounts_for_everything(shop, seed, rounds=12)


def assert_accounts_for_everything(shop: HostileShop, seed: int, rounds: int) -> None:
    """Stock changes and orders are shipped while the shop's answers are broken; after each round every row is accounted for, and
    in the end honest answers bring everything to where it has to be."""
    integration_id = connect(shop)
    for kind in (*KINDS, "stock"):
        do(integration_id, kind)
        approve(integration_id)
    dice = random.Random(seed)
    for number in range(rounds):
        items.set_stock(dice.choice(("CUP", "MUG")), dice.randint(0, 40), "test")
        ready = db.session.scalars(select(Order.id).where(Order.state == "ready").order_by(Order.id)).first()
        db.session.rollback()
        if ready is not None and dice.random() < 0.5:
            shipments.ship(ready, "test", tracking_number=f"T{ready}")
        shop.set(*broken_answers(seed * 1000 + number))
        for kind in ("orders", "stock", "shipments", "listings"):
            with suppress(AppError):
                run = do(integration_id, kind)
                assert run.outcome != "failed" or run.error, kind
            assert_accounted(shop, integration_id)
    shop.clear()
    integration = db.session.get_one(Integration, integration_id)
    if integration.health == "needs_reauthorising" or integration.writes_refused:
        db.session.rollback()
        check = connection.check_shop("xcart", shop.url, shop.key)
        reauthorise.apply_reauthorisation(integration_id, check, shop.key, [], "test")
    for _ in range(2):
        for kind in ("listings", "orders", "stock", "shipments"):
            do(integration_id, kind)
            approve(integration_id)
    assert_accounted(shop, integration_id)
    for listing in db.session.scalars(select(Listing).where(Listing.gone_at.is_(None))):
        product_id = int(listing.external_id.partition(":")[2])
        assert shop.behind.store.amount(product_id) == stock_push.wanted_quantity(listing), (listing.sku, listing.push_error)


def approve(integration_id: int) -> None:
    with suppress(AppError):
        stock_push.approve(integration_id, "test")


def assert_accounted(shop: HostileShop, integration_id: int) -> None:
    """What became of the data: each order of the shop is stored once at most, with lines and a total or held with a reason;
    each listing shows in the shop what the books offer, or is due, or says why not; each write-back waits, is done or says why not."""
    db.session.rollback()
    shop_id = db.session.get_one(Integration, integration_id).shop_id
    current = select(Order.external_id, Order.state, Order.held_reason).where(
        Order.shop_id == shop_id, Order.superseded_at.is_(None)
    )
    rows = db.session.execute(current).all()
    assert len({external_id for external_id, _, _ in rows}) == len(rows)
    for external_id, state, reason in rows:
        assert state != "on_hold" or reason, external_id
    waiting = db.session.get_one(Integration, integration_id).waiting_run_id is not None
    for listing in db.session.scalars(select(Listing).where(Listing.shop_id == shop_id, Listing.gone_at.is_(None))):
        wanted, number = stock_push.wanted_quantity(listing), listing.external_id.rpartition(":")[2]
        if wanted is None or not listing.pushable or not number.isdigit() or int(number) not in shop.behind.store.products:
            continue
        stored = shop.behind.store.amount(int(number)) == wanted
        assert (
            stored or listing.stale or listing.push_error or waiting or listing.quantity != shop.behind.store.amount(int(number))
        ), f"{listing.sku}: the books offer {wanted}, and it is neither stored nor due nor refused"
    for row in db.session.scalars(select(WriteBack).where(WriteBack.shop_id == shop_id)):
        assert row.state in ("waiting", "done", "replaced") or row.error, (row.state, row.error_code)
    db.session.rollback()


PAGES = ("", "[]", "{}", "null", "<html><title>Please wait</title></html>", '{"error":"x"}', "[{}]", "1", '"x"')
