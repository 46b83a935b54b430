"""Stock that does not arrive: whatever the shop's own program has not refused stays due and goes out with a later run."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from extensions import writing
from models import Flow, Incident, Integration, Listing, SyncRun
from models.types import utcnow
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Rule
from services.listings import queries, stock_push, views
from services.monitoring import incidents
from services.runs import lifecycle as runs_lifecycle
from services.shops import finding
from services.stock import items
from services.sync import execution, schedule
from tests.support.rows import import_stock
from tests.support.shops import add, do

pytestmark = pytest.mark.one_database
PAGE = "<!DOCTYPE html><html><head><title>Shop</title></head><body>Welcome</body></html>"
CAPTCHA = "<html><head><title>Robot Challenge Screen</title></head><body>sgcaptcha</body></html>"
HTML = {"Content-Type": "text/html; charset=utf-8", "X-REST-Error": None}
FAILURES = {
    "500": {"status": 500, "body": PAGE, "headers": HTML},
    "502": {"status": 502, "body": PAGE, "headers": HTML},
    "408": {"status": 408, "body": "", "headers": HTML},
    "captcha": {"status": 202, "body": CAPTCHA, "headers": HTML},
    "page": {"status": 200, "body": PAGE, "headers": HTML},
    "cut": {"cut": "request"},
    "403 page": {"status": 403, "body": PAGE, "headers": HTML},
}
"""What answers a write in the shop's place; the shop sees nothing of it."""
STORED_ALTHOUGH = {
    "500": {"swallow": "answer", "status": 500, "body": PAGE, "headers": HTML},
    "cut": {"cut": "answer"},
    "half": {"cut": "middle"},
}


def failing(name: str, **limits) -> Rule:
    way = FAILURES[name]
    return Rule(method="PUT POST", **way, **({} if "cut" in way else {"swallow": "request"}), **limits)


@pytest.fixture(params=["addon", "api"])
def site(request, proxied):
    """(shop, proxy): a shop of each generation with 30 products and 2 variants, behind a proxy."""
    store = Store()
    for number in range(30):
        store.add_product(sku=f"SKU-{number:02}", name=f"Thing {number}", price=1, amount=10)
    parent = store.add_product(sku="SHIRT", name="Shirt", price=10, amount=9)
    for size in "ML":
        store.add_variant(parent, sku=f"SHIRT-{size}", amount=10)
    with PracticeShop(store=store, generation=request.param) as shop:
        yield shop, proxied(shop)


def settled(proxy, shop: PracticeShop) -> int:
    integration_id = add(proxy.url, shop.key)
    assert do(integration_id, "stock").outcome == "done"
    return integration_id


def set_all(quantities: dict[str, int]) -> None:
    import_stock(["sku,quantity\n", *(f"{sku},{quantity}\n" for sku, quantity in quantities.items())])


def there(shop: PracticeShop) -> dict[str, int]:
    found = {product.sku: product.amount for product in shop.store.products.values() if product.sku != "SHIRT"}
    return found | {variant.sku: variant.amount for variant in shop.store.variants.values()}


def states(db) -> dict[str, str]:
    db.session.rollback()
    found = {row.sku: row.push_state for row in db.session.scalars(select(Listing).where(Listing.push_state != ""))}
    db.session.rollback()
    return found


def make_due() -> None:
    """As if the waits were over: of rows and of runs."""
    with writing() as session:
        session.execute(update(Listing).where(Listing.push_due_at.is_not(None)).values(push_due_at=utcnow()))
        session.execute(update(Flow).where(Flow.kind == "stock").values(due_at=utcnow()))


def by_schedule() -> SyncRun | None:
    """The stock run that the schedule starts; None where none is due."""
    schedule.start_due_runs(kinds=("stock",))
    last = None
    for run_id in schedule.waiting_runs():
        last = execution.perform(run_id)
    return last


