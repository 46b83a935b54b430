"""A catalogue that is suddenly empty or much smaller: nothing counts as gone before a second reading or a person has confirmed it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from errors import Conflict
from extensions import writing
from models import Flow, Incident, Integration, Link, Listing, Shop
from models.types import utcnow
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Rule
from services.listings import losses
from services.monitoring import incidents
from services.stock import items
from services.sync import execution, schedule
from tests.support.kept import set_up_once
from tests.support.shops import add, do

PRODUCTS = {"addon": "_path=product&", "api": "/api/products\\?"}
VARIANTS = {"addon": "_path=xc-productvariants", "api": "/variants"}
JSON = {"Content-Type": "application/json", "X-Result-Count": "0"}


@pytest.fixture(params=["addon", "api"])
def site(app, request, proxied):
    store = Store()
    for number in range(8):
        store.add_product(sku=f"SKU-{number:02}", name=f"Thing {number}", price=1, amount=10)
    parent = store.add_product(sku="SHIRT", name="Shirt", price=10, amount=9)
    for size in "SML":
        store.add_variant(parent, sku=f"SHIRT-{size}", amount=10)
    with PracticeShop(store=store, generation=request.param) as shop:
        proxy = proxied(shop)
        yield shop, proxy, set_up_once(request, app, shop, lambda: add(proxy.url, shop.key), proxy)


def empty(pattern: str, **limits) -> Rule:
    return Rule(method="GET", path=pattern, body="[]", status=200, headers=JSON, swallow="request", **limits)


def gone(db) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).where(Listing.gone_at.is_not(None)))


def open_causes(db) -> set[str]:
    incidents.review()
    db.session.rollback()
    return set(db.session.scalars(select(Incident.cause).where(Incident.resolved_at.is_(None))))


def test_an_empty_list_once_loses_nothing_and_pushes_go_on(app, db, site):
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    links = db.session.scalar(select(func.count(Link.id)))
    proxy.set(empty(PRODUCTS[shop.generation]))
    run = do(integration_id, "listings")
    assert gone(db) == 0 and any("count as gone once" in sentence for sentence in run.warnings)
    loss = losses.pending(integration_id)
    assert (loss.count > 1, loss.next_at <= utcnow() + timedelta(minutes=30)) == (True, True)
    assert "listings_lost" in open_causes(db)
    proxy.set()
    items.set_stock("SKU-01", 4, "test")
    assert do(integration_id, "stock").outcome == "done"
    assert shop.store.product_by_sku("SKU-01").amount == 4
    do(integration_id, "listings")
    assert (gone(db), losses.pending(integration_id)) == (0, None)
    assert "listings_lost" not in open_causes(db)
    assert db.session.scalar(select(func.count(Link.id))) == links


def test_the_second_reading_is_due_within_half_an_hour_and_confirms(app, db, site):
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    for sku in ("SKU-00", "SKU-01", "SKU-02", "SKU-03", "SKU-04"):
        shop.store.delete_product(shop.store.product_by_sku(sku).id)
    do(integration_id, "listings")
    assert gone(db) == 0
    with writing() as session:
        assert session.get(Integration, integration_id).flows["listings"].due_at <= utcnow() + timedelta(minutes=30)
        session.execute(update(Flow).where(Flow.kind == "listings").values(due_at=utcnow()))
    schedule.start_due_runs(kinds=("listings",))
    for run_id in schedule.waiting_runs():
        assert execution.perform(run_id).counts["gone"] == 5
    assert (gone(db), losses.pending(integration_id)) == (5, None)


def test_a_second_reading_that_comes_too_late_only_begins_again(app, db, site):
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    proxy.set(empty(PRODUCTS[shop.generation]))
    do(integration_id, "listings")
    with writing() as session:
        session.execute(update(Shop).values(loss_at=utcnow() - timedelta(minutes=31)))
    do(integration_id, "listings")
    assert gone(db) == 0
    do(integration_id, "listings")
    assert gone(db) > 0


def test_a_second_reading_that_lacks_much_more_confirms_nothing(app, db, site):
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    for sku in ("SKU-00", "SKU-01", "SKU-02", "SKU-03"):
        shop.store.delete_product(shop.store.product_by_sku(sku).id)
    do(integration_id, "listings")
    proxy.set(empty(PRODUCTS[shop.generation]))
    do(integration_id, "listings")
    assert gone(db) == 0


def test_a_person_may_approve_it(app, db, site):
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    with pytest.raises(Conflict):
        losses.approve(integration_id, "ann")
    for sku in ("SKU-00", "SKU-01", "SKU-02", "SKU-03"):
        shop.store.delete_product(shop.store.product_by_sku(sku).id)
    do(integration_id, "listings")
    assert losses.approve(integration_id, "ann") == 4
    assert (gone(db), losses.pending(integration_id)) == (4, None)


def test_a_small_loss_needs_two_readings_and_tells_nobody(app, db, site):
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    shop.store.delete_product(shop.store.product_by_sku("SKU-00").id)
    assert do(integration_id, "listings").counts["not_listed"] == 1
    assert (gone(db), losses.pending(integration_id)) == (0, None)
    assert "listings_lost" not in open_causes(db)
    assert do(integration_id, "listings").counts["gone"] == 1
    assert gone(db) == 1


def test_variants_that_are_not_listed_once_stay(app, db, site):
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    proxy.set(empty(VARIANTS[shop.generation]))
    do(integration_id, "listings")
    assert gone(db) == 0
    proxy.set()
    items.set_stock("SHIRT-M", 3, "test")
    assert do(integration_id, "stock").outcome == "done"
    assert shop.store.variant_by_sku("SHIRT-M").amount == 3


def test_a_list_that_ends_early_loses_nothing(app, db, site):
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    proxy.set(Rule(method="GET", request_headers={"Accept-Encoding": "identity"}))
    shop.faults.add("missing_rows", 5)
    assert do(integration_id, "listings").counts["not_listed"] >= 5
    assert gone(db) == 0
    shop.faults.clear()
    do(integration_id, "listings")
    assert (gone(db), losses.pending(integration_id)) == (0, None)


def test_a_quantity_the_shop_does_not_give_once_is_asked_for_again(app, db, site):
    """The reading just before a push is answered with an empty list: the rows stay due, and a reading comes soon."""
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    items.set_stock("SKU-01", 0, "test")
    items.set_stock("SHIRT-M", 0, "test")
    proxy.set(empty("product|variant"))
    run = do(integration_id, "stock")
    assert (run.outcome, run.counts["missing"]) == ("partial", 2)
    db.session.rollback()
    assert db.session.get_one(Integration, integration_id).flows["listings"].due_at <= utcnow() + timedelta(minutes=15)
    proxy.set()
    assert do(integration_id, "stock").outcome == "done"
    assert (shop.store.product_by_sku("SKU-01").amount, shop.store.variant_by_sku("SHIRT-M").amount) == (0, 0)


def test_the_loss_of_everything_is_large_whatever_share_is_allowed(app, db, site):
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    with writing() as session:
        session.get(Integration, integration_id).safety_limit_percent = 100
    proxy.set(empty(PRODUCTS[shop.generation]), empty(VARIANTS[shop.generation]))
    do(integration_id, "listings")
    assert losses.pending(integration_id) is not None and "listings_lost" in open_causes(db)
    with writing() as session:
        session.execute(update(Shop).values(loss_at=utcnow() - timedelta(hours=2)))
    do(integration_id, "listings")
    assert gone(db) == 0


def test_what_was_gone_and_comes_back_keeps_its_link_and_gets_its_quantity(app, db, site):
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    links = db.session.scalar(select(func.count(Link.id)))
    proxy.set(empty(PRODUCTS[shop.generation]), empty(VARIANTS[shop.generation]))
    for _ in range(2):
        do(integration_id, "listings")
    assert gone(db) > 0
    items.set_stock("SKU-01", 4, "test")
    proxy.set()
    do(integration_id, "listings")
    assert (gone(db), db.session.scalar(select(func.count(Link.id)))) == (0, links)
    assert do(integration_id, "stock").outcome == "done"
    assert shop.store.product_by_sku("SKU-01").amount == 4


@pytest.mark.parametrize("body", ["null", '{"error": "Rate limit"}', "<html>Welcome</html>"])
def test_a_list_that_is_something_else_twice_loses_nothing_and_is_not_asked_for_row_by_row(app, db, site, body):
    """A failed reading goes on where it stopped: what could not be read before that place is not gone."""
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    for _ in range(2):
        proxy.set(Rule(method="GET", path=PRODUCTS[shop.generation], body=body))
        before = len(proxy.seen)
        assert do(integration_id, "listings").outcome == "failed"
        assert len(proxy.seen) - before < 60
        proxy.set()
        do(integration_id, "listings")
        assert gone(db) == 0


def test_what_an_earlier_run_of_a_reading_could_not_read_is_not_gone(app, db, site):
    """The first page holds rows without ids, the run fails after it, and the next one goes on behind it."""
    shop, proxy, integration_id = site
    do(integration_id, "stock")
    rows = "[" + ", ".join(["{}"] * 12) + "]"
    for _ in range(2):
        proxy.set(
            Rule(method="GET", path=PRODUCTS[shop.generation], last=1, body=rows),
            Rule(method="GET", path=PRODUCTS[shop.generation], first=2, status=404, body="", swallow="request"),
        )
        assert do(integration_id, "listings").outcome == "failed"
        proxy.set()
        do(integration_id, "listings")
        assert gone(db) == 0
