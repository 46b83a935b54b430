"""The traps of X-Cart 5.5's own API, over real HTTP, and both generations side by side."""

import json
import re

import pytest
import requests

from practice_shop import PracticeShop, Store
from tests.practice_shop.client import Client

NOW = 1_800_000_000


@pytest.fixture
def store():
    store = Store(clock=lambda: NOW)
    store.add_product(sku="MUG", name="Käse mug", price=10, amount=10)
    store.add_product(sku="BOWL", name="茶碗", price=7.5, amount=5, enabled=False)
    store.add_variant(1, sku="MUG-S", amount=4, attributes={"Size": "S"})
    return store


@pytest.fixture
def shop(store):
    with PracticeShop(store=store, generation="api") as shop:
        yield shop
        assert shop.failures == []


def call(shop, method, path, *, key=None, body=None, **more):
    headers = {"X-Auth-Token": shop.key if key is None else key, "Accept": "application/json", **more.pop("headers", {})}
    return requests.request(
        method, f"{shop.url}/api/{path}", json=body, headers=headers, allow_redirects=False, timeout=10, **more
    )


def ids(response):
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json()]


def test_pages_are_clamped_to_a_hundred_and_a_size_of_nothing_is_no_empty_shop(shop, store):
    for _ in range(120):
        store.place_order([(1, 1)])
    assert len(ids(call(shop, "GET", "orders?itemsPerPage=500"))) == 100
    assert len(ids(call(shop, "GET", "orders?itemsPerPage=100&page=2"))) == 20
    assert len(ids(call(shop, "GET", "orders"))) == 30
    for size in ("0", "many"):
        assert ids(call(shop, "GET", f"orders?itemsPerPage={size}")) == []
    for query in ("page=0", "page=-1", "page=x", "itemsPerPage=-1"):
        assert call(shop, "GET", f"orders?{query}").status_code == 400


def test_pages_of_half_the_size_line_up(shop, store):
    for _ in range(20):
        store.place_order([(1, 1)])
    whole = ids(call(shop, "GET", "orders?itemsPerPage=8&page=2"))
    halves = [ids(call(shop, "GET", f"orders?itemsPerPage=4&page={page}")) for page in (3, 4)]
    assert whole == halves[0] + halves[1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("date[after]=@1799999900", [2]),
        ("date[after]=2027-01-15T07:58:20Z", [2]),
        ("date[after]=2027-01-15T08:58:20%2B01:00", [2]),
        ("date[after]=2027-01-15T08:58:20+01:00", [1, 2]),
        ("date[after]=1799999900", [1, 2]),
        ("date[after]=yesterdayish", [1, 2]),
        ("date[after]=", []),
        ("date[before]=@1799999000", [1]),
        ("lastRenewDate[after]=@1799999900", [1, 2]),
        ("paymentStatus.code=p", [1]),
        ("paymentStatus.code=P,Q", []),
        ("paymentStatus.code[]=P&paymentStatus.code[]=Q", [1, 2]),
        ("order[lastRenewDate]=desc", [2, 1]),
        ("order[id]=desc", [1, 2]),
    ],
)
def test_filters_that_are_not_understood_are_ignored_without_a_word(shop, store, query, found):
    store.place_order([(1, 1)], at=1_799_999_000, payment="P")
    store.place_order([(1, 1)], at=1_799_999_950, payment="Q")
    assert ids(call(shop, "GET", f"orders?{query}")) == found


def test_one_order_with_a_deleted_product_breaks_every_page_it_is_on(shop, store):
    store.add_product(sku="GONE", name="Gone", price=1, amount=5)
    for product_id in (1, 3, 1):
        store.place_order([(product_id, 1)])
    store.delete_product(3)
    response = call(shop, "GET", "orders")
    assert (response.status_code, response.json()["detail"]) == (500, "Internal Server Error")
    assert call(shop, "GET", "orders/2").status_code == 500
    assert ids(call(shop, "GET", "orders?itemsPerPage=1&page=3")) == [3]


def test_a_status_put_can_be_saved_and_answer_500(shop, store):
    order_id = store.place_order([(1, 1)])
    custom = store.add_status("shipping", None, "Packed")
    assert call(shop, "PUT", f"orders/{order_id}/shipping_status", body={"code": str(custom)}).status_code == 500
    assert store.order(order_id).shipping_id == custom
    store.mail_fails = True
    assert call(shop, "PUT", f"orders/{order_id}/shipping_status", body={"code": "S"}).status_code == 500
    assert store.order(order_id).shipping_id == 3
    assert call(shop, "PUT", f"orders/{order_id}/shipping_status", body={"code": "S"}).status_code == 200


def test_an_unknown_status_code_is_refused_and_renames_nothing(shop, store):
    order_id = store.place_order([(1, 1)])
    response = call(shop, "PUT", f"orders/{order_id}/shipping_status", body={"code": "ZZ"})
    assert (response.status_code, response.json()["detail"]) == (400, "Status code 'ZZ' is wrong")
    assert response.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert store.status("shipping", 1).code == "N"


@pytest.mark.parametrize("amount", ["9", 3.5, 4.0, None, True, -1])
def test_amounts_are_not_coerced(shop, store, amount):
    assert call(shop, "PUT", "products/1", body={"amount": amount}).status_code == 400
    assert store.amount(1) == 10