@pytest.mark.parametrize("failure", ["500", "captcha", "page"])
def test_one_failed_write_leaves_the_row_due_and_the_next_run_sends_it(app, db, site, failure):
    shop, proxy = site
    settled(proxy, shop)
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
    shop, proxy = site
    integration_id = settled(proxy, shop)
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
    shop, proxy = site
    integration_id = settled(proxy, shop)
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
    shop, proxy = site
    integration_id = settled(proxy, shop)
    set_all({"SKU-01": 3, "SHIRT-L": 4})
    proxy.set(Rule(method="PUT", **STORED_ALTHOUGH[way]))
    assert do(integration_id, "stock").outcome == "done"
    assert (there(shop)["SKU-01"], there(shop)["SHIRT-L"]) == (3, 4)
    assert states(db) == {}


def test_a_late_success_that_nobody_saw_is_no_drift(app, db, site):
    """The write was stored, its answer and the look after it failed, and the books have moved on since."""
    shop, proxy = site
    integration_id = settled(proxy, shop)
    items.set_stock("SKU-01", 3, "test")
    proxy.set(Rule(method="PUT", cut="answer"), Rule(method="GET", path="product", first=4, status=500, swallow="request"))
    do(integration_id, "stock")
    proxy.set()
    items.set_stock("SKU-01", 5, "test")
    run = do(integration_id, "stock")
    assert (run.outcome, run.counts.get("drift")) == ("done", None)
    assert there(shop)["SKU-01"] == 5


def test_a_row_the_shops_own_program_refuses_is_put_aside_until_its_quantity_changes_or_the_next_reading(app, db, site):
    shop, proxy = site
    integration_id = settled(proxy, shop)
    if shop.generation == "addon":
        body, headers = "[]", {"Content-Type": "application/json", "X-REST-Error": "SKU must be unique"}
    else:
        body = '{"type":"x","title":"An error occurred","detail":"Input validations failed: SKU is not unique"}'
        headers = {"Content-Type": "application/problem+json; charset=utf-8"}
    proxy.set(Rule(method="PUT", status=400, body=body, headers=headers, swallow="request"))
    items.set_stock("SKU-01", 3, "test")
    run = do(integration_id, "stock")
    assert (run.outcome, run.counts["refused"]) == ("partial", 1)
    assert states(db) == {"SKU-01": "refused"}
    db.session.rollback()
    listing = db.session.scalar(select(Listing).where(Listing.sku == "SKU-01"))
    assert not listing.stale and "nique" in listing.push_error
    seen = len(proxy.seen)
    assert do(integration_id, "stock").outcome == "done" and len(proxy.seen) == seen
    proxy.set()
    do(integration_id, "listings")
    assert do(integration_id, "stock").outcome == "done"
    assert there(shop)["SKU-01"] == 3 and states(db) == {}


def test_another_value_is_shown_and_compared_again(app, db, site):
    shop, proxy = site
    settled(proxy, shop)

    def one_less(method, answer):
        if method == "PUT":
            answer.body = answer.body.replace(b'"amount":7', b'"amount":6')
        return answer

    proxy.change_answer = one_less
    items.set_stock("SKU-01", 7, "test")
    for turn in (1, 2, 3):
        shop.store.set_amount(next(row.id for row in shop.store.products.values() if row.sku == "SKU-01"), 6 if turn > 1 else 10)
        make_due()
        by_schedule()
        db.session.rollback()
        listing = db.session.scalar(select(Listing).where(Listing.sku == "SKU-01"))
        found = (listing.push_state, listing.push_tries, listing.stale)
        assert found in {("other_value", turn, True), ("waiting", 1, True)}
        if found[0] == "waiting":
            break
    proxy.change_answer = None
    make_due()
    assert by_schedule().outcome == "done"
    assert there(shop)["SKU-01"] == 7 and states(db) == {}


