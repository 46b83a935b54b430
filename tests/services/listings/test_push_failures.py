"""Rows that the shop refuses, or fails for: they keep no other row back."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from extensions import writing
from models import Integration, Listing
from practice_shop.proxy import Rule
from services.stock import items
from tests.services.listings.failing_writes import (
    CAPTCHA,
    HTML,
    PAGE,
    by_schedule,
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


@pytest.fixture(params=["addon", "api"])
def site(app, request, proxied):
    """(shop, proxy, integration id): a shop of each generation, connected and settled."""
    with thirty_products(request.param, proxied) as (shop, proxy):
        yield shop, proxy, set_up_once(request, app, shop, lambda: settled(proxy, shop), proxy)


def test_a_row_the_shops_own_program_refuses_is_put_aside_until_its_quantity_changes_or_the_next_reading(app, db, site):
    shop, proxy, integration_id = site
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
    shop, proxy, _ = site

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
    shop, proxy, integration_id = site
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
    shop, proxy, integration_id = site
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
    shop, proxy, integration_id = site
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
    shop, proxy, integration_id = site
    set_all({"SKU-01": 4, "SKU-02": 4})
    proxy.set(Rule(method="PUT", swallow="request", **OF_ONE_ROW["409"]))
    run = do(integration_id, "stock")
    assert (run.outcome, "refuse" in run.error) == ("failed", False)
    assert states(db) == {"SKU-01": "waiting", "SKU-02": "waiting"}


def test_a_variant_that_the_shop_fails_for_keeps_no_other_back(app, db, site):
    """Its quantity cannot be read, so it waits; and the next reading of listings does not count it as gone."""
    shop, proxy, integration_id = site
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
    shop, proxy, integration_id = site
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