@pytest.mark.parametrize("body", [{}, {"foo": 1}, [{"amount": 3}]])
def test_bodies_that_say_nothing_answer_200_and_change_nothing(shop, store, body):
    assert call(shop, "PUT", "products/1", body=body).json()["amount"] == 10


def test_a_negative_amount_of_a_variant_is_stored_as_none(shop, store):
    assert call(shop, "PUT", "products/1/variants/1", body={"amount": -3}).json()["amount"] == 0
    assert call(shop, "PUT", "products/2/variants/1", body={"amount": 3}).status_code == 404
    store.has_variants_module = False
    response = call(shop, "GET", "products/1/variants")
    assert (response.status_code, response.headers["Content-Type"]) == (404, "application/json")


def test_there_is_no_bulk_and_no_search_by_sku(shop):
    assert call(shop, "PUT", "products", body=[{"id": 1, "amount": 3}]).status_code == 404
    assert ids(call(shop, "GET", "products?sku=BOWL")) == [1, 2]


def test_keys_are_distinguished_and_the_write_probe_changes_nothing(shop, store):
    before = store.summary()
    seen = [
        call(shop, "GET", "orders", headers={"X-Auth-Token": None}).status_code,
        call(shop, "GET", "orders", key="wrong").status_code,
        call(shop, "GET", "orders", key=shop.read_key).status_code,
        call(shop, "PUT", "orders/0/shipping_status", key=shop.read_key, body={"code": "S"}).status_code,
        call(shop, "PUT", "orders/0/shipping_status", body={"code": "S"}).status_code,
    ]
    assert seen == [401, 401, 200, 403, 400]
    assert {**store.summary(), "sessions": 0} == {**before, "sessions": 0}


def test_a_product_without_sku_breaks_its_page_and_cannot_be_changed(shop, store):
    store.products[1].sku = None
    store.touch_product(1)
    assert call(shop, "GET", "products").status_code == 500
    assert call(shop, "PUT", "products/1", body={"amount": 3}).status_code == 500
    assert store.amount(1) == 10


def test_in_a_sub_folder_disabled_products_are_hidden(store):
    with PracticeShop(store=store, generation="api", base_path="/shop") as shop:
        assert ids(call(shop, "GET", "products")) == [1]
        assert call(shop, "GET", "products/2").status_code == 404
    with PracticeShop(store=store, generation="api") as shop:
        assert ids(call(shop, "GET", "products")) == [1, 2]


def description(shop):
    page = call(shop, "GET", "docs.html", headers={"Accept": "text/html"}).text
    return json.loads(re.search(r'<script id="swagger-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])["spec"]


def test_the_description_is_only_in_a_page_and_knows_no_way_to_add_tracking_numbers(shop, store):
    assert call(shop, "GET", "docs.json").status_code == 500
    assert not any("tracking" in path for path in description(shop)["paths"])
    assert call(shop, "POST", "orders/1/tracking_numbers", body={"value": "1Z"}).status_code == 404


def test_a_newer_shop_describes_and_does_more(shop, store):
    store.newer_api = True
    order_id = store.place_order([(1, 1)], at=1_799_000_000)
    assert "post" in description(shop)["paths"]["/api/orders/{order_id}/tracking_numbers"]
    assert call(shop, "GET", "docs.json").json()["openapi"].startswith("3.")
    assert call(shop, "POST", f"orders/{order_id}/tracking_numbers", body={"value": "1Z"}).status_code == 201
    assert store.tracking(order_id) == ["1Z"]
    assert ids(call(shop, "GET", "orders?lastRenewDate[after]=@1799999999")) == []


def test_both_generations_run_side_by_side_over_one_store(store):
    with PracticeShop(store=store, generation="both") as shop:
        call(shop, "PUT", "products/1", body={"amount": 42})
        assert Client(shop).get("product/1")["amount"] == 42
        Client(shop).put("product/1", {"amount": 43})
        assert call(shop, "GET", "products/1").json()["amount"] == 43


def test_each_generation_alone_does_not_know_the_other(store):
    with PracticeShop(store=store, generation="addon") as shop:
        response = call(shop, "GET", "orders")
        assert (response.status_code, response.headers["Content-Type"]) == (404, "text/html; charset=UTF-8")
    with PracticeShop(store=store, generation="api") as shop:
        assert Client(shop).call("GET", "product/1").headers["Location"] == "admin.php?target=login"
    with pytest.raises(ValueError, match="generation"):
        PracticeShop(store=store, generation="classic")


def test_states_and_faults_strike_this_generation_too(shop, store):
    for _ in range(4):
        store.place_order([(1, 1)])
    shop.mode.set(maintenance=True)
    assert call(shop, "GET", "orders").status_code == 503
    shop.mode.set(maintenance=False)
    shop.faults.replace({"shifted_page": 1})
    assert ids(call(shop, "GET", "orders?itemsPerPage=2")) == [2, 3]
    shop.faults.clear()
    first = ids(call(shop, "GET", "orders?itemsPerPage=2"))
    shop.faults.add("duplicate_page")
    assert ids(call(shop, "GET", "orders?itemsPerPage=2&page=2")) == first
