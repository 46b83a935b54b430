"""The traps of the add-on's API, over real HTTP: a client that falls into one has to fail here first."""

import pytest
import requests

from practice_shop import PracticeShop, Store
from tests.practice_shop.client import Client, page

NOW = 1_800_000_000


@pytest.fixture
def store():
    store = Store(clock=lambda: NOW)
    store.add_product(sku="MUG", name="Käse mug", price=10, amount=10)
    store.add_product(sku="BOWL", name="茶碗", price=7.5, amount=5)
    return store


@pytest.fixture
def shop(store):
    with PracticeShop(store=store) as shop:
        yield shop
        assert shop.failures == []


@pytest.fixture
def client(shop):
    return Client(shop)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [(-5, 0), ("abc", 0), (None, 0), (16.7, 16), ("15", 15), (99999999999, 2147483647), (True, 1), ("3 pieces", 3)],
)
def test_amounts_are_coerced_with_a_200(client, store, sent, stored):
    assert client.put("product/1", {"amount": sent})["amount"] == stored
    assert store.amount(1) == stored


def test_bulk_put_drops_unknown_rows_and_becomes_an_object(client, store):
    rows = [{"product_id": 1, "amount": 3}, {"product_id": 999, "amount": 3}, {"product_id": 2, "amount": 4}]
    answer = client.put("product", rows)
    assert {key: row["amount"] for key, row in answer.items()} == {"0": 3, "2": 4}
    assert (store.amount(1), store.amount(2)) == (3, 4)


def test_bulk_put_of_known_rows_is_a_list_and_takes_the_wrapper(client):
    answer = client.put("product", {"model": [{"product_id": 2, "amount": 8}]})
    assert [row["amount"] for row in answer] == [8]


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {"Content-Type": ""}])
def test_a_body_of_another_content_type_does_nothing_and_answers_200(client, store, headers):
    response = client.call("PUT", "product/1", json_body={"amount": 3}, headers=headers)
    assert (response.status_code, response.json()["amount"], store.amount(1)) == (200, 10, 10)


def test_the_session_cookie_breaks_list_bodies_and_spares_the_wrapper(client):
    headers = {"Cookie": "xid=0123456789abcdef"}
    rows = [{"product_id": 1, "amount": 3}]
    assert client.call("PUT", "product", json_body=rows, headers=headers).status_code == 500
    assert client.call("PUT", "product", json_body={"model": rows}, headers=headers).status_code == 200


def test_each_call_without_the_cookie_adds_a_session_row(client, store):
    response = client.call("GET", "product/1")
    assert len(store.sessions) == 1
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    assert client.call("GET", "product/1", headers={"Cookie": cookie}).headers.get("Set-Cookie") is None
    assert len(store.sessions) == 1
    client.call("GET", "product/1")
    assert len(store.sessions) == 2


def test_an_unknown_status_code_renames_the_orders_present_status_for_the_whole_shop(client, store):
    first, second = (store.place_order([(1, 1)]) for _ in range(2))
    client.put(f"order/{first}", {"shippingStatus": {"code": "ZZ"}})
    assert client.get(f"order/{second}", _schema="complex")["shippingStatus"] == "ZZ"
    assert {"id": 1, "code": "ZZ", "position": 10} in client.get("order-status-shipping")


def test_a_status_code_matches_without_regard_to_case_and_is_rewritten(client, store):
    order_id = store.place_order([(1, 1)])
    client.put(f"order/{order_id}", {"shippingStatus": {"code": "s"}})
    assert client.get("order-status-shipping/3")["code"] == "s"


@pytest.mark.parametrize("value", ["S", 3, None, {}, {"id": 999}])
def test_a_status_that_is_no_known_object_changes_nothing_and_answers_200(client, store, value):
    order_id = store.place_order([(1, 1)], at=NOW - 100)
    client.put(f"order/{order_id}", {"shippingStatus": value})
    order = store.order(order_id)
    assert (order.shipping_id, order.renewed, store.mails) == (1, NOW - 100, [])


def test_a_real_change_of_status_writes_history_and_mails_once(client, store):
    order_id = store.place_order([(1, 1)])
    for _ in range(2):
        client.put(f"order/{order_id}", {"trackingNumbers": [], "shippingStatus": {"id": 3}})
    events = client.get(f"order/{order_id}")["events"]
    assert [event["code"] for event in events] == ["CHANGE SHIPPING STATUS ORDER", "EMAIL CUSTOMER SENT"]
    assert [mail["mail"] for mail in store.mails] == ["order shipped"]


def test_tracking_numbers_without_an_id_pile_up(client, store):
    order_id = store.place_order([(1, 1)], at=NOW - 100)
    for _ in range(2):
        client.put(f"order/{order_id}", {"trackingNumbers": [{"value": "1Z"}]})
    assert store.tracking(order_id) == ["1Z", "1Z"]
    assert store.order(order_id).renewed == NOW - 100


def test_a_tracking_number_for_an_unknown_order_makes_an_empty_order(client, store):
    answer = client.call("POST", "ordertrackingnumber/0", json_body={"value": "1Z", "order": {"order_id": 99}}).json()
    assert (answer["order"]["orderNumber"], answer["order"]["total"]) == (None, 0)
    assert len(store.orders) == 1