def test_one_row_that_always_fails_keeps_no_other_back(app, db, site):
    shop, proxy = site
    integration_id = settled(proxy, shop)
    bad = next(row.id for row in shop.store.products.values() if row.sku == "SKU-02")
    shop.faults.add("status_500", match=f"products/{bad}", method="PUT")
    if shop.generation == "addon":
        pytest.skip("bulk writes of the add-on: tests/channels/test_addon_stock.py")
    set_all({"SKU-01": 3, "SKU-02": 4, "SKU-03": 5})
    run = do(integration_id, "stock")
    assert (run.outcome, run.counts["sent"], run.counts["waiting"]) == ("partial", 2, 1)
    assert any("wait" in sentence for sentence in run.warnings)
    assert states(db) == {"SKU-02": "waiting"}


PROBLEM = {"Content-Type": "application/problem+json; charset=utf-8"}
MISFORMATTED = '{"type":"x","title":"An error occurred","detail":"The input data is misformatted."}'
CONFLICT = '{"type":"x","title":"An error occurred","detail":"Conflict"}'
OF_ONE_ROW = {
    "403 page": {"status": 403, "body": PAGE, "headers": HTML},
    "404 page": {"status": 404, "body": PAGE, "headers": HTML},
    "503": {"status": 503, "body": "", "headers": HTML},
    "captcha": {"status": 202, "body": CAPTCHA, "headers": HTML},
    "misformatted": {"status": 400, "body": MISFORMATTED, "headers": PROBLEM},
    "409": {"status": 409, "body": CONFLICT, "headers": PROBLEM},
}


@pytest.mark.parametrize("way", OF_ONE_ROW)
@pytest.mark.parametrize("site", ["api"], indirect=True)
def test_a_guard_that_blocks_one_row_keeps_no_other_back(app, db, site, way):
    shop, proxy = site
    integration_id = settled(proxy, shop)
    with writing() as session:
        session.get(Integration, integration_id).safety_limit_percent = 100
    wanted = {f"SKU-{number:02}": 4 for number in range(30)}
    set_all(wanted)
    bad = shop.store.product_by_sku("SKU-02").id
    proxy.set(Rule(method="PUT", path=f"products/{bad}$", swallow="request", **OF_ONE_ROW[way]))
    assert do(integration_id, "stock").outcome == "partial"
    assert [sku for sku in wanted if there(shop)[sku] != 4] == ["SKU-02"]
    assert states(db) == {"SKU-02": "waiting"}


def test_many_rows_at_the_head_that_always_fail_keep_no_other_back_for_good(app, db, site):
    shop, proxy = site
    integration_id = settled(proxy, shop)
    with writing() as session:
        session.get(Integration, integration_id).safety_limit_percent = 100
    wanted = {f"SKU-{number:02}": 4 for number in range(20)}
    set_all(wanted)
    bad = list(wanted)[:6]
    ids = "|".join(str(shop.store.product_by_sku(sku).id) for sku in bad)
    place = {"sent": rf'"product_id":({ids}),'} if shop.generation == "addon" else {"path": f"products/({ids})$"}
    proxy.set(Rule(method="PUT", status=500, body=PAGE, headers=HTML, swallow="request", **place))
    for _ in range(6):
        do(integration_id, "stock")
    assert [sku for sku in wanted if there(shop)[sku] != 4] == bad
    proxy.set()
    do(integration_id, "stock")
    assert {sku: there(shop)[sku] for sku in wanted} == wanted


@pytest.mark.parametrize("site", ["api"], indirect=True)
def test_an_error_that_the_shops_own_program_does_not_give_refuses_no_row(app, db, site):
    shop, proxy = site
    integration_id = settled(proxy, shop)
    set_all({"SKU-01": 4, "SKU-02": 4})
    proxy.set(Rule(method="PUT", swallow="request", **OF_ONE_ROW["409"]))
    run = do(integration_id, "stock")
    assert (run.outcome, "refuse" in run.error) == ("failed", False)
    assert states(db) == {"SKU-01": "waiting", "SKU-02": "waiting"}


