"""A host that blocks PUT while reads work: the run names it, and X-Cart 5.4 gets its quantities as POST once that is proven."""

from __future__ import annotations

import pytest

from models import Integration
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Rule
from services.shops import connection
from tests.support.kept import set_up_once
from tests.support.rows import import_stock
from tests.support.shops import add, do

pytestmark = pytest.mark.one_database
PAGE = "<html><head><title>Forbidden</title></head><body>The method is not allowed.</body></html>"
HTML = {"Content-Type": "text/html", "X-REST-Error": None, "X-Powered-By": None}


def blocked(status: int) -> Rule:
    return Rule(method="PUT", status=status, body=PAGE, headers=HTML, swallow="request")


@pytest.fixture(params=["addon", "api"])
def site(app, request, proxied):
    store = Store()
    for number in range(12):
        store.add_product(sku=f"SKU-{number:02}", name=f"Thing {number}", price=1, amount=10)
    parent = store.add_product(sku="SHIRT", name="Shirt", price=10, amount=9)
    store.add_variant(parent, sku="SHIRT-M", amount=10)
    with PracticeShop(store=store, generation=request.param) as shop:
        proxy = proxied(shop)

        def settle() -> int:
            integration_id = add(proxy.url, shop.key)
            assert do(integration_id, "stock").outcome == "done"
            return integration_id

        yield shop, proxy, set_up_once(request, app, shop, settle, proxy)


def want(**quantities: int) -> None:
    lines = (f"{sku.replace('_', '-')},{quantity}\n" for sku, quantity in quantities.items())
    import_stock(["sku,quantity\n", *lines])


def posts(proxy) -> list[str]:
    return [target for method, target, _ in proxy.seen if method == "POST"]


def post_state(db, integration_id: int) -> str:
    db.session.rollback()
    return db.session.get_one(Integration, integration_id).put_by_post


@pytest.mark.parametrize("status", [403, 405, 501, 200])
def test_the_run_names_it_or_finds_another_way(app, db, site, status):
    shop, proxy, integration_id = site
    proxy.set(blocked(status))
    want(SKU_01=0, SKU_02=3, SHIRT_M=4)
    run = do(integration_id, "stock")
    if shop.generation == "api":
        assert (run.outcome, run.error_code) == ("failed", "method_blocked")
        assert "PUT" in run.error and "PUT" in run.advice and posts(proxy) == []
        return
    assert run.outcome == "done" and any("blocks PUT" in sentence for sentence in run.warnings)
    there = {product.sku: product.amount for product in shop.store.products.values()}
    assert (there["SKU-01"], there["SKU-02"], shop.store.variant_by_sku("SHIRT-M").amount) == (0, 3, 4)
    first = posts(proxy)[0]
    assert "product%2F" in first and "product%2F0" not in first and "_method=put" in first
    assert post_state(db, integration_id) == "proven"
    proxy.set()
    want(SKU_01=5)
    count = len(posts(proxy))
    assert do(integration_id, "stock").outcome == "done"
    assert (len(posts(proxy)), post_state(db, integration_id)) == (count, "")


@pytest.mark.parametrize("lost", [{"_method": None}, ""], ids=["only the method", "the whole query"])
def test_a_query_that_is_lost_ends_it_after_one_try(app, db, site, lost):
    shop, proxy, integration_id = site
    if shop.generation == "api":
        pytest.skip("X-Cart 5.5 has no _method")
    before = len(shop.store.products)
    proxy.set(blocked(405), Rule(method="POST", query=lost))
    want(SKU_01=0, SKU_02=3)
    run = do(integration_id, "stock")
    assert (run.outcome, run.error_code) == ("failed", "method_blocked")
    assert len(posts(proxy)) == 1 and post_state(db, integration_id) == "doubted"
    made = len(shop.store.products) - before
    assert made <= 1 and ("a new product" in run.error) == bool(made)
    assert do(integration_id, "stock").outcome == "failed"
    assert len(posts(proxy)) == 1
    proxy.set()
    assert do(integration_id, "stock").outcome == "done"
    assert shop.store.product_by_sku("SKU-01").amount == 0


