"""A wrong answer about the key that passes stops nothing for good; a key that stays rejected asks a person."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from extensions import db
from models import Listing
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Rule
from services.monitoring import incidents, probes
from services.stock import items
from services.sync import schedule
from tests.services.monitoring.outages import all_incidents, read
from tests.support.shops import add, do

pytestmark = pytest.mark.one_database

EMPTY_403 = {"status": 403, "body": "", "headers": {"Content-Type": "text/html; charset=UTF-8"}, "swallow": "request"}
"""What the add-on answers to a wrong key (X-Cart 5.4, observed), and what a guard in front of it can answer as well."""
OF_API = {
    "status": 401, "body": '{"code":401,"message":"Invalid credentials."}', "headers": {"Content-Type": "application/json"},
    "swallow": "request",
}  # fmt: skip
REFUSALS = {"addon": EMPTY_403, "api": OF_API}


@pytest.fixture(params=["addon", "api"])
def site(request, app, proxied):
    """(shop, proxy, integration id), the first push done."""
    store = Store()
    for sku in ("CUP", "PLATE", "BOWL"):
        store.add_product(sku=sku, name=sku, price=10, amount=20)
    with PracticeShop(store=store, generation=request.param) as shop:
        proxy = proxied(shop)
        integration_id = add(proxy.url, shop.key)
        do(integration_id, "stock")
        yield shop, proxy, integration_id


@pytest.mark.parametrize("site", ["addon"], indirect=True)
@pytest.mark.parametrize("number", range(1, 4))
def test_one_refusal_of_a_read_is_not_believed(site, number):
    shop, proxy, integration_id = site
    shop.store.place_order([(1, 1)])
    proxy.set(Rule(method="GET", first=number, times=1, **EMPTY_403))
    assert [do(integration_id, kind).outcome for kind in ("orders", "listings", "stock")] == ["done"] * 3
    assert read(integration_id).health == "connected" and all_incidents(integration_id) == []


@pytest.mark.parametrize("site", ["addon"], indirect=True)
def test_one_refusal_of_a_write_leaves_the_row_due_and_stops_nothing(site):
    shop, proxy, integration_id = site
    items.set_stock("CUP", 4, "test")
    proxy.set(Rule(method="PUT", times=1, **EMPTY_403))
    run = do(integration_id, "stock")
    assert (run.outcome, run.error_code) == ("failed", "firewall")
    now = read(integration_id)
    assert not now.writes_refused and all_incidents(integration_id) == []
    assert db.session.scalar(select(Listing.stale).where(Listing.sku == "CUP"))
    assert do(integration_id, "stock").outcome == "done" and shop.store.amount(1) == 4


def test_a_key_that_stays_rejected_asks_a_person_and_is_tried_again_now_and_then(site, clock):
    shop, proxy, integration_id = site
    proxy.set(Rule(**REFUSALS[shop.generation]))
    assert do(integration_id, "orders").error_code == "wrong_key"
    assert read(integration_id).health == "needs_reauthorising" and all_incidents(integration_id) == [("key_rejected", True)]
    asked = 0
    for _ in range(48):
        clock.go(minutes=30)
        assert schedule.start_due_runs() == []
        if probes.due_probes() == [integration_id]:
            asked += 1
            assert probes.probe(integration_id) == "wrong_key"
    assert 8 < asked < 20 and all_incidents(integration_id) == [("key_rejected", True)]
    proxy.set()
    clock.go(hours=12)
    assert probes.probe(integration_id) == "good"
    now = read(integration_id)
    assert now.health == "connected" and all_incidents(integration_id) == [("key_rejected", False)]
    assert len(schedule.start_due_runs()) >= 2
    assert now.flows["connection"].due_at is None


def test_a_key_that_may_write_again_needs_no_person(site, clock):
    shop, proxy, integration_id = site
    full, shop.read_key, shop.key = shop.key, shop.key, "another-full-key"
    items.set_stock("CUP", 4, "test")
    assert do(integration_id, "stock").error_code == "read_only_key"
    assert do(integration_id, "orders").outcome == "done"
    clock.go(minutes=11)
    assert probes.due_probes() == [integration_id] and probes.probe(integration_id) == "read_only_key"
    assert read(integration_id).writes_refused
    shop.key, shop.read_key = full, "practice-read-key"
    clock.go(minutes=61)
    assert probes.probe(integration_id) == "good"
    assert not read(integration_id).writes_refused and all_incidents(integration_id) == [("read_only_key", False)]
    assert do(integration_id, "stock").outcome == "done" and shop.store.amount(1) == 4


def test_an_outage_beside_a_key_that_may_only_read_is_probed_as_soon_as_any_other(site, clock):
    shop, proxy, integration_id = site
    shop.read_key, shop.key = shop.key, "another-full-key"
    items.set_stock("CUP", 4, "test")
    do(integration_id, "stock")
    clock.go(minutes=11)
    probes.probe(integration_id)
    proxy.set(Rule(status=500, body="<h1>down</h1>", headers={"Content-Type": "text/html"}, swallow="request"))
    do(integration_id, "orders")
    clock.go(minutes=31)
    incidents.review()
    assert probes.due_probes() == [integration_id]
