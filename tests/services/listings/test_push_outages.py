"""Stock that does not arrive: whatever the shop's own program has not refused stays due and goes out with a later run."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from extensions import writing
from models import Flow, Incident, Integration, Listing
from models.types import utcnow
from practice_shop.proxy import Rule
from services.listings import queries, stock_push, views
from services.monitoring import incidents
from services.runs import lifecycle as runs_lifecycle
from services.shops import finding
from services.stock import items
from tests.services.listings.failing_writes import (
    FAILURES,
    HTML,
    PAGE,
    by_schedule,
    failing,
    make_due,
    set_all,
    settled,
    states,
    there,
    thirty_products,
)
from tests.support.kept import set_up_once
from tests.support.shops import do

pytestmark = pytest.mark.one_database
STORED_ALTHOUGH = {
    "500": {"swallow": "answer", "status": 500, "body": PAGE, "headers": HTML},
    "cut": {"cut": "answer"},
    "half": {"cut": "middle"},
}


@pytest.fixture(params=["addon", "api"])
def site(app, request, proxied):
    """(shop, proxy, integration id): a shop of each generation, connected and settled."""
    with thirty_products(request.param, proxied) as (shop, proxy):
        yield shop, proxy, set_up_once(request, app, shop, lambda: settled(proxy, shop), proxy)


@pytest.mark.parametrize("failure", ["500", "captcha", "page"])
def test_one_failed_write_leaves_the_row_due_and_the_next_run_sends_it(app, db, site, failure):
    shop, proxy, _ = site
    items.set_stock("SKU-03", 0, "test")
    proxy.set(failing(failure, times=1))
    make_due()
    run = by_schedule()
    if there(shop)["SKU-03"] != 0:
        assert states(db) == {"SKU-03": "waiting"}
        assert run.outcome == "failed" and run.error
        later = by_schedule()
        assert later is None or (later.outcome, later.requests) == ("stopped", 0)
        make_due()
        assert by_schedule().outcome == "done"
    assert there(shop)["SKU-03"] == 0
    assert states(db) == {}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.sampled(6)
def test_while_no_write_works_all_rows_wait_and_afterwards_all_arrive(app, db, site, failure):
    shop, proxy, integration_id = site
    wanted = {f"SKU-{number:02}": 0 for number in range(5)} | {"SHIRT-M": 0}
    set_all(wanted)
    proxy.set(failing(failure))
    for _ in range(3):
        make_due()
        assert by_schedule().outcome == "failed"
    assert states(db) == dict.fromkeys(wanted, "waiting")
    db.session.rollback()
    integration = db.session.get_one(Integration, integration_id)
    assert integration.flows["stock"].due_at <= utcnow() + timedelta(seconds=integration.flows["stock"].interval_seconds)
    assert integration.health != "connected"
    proxy.set()
    make_due()
    assert by_schedule().outcome == "done"
    assert {sku: there(shop)[sku] for sku in wanted} == wanted
    assert states(db) == {}


def test_twenty_rows_of_which_only_some_writes_work(app, db, site):
    """Set to 0, and only the second write is stored: the others stay due, none is sold by mistake for ever."""
    shop, proxy, integration_id = site
    with writing() as session:
        session.get(Integration, integration_id).safety_limit_percent = 100
    wanted = {f"SKU-{number:02}": 0 for number in range(20)}
    set_all(wanted)
    proxy.set(failing("500", times=1), failing("500", first=2))
    run = do(integration_id, "stock")
    assert run.outcome in ("partial", "failed")
    left = {sku for sku in wanted if there(shop)[sku] != 0}
    assert left and set(states(db)) == left
    proxy.set()
    assert do(integration_id, "stock").outcome == "done"
    assert {sku: there(shop)[sku] for sku in wanted} == wanted


@pytest.mark.parametrize("way", STORED_ALTHOUGH)
def test_what_was_stored_although_the_answer_failed_is_known(app, db, site, way):
    shop, proxy, integration_id = site
    set_all({"SKU-01": 3, "SHIRT-L": 4})
    proxy.set(Rule(method="PUT", **STORED_ALTHOUGH[way]))
    assert do(integration_id, "stock").outcome == "done"
    assert (there(shop)["SKU-01"], there(shop)["SHIRT-L"]) == (3, 4)
    assert states(db) == {}


def test_a_late_success_that_nobody_saw_is_no_drift(app, db, site):
    """The write was stored, its answer and the look after it failed, and the books have moved on since."""
    shop, proxy, integration_id = site
    items.set_stock("SKU-01", 3, "test")
    proxy.set(Rule(method="PUT", cut="answer"), Rule(method="GET", path="product", first=4, status=500, swallow="request"))
    do(integration_id, "stock")
    proxy.set()
    items.set_stock("SKU-01", 5, "test")
    run = do(integration_id, "stock")
    assert (run.outcome, run.counts.get("drift")) == ("done", None)
    assert there(shop)["SKU-01"] == 5


def test_an_approval_outlasts_an_outage_of_writes(app, db, site):
    shop, proxy, integration_id = site
    wanted = {f"SKU-{number:02}": 0 for number in range(15)}
    set_all(wanted)
    assert do(integration_id, "stock").outcome == "waiting"
    stock_push.approve(integration_id, "test")
    proxy.set(failing("500"))
    assert do(integration_id, "stock").outcome == "failed"
    proxy.set()
    assert do(integration_id, "stock").outcome == "done"
    assert {sku: there(shop)[sku] for sku in wanted} == wanted


@pytest.mark.parametrize("seed", range(2))
def test_random_failures_of_writes_end_with_the_shop_equal_to_the_books(app, db, site, seed):
    """Random rows and random failures on writes only: two intervals after they end the shop has what the books offer."""
    shop, proxy, integration_id = site
    with writing() as session:
        session.get(Integration, integration_id).safety_limit_percent = 100
    dice = random.Random(seed)
    for _ in range(4):
        chosen = dice.sample(sorted(there(shop)), dice.randint(1, 12))
        set_all({sku: dice.choice((0, dice.randint(1, 30))) for sku in chosen})
        rules = []
        for _ in range(dice.randint(1, 3)):
            first = dice.randint(1, 4)
            name = dice.choice([*FAILURES, *STORED_ALTHOUGH])
            limits = {"first": first, "last": first + dice.randint(0, 6)}
            rules.append(failing(name, **limits) if name in FAILURES else Rule(method="PUT", **STORED_ALTHOUGH[name], **limits))
        proxy.set(*rules)
        make_due()
        by_schedule()
    proxy.set()
    for _ in range(2):
        with writing() as session:
            every = timedelta(seconds=session.get(Integration, integration_id).flows["stock"].interval_seconds)
            session.execute(update(Listing).where(Listing.push_due_at <= utcnow() + every).values(push_due_at=utcnow()))
            session.execute(update(Flow).where(Flow.kind == "stock", Flow.due_at <= utcnow() + every).values(due_at=utcnow()))
        by_schedule()
    books = {item.sku: item.available for item in items.list_stock()}
    assert {sku: quantity for sku, quantity in there(shop).items() if quantity != books[sku]} == {}
    assert states(db) == {}


def test_the_page_of_the_run_says_why(app, db, site):
    shop, proxy, integration_id = site
    items.set_stock("SKU-01", 3, "test")
    proxy.set(failing("500"))
    run = do(integration_id, "stock")
    assert run.counts["waiting"] == 1
    assert finding.get_integration(integration_id).health == "retrying"
    assert runs_lifecycle.find_run(run.id).error


def test_rows_that_wait_too_long_and_values_stored_differently_three_times_become_incidents(app, db, site):
    shop, proxy, integration_id = site
    items.set_stock("SKU-01", 3, "test")
    proxy.set(failing("500"))
    do(integration_id, "stock")
    assert open_causes(db) == set()
    with writing() as session:
        session.execute(update(Listing).where(Listing.troubled).values(push_failed_since=utcnow() - timedelta(minutes=31)))
    assert open_causes(db) == {"stock_rows_wait"}
    [row] = [row for rows in queries.iter_listings() for row in rows if row["sku"] == "SKU-01"]
    assert row["state"] == "waiting" and row["note"].startswith("Waiting to be sent again: ")
    assert [each.push_state for each in views.list_page(views.Wanted(state="waiting")).rows] == ["waiting"]
    with writing() as session:
        session.execute(update(Listing).where(Listing.troubled).values(push_state="other_value", push_tries=3))
    assert open_causes(db) == {"stock_other_value"}
    proxy.set()
    assert do(integration_id, "stock").outcome == "done"
    assert open_causes(db) == set()


def open_causes(db) -> set[str]:
    incidents.review()
    db.session.rollback()
    found = set(db.session.scalars(select(Incident.cause).where(Incident.resolved_at.is_(None))))
    db.session.rollback()
    return found
