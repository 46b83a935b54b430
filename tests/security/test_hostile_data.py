"""What a hostile shop says: taken in or refused with a sentence, and harmless wherever it is shown."""

from __future__ import annotations

import csv
import io
import random
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from extensions import db
from models import Integration, Link, Listing, Order, SyncRun
from practice_shop import PracticeShop, Store
from services import integrations, runs, sync
from services.integrations import NewIntegration
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
    check = integrations.check_shop("xcart", shop.url, shop.key)
    assert check.good, check.message
    since = datetime.now(UTC) - timedelta(days=2)
    return integrations.add_integration(NewIntegration("xcart", "Shop", shop.url, shop.key, since=since), check, "test").id


def do(integration_id: int, kind: str) -> SyncRun:
    run = sync.perform(runs.start_run(integration_id, kind, "test").id)
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
def test_words_of_a_shop_are_stored_and_shown_harmlessly(client, shop, words):
    shop.change = every_text(words, NAMES)
    integration_id = connect(shop)
    ends = {kind: do(integration_id, kind) for kind in KINDS}
    assert {run.outcome for run in ends.values()} <= {"done", "partial", "waiting", "failed"}, ends
    assert look_everywhere(client) >= 8


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


@pytest.mark.both_databases
@pytest.mark.parametrize("seed", range(4))
def test_values_of_any_kind_anywhere_lead_to_no_fault_of_ours(client, shop, seed):
    assert_survives(client, shop, seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 140))
def test_values_of_any_kind_anywhere_lead_to_no_fault_of_ours_however_often(client, shop, seed):
    assert_survives(client, shop, seed)


def assert_survives(client, shop: HostileShop, seed: int) -> None:
    """Whatever stands where, a run ends in order, its books are sound, and the next honest answer mends what it can."""
    integration_id = connect(shop)
    shop.change = at_random(seed, random.Random(seed).choice((0.01, 0.05, 0.3)))
    for kind in KINDS:
        run = do(integration_id, kind)
        assert run.outcome in ("done", "partial", "waiting", "failed", "stopped"), (kind, run.outcome)
        assert run.outcome != "failed" or run.error, kind
    look_everywhere(client)
    shop.change = None
    integrations.set_enabled(integration_id, True, "test")
    for kind in KINDS:
        assert do(integration_id, kind).outcome in ("done", "partial", "waiting"), kind