@pytest.mark.parametrize("headers", [HTML | {"Content-Type": "text/html"}, HTML | {"Content-Type": None}])
def test_an_empty_403_that_php_did_not_send_is_no_read_only_key(app, db, site, headers):
    shop, proxy, integration_id = site
    proxy.set(Rule(method="PUT", status=403, body="", headers=headers, swallow="request"))
    want(SKU_01=0)
    run = do(integration_id, "stock")
    assert (run.outcome, run.error_code) == (("done", "") if shop.generation == "addon" else ("failed", "method_blocked"))


def test_an_empty_403_like_the_shops_own_names_both_causes(app, db, site):
    """The add-on answers a read-only key with an empty 403 of PHP (X-Cart 5.4, observed), and so does a host's PHP."""
    shop, proxy, integration_id = site
    if shop.generation == "api":
        pytest.skip("X-Cart 5.5 answers JSON to a read-only key")
    proxy.set(
        Rule(method="PUT", status=403, body="", headers=HTML | {"Content-Type": "text/html; charset=UTF-8"}, swallow="request")
    )
    found = connection.check_integration(integration_id)
    want(SKU_01=0)
    run = do(integration_id, "stock")
    for code, words in ((found.verdict, found.advice), (run.error_code, run.advice)):
        assert code == "read_only_key" and "read/write" in words and "allow the HTTP method PUT" in words
    assert posts(proxy) == []


def test_only_variants_are_due_so_nothing_is_tried(app, db, site):
    shop, proxy, integration_id = site
    proxy.set(blocked(405))
    want(SHIRT_M=0)
    run = do(integration_id, "stock")
    assert (run.outcome, run.error_code, posts(proxy)) == ("failed", "method_blocked", [])


@pytest.mark.parametrize("lost", [{"_method": None}, ""], ids=["only the method", "the whole query"])
@pytest.mark.parametrize("variants", [False, True])
def test_a_query_that_is_lost_after_the_proof_makes_one_row_at_most(app, db, site, lost, variants):
    shop, proxy, integration_id = site
    if shop.generation == "api":
        pytest.skip("X-Cart 5.5 has no _method")
    before = len(shop.store.products) + len(shop.store.variants)
    proxy.set(blocked(405), Rule(method="POST", first=2, query=lost))
    want(SKU_01=0, **({"SHIRT_M": 3} if variants else {"SKU_02": 3, "SKU_03": 4, "SKU_04": 5}))
    run = do(integration_id, "stock")
    assert shop.store.product_by_sku("SKU-01").amount == 0
    made = len(shop.store.products) + len(shop.store.variants) - before
    assert made <= 1
    if made:
        assert (run.outcome, post_state(db, integration_id)) == ("partial", "doubted")
        assert len(posts(proxy)) == 2
    assert run.counts["waiting"] == (1 if variants else 3)
    db.session.rollback()
    assert do(integration_id, "stock").outcome == "failed"
    assert len(shop.store.products) + len(shop.store.variants) == before + made


def test_no_list_of_rows_is_ever_sent_as_post(app, db, site):
    shop, proxy, integration_id = site
    if shop.generation == "api":
        pytest.skip("X-Cart 5.5 has no _method")
    proxy.set(blocked(405))
    want(**{f"SKU_{number:02}": 1 for number in range(3)}, SHIRT_M=2)
    assert do(integration_id, "stock").outcome == "done"
    assert len(posts(proxy)) == 4
    assert all("%2F" in target for target in posts(proxy))


def test_a_worker_that_is_killed_during_the_trial_leaves_a_doubt(app, db, site):
    """What is stored while the trial is on the wire is what is left of a worker that ends there."""
    shop, proxy, integration_id = site
    if shop.generation == "api":
        pytest.skip("X-Cart 5.5 has no _method")
    stored = []

    def look(method, answer):
        if method == "POST":
            with app.app_context():
                stored.append(post_state(db, integration_id))
        return answer

    proxy.set(blocked(405))
    proxy.change_answer = look
    want(SKU_01=0)
    assert do(integration_id, "stock").outcome == "done"
    assert stored == ["doubted"] and post_state(db, integration_id) == "proven"