def test_an_approval_outlasts_an_outage_of_writes(app, db, site):
    shop, proxy = site
    integration_id = settled(proxy, shop)
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
    shop, proxy = site
    integration_id = settled(proxy, shop)
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
    shop, proxy = site
    integration_id = settled(proxy, shop)
    items.set_stock("SKU-01", 3, "test")
    proxy.set(failing("500"))
    run = do(integration_id, "stock")
    assert run.counts["waiting"] == 1
    assert finding.get_integration(integration_id).health == "retrying"
    assert runs_lifecycle.find_run(run.id).error


def test_rows_that_wait_too_long_and_values_stored_differently_three_times_become_incidents(app, db, site):
    shop, proxy = site
    integration_id = settled(proxy, shop)
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


def test_a_variant_that_the_shop_fails_for_keeps_no_other_back(app, db, site):
    """Its quantity cannot be read, so it waits; and the next reading of listings does not count it as gone."""
    shop, proxy = site
    integration_id = settled(proxy, shop)
    bad = shop.store.variant_by_sku("SHIRT-M")
    set_all({"SKU-01": 3, "SHIRT-M": 4})
    path = f"productvariant%2F{bad.id}$" if shop.generation == "addon" else f"products/{bad.product_id}/variants"
    proxy.set(Rule(method="GET", path=path, status=500, body=PAGE, headers=HTML, swallow="request"))
    for _ in range(2):
        assert do(integration_id, "stock").outcome == "partial"
        do(integration_id, "listings")
    assert (there(shop)["SKU-01"], states(db)) == (3, {"SHIRT-M": "missing"})
    assert db.session.scalars(select(Listing.sku).where(Listing.gone_at.is_not(None))).all() == []
    proxy.set()
    assert do(integration_id, "stock").outcome == "done"
    assert (there(shop)["SHIRT-M"], states(db)) == (4, {})


def test_rows_of_one_batch_that_fail_for_different_causes(app, db, site):
    """One is refused, one meets an error, one is blocked by a guard, one is stored as another value: each for itself."""
    shop, proxy = site
    integration_id = settled(proxy, shop)
    with writing() as session:
        session.get(Integration, integration_id).safety_limit_percent = 100
    wanted = {f"SKU-{number:02}": 4 for number in range(12)} | {"SHIRT-M": 4}
    set_all(wanted)
    ids = {sku: shop.store.product_by_sku(sku).id for sku in ("SKU-01", "SKU-05", "SKU-09")}

    def of(sku: str) -> dict[str, str]:
        if shop.generation == "api":
            return {"path": f"products/{ids[sku]}$"}
        return {"sent": rf'"product_id":{ids[sku]},'}

    refusal = (
        {"body": "[]", "headers": {"Content-Type": "application/json", "X-REST-Error": "SKU must be unique"}}
        if shop.generation == "addon"
        else {"body": '{"type":"x","title":"An error occurred","detail":"SKU is not unique"}', "headers": PROBLEM}
    )
    proxy.set(
        Rule(method="PUT", status=400, swallow="request", **refusal, **of("SKU-01")),
        Rule(method="PUT", status=500, body=PAGE, headers=HTML, swallow="request", **of("SKU-05")),
        Rule(method="PUT", cut="request", **of("SKU-09")),
    )
    run = do(integration_id, "stock")
    assert (run.outcome, states(db)) == ("partial", {"SKU-01": "refused", "SKU-05": "waiting", "SKU-09": "waiting"})
    assert [sku for sku in wanted if there(shop)[sku] != 4] == ["SKU-01", "SKU-05", "SKU-09"]
    proxy.set()
    do(integration_id, "listings")
    assert do(integration_id, "stock").outcome == "done"
    assert {sku: there(shop)[sku] for sku in wanted} == wanted