def test_the_query_can_override_the_verb_and_delete_really_deletes(client, store):
    client.call("GET", "product/1", _method="PUT", amount="4")
    assert store.amount(1) == 4
    assert client.call("DELETE", "product/2").json() is True
    assert 2 not in store.products
    assert client.call("DELETE", "product").json() == 1


def test_one_order_without_a_profile_breaks_its_whole_complex_page(client, store):
    for profile in (True, False, True):
        store.place_order([(1, 1)], profile=profile)
    assert client.call("GET", "order", cnd=page(0, 3), _schema="complex").status_code == 500
    assert client.call("GET", "order", cnd=page(0, 1), _schema="complex").status_code == 200
    assert len(client.get("order", cnd=page(0, 3))) == 3


def test_unknown_conditions_are_ignored_without_a_word(client, store):
    for _ in range(3):
        store.place_order([(1, 1)])
    assert len(client.get("order", cnd=[("changedSince", "2100-01-01")])) == 3
    assert len(client.get("ordertrackingnumber", cnd=[("order", 1)])) == 0


def test_update_date_filters_only_where_the_shop_supports_it(client, store):
    store.place_order([(1, 1)])
    probe = [("updateDate][0", 4102444800), ("updateDate][1", 0)]
    assert len(client.get("order", cnd=probe)) == 1
    store.supports_update_date = True
    assert client.get("order", cnd=probe) == []


def test_an_upper_bound_alone_is_taken_for_the_lower(client, store):
    for at in (NOW - 2000, NOW - 1000):
        store.place_order([(1, 1)], at=at)
    assert [row["date"] for row in client.get("order", cnd=[("date][1", NOW - 1500)])] == [NOW - 1000]
    bounds = [("date][0", 0), ("date][1", NOW - 1500)]
    assert [row["date"] for row in client.get("order", cnd=bounds)] == [NOW - 2000]


def test_without_an_order_by_pages_may_overlap(client, store):
    for _ in range(30):
        store.place_order([(1, 1)])
    store.natural_order = "any"
    seen = [row["order_id"] for start in (0, 10, 20) for row in client.get("order", cnd=[("limit][0", start), ("limit][1", 10)])]
    assert len(set(seen)) < 30
    ordered = [row["order_id"] for start in (0, 10, 20) for row in client.get("order", cnd=page(start, 10))]
    assert ordered == list(range(1, 31))


def test_products_that_are_gone_have_no_id_in_orders_any_more(client, store):
    order_id = store.place_order([(1, 1)])
    assert client.get(f"order/{order_id}", _schema="complex")["items"][0]["productId"] == 1
    store.delete_product(1)
    item = client.get(f"order/{order_id}", _schema="complex")["items"][0]
    assert (item["productId"], item["sku"]) == (None, "MUG")


def test_the_default_single_order_carries_password_hashes(client, store):
    order_id = store.place_order([(1, 1)])
    assert client.get(f"order/{order_id}")["profile"]["password"]
    assert "password" not in str(client.get(f"order/{order_id}", _schema="complex"))


def test_keys_differ_only_in_what_they_may_do(shop):
    assert Client(shop, shop.read_key).call("GET", "product/1").status_code == 200
    for client, method in ((Client(shop, shop.read_key), "PUT"), (Client(shop, "wrong"), "GET"), (Client(shop, ""), "GET")):
        response = client.call(method, "product/1", json_body={"amount": 1} if method == "PUT" else None)
        assert (response.status_code, response.content) == (403, b"")


def test_invalid_json_is_refused_before_the_key_is_looked_at(shop):
    response = Client(shop, "wrong").call("PUT", "product/1", json_body={})
    assert (response.status_code, response.headers["X-REST-Error"]) == (400, "Input data is incorrect")


def test_form_bodies_are_cut_after_a_thousand_variables(client, store):
    rows = "&".join(f"{n}[product_id]=1&{n}[amount]={n}" for n in range(600))
    url = f"{client.shop.url}/admin.php?target=RESTAPI&_path=product&_key={client.key}"
    response = client.session.put(url, data=rows, headers={"Content-Type": "application/x-www-form-urlencoded"}, timeout=10)
    assert response.headers["X-Result-Count"] == "500"
    assert store.amount(1) == 499


def test_a_shop_can_live_in_a_sub_folder(store):
    with PracticeShop(store=store, base_path="/my/shop") as shop:
        assert Client(shop).get("product/1")["sku"] == "MUG"
        assert Client(shop).control("GET", "state").json()["products"] == 2
        outside = shop.url.removesuffix("/my/shop")
        assert Client(shop).session.get(f"{outside}/admin.php", timeout=10).status_code == 404


def test_many_shops_run_in_one_process_each_with_its_own_state():
    with PracticeShop(products=3, orders=0) as one, PracticeShop(products=3, orders=0, key="other") as two:
        Client(one).put("product/1", {"amount": 77})
        assert one.store.amount(1) == 77
        assert Client(two).call("GET", "product/1").json()["amount"] != 77
        assert Client(two, one.key).call("GET", "product/1").status_code == 403


def test_a_stopped_shop_answers_nobody_and_comes_back_at_its_old_address():
    shop = PracticeShop(products=3, orders=0).start()
    client, url = Client(shop), shop.url
    client.get("product/1")
    shop.stop()
    with pytest.raises(requests.ConnectionError):
        client.call("GET", "product/1")
    shop.start()
    assert shop.url == url
    assert client.get("product/1")["product_id"] == 1
    shop.stop()
