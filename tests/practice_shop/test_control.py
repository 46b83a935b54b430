"""Steering a practice shop from another process, and the page it shows."""

import re

import pytest
import requests

from practice_shop import PracticeShop, Store
from tests.practice_shop.client import Client


@pytest.fixture
def shop():
    store = Store()
    store.add_product(sku="MUG", name="Mug <b>", price=10, amount=100)
    store.add_variant(1, sku="MUG-S", amount=7, attributes={"Size": "S"})
    with PracticeShop(store=store) as shop:
        yield shop
        assert shop.failures == []


@pytest.fixture
def client(shop):
    return Client(shop)


def test_selling_takes_stock_and_can_repeat(shop, client):
    assert client.control("POST", "sell", {"sku": "MUG-S", "quantity": 2, "payment": "Q"}).json() == {"orders": [1]}
    assert shop.store.variant_amount(1) == 5
    assert len(client.control("POST", "sell", {"count": 5}).json()["orders"]) == 5
    assert client.control("GET", "state").json()["orders"] == 6


def test_orders_can_be_looked_at_changed_edited_and_cancelled(shop, client):
    client.control("POST", "sell", {"sku": "MUG", "quantity": 2})
    assert client.control("POST", "order/1/status", {"shipping": "S"}).json()["shipping"] == "S"
    assert client.control("POST", "order/1/edit", {"lines": [{"sku": "MUG", "quantity": 5}]}).json()["total"] == 50
    assert shop.store.amount(1) == 95
    assert client.control("POST", "order/1/cancel").json()["payment"] == "C"
    assert client.control("POST", "order/1/tracking", {"value": "1Z"}).json()["tracking"] == ["1Z"]
    order = client.control("GET", "order/1").json()
    assert (order["stock_status"], shop.store.amount(1)) == ("increased", 100)


def test_orders_are_sold_in_the_currency_of_the_shop_or_in_another(shop, client):
    client.control("POST", "switches", {"currency": "EUR"})
    sold = [client.control("POST", "sell", {"sku": "MUG-S", **more}).json()["orders"][0] for more in ({}, {"currency": "JPY"})]
    assert [shop.store.order(each).currency for each in sold] == ["EUR", "JPY"]


def test_somebody_else_can_change_stock_in_the_shop(shop, client):
    assert client.control("POST", "product/1/amount", {"amount": 3}).json()["amount"] == 3
    client.control("POST", "variant/1/amount", {"amount": 4})
    found = client.control("GET", "product?sku=MUG-S").json()
    assert (found["amount"], found["variants"][0]["amount"]) == (3, 4)


def test_the_merchant_can_add_a_product_and_it_sells(shop, client):
    made = client.control("POST", "product", {"sku": "Tea-1", "amount": 4}).json()
    assert (made["sku"], made["name"], made["amount"]) == ("Tea-1", "Tea-1", 4)
    client.control("POST", "sell", {"sku": "Tea-1"})
    assert shop.store.amount(made["product_id"]) == 3
    assert client.control("POST", "product", {"sku": "Tea-2", "colour": "red"}).status_code == 400
    assert client.control("POST", "product", {"sku": "Tea-2", "price": "7.00"}).status_code == 400, "it could not be sold later"


def test_keys_can_be_revoked_and_replaced(shop, client):
    client.control("POST", "keys", {"key": "fresh", "read_key": None})
    assert client.call("GET", "product/1").status_code == 403
    assert Client(shop, "fresh").call("GET", "product/1").status_code == 200


@pytest.mark.parametrize(
    ("mode", "status", "content_type"),
    [
        ({"addon": False}, 302, "text/html; charset=UTF-8"),
        ({"maintenance": True}, 503, "text/html; charset=utf-8"),
        ({"database_down": True}, 500, "text/html; charset=utf-8"),
        ({"php_down": True}, 502, "text/html; charset=UTF-8"),
        ({"plain_site": True}, 200, "text/html; charset=UTF-8"),
        ({"firewall": True}, 403, "text/html; charset=UTF-8"),
    ],
)
def test_the_shop_can_be_put_into_every_state_a_client_has_to_tell_apart(shop, client, mode, status, content_type):
    client.control("POST", "mode", mode)
    response = client.call("GET", "product/1")
    assert (response.status_code, response.headers["Content-Type"]) == (status, content_type)
    client.control("POST", "mode", {name: not value for name, value in mode.items()})
    assert client.call("GET", "product/1").status_code == 200


def test_without_its_addon_the_shop_sends_to_its_login(shop, client):
    client.control("POST", "mode", {"addon": False})
    assert client.call("GET", "product/1").headers["Location"] == "admin.php?target=login"


def test_the_login_is_a_page_and_does_not_send_to_itself(shop):
    """'Open in the shop' on the page of an order ended in the browser's error about too many redirects."""
    first = requests.get(f"{shop.url}/admin.php?target=order&order_number=1", timeout=10)
    assert (first.status_code, len(first.history)) == (200, 1) and "has no control panel" in first.text
    assert f'href="{shop.url}/"' in first.text and requests.get(f"{shop.url}/", timeout=10).ok


def test_under_another_host_name_good_calls_pass_and_refused_ones_go_in_circles(shop, client):
    client.control("POST", "mode", {"canonical_host": "www.shop.example"})
    assert client.call("GET", "product/1").status_code == 200
    response = Client(shop, "wrong").call("GET", "product/1")
    assert (response.status_code, response.headers["Location"]) == (302, "http://www.shop.example/admin.php?target=RESTAPI")


def test_maintenance_says_so_and_gives_no_time(shop, client):
    client.control("POST", "mode", {"maintenance": True})
    response = client.call("GET", "product/1")
    assert "Closed for maintenance" in response.text
    assert "Retry-After" not in response.headers


def test_faults_are_set_shown_and_cleared(shop, client):
    client.control("POST", "faults", {"status_500": {"times": 3}, "latency_ms": 1})
    assert client.call("GET", "product/1").status_code == 500
    assert client.control("GET", "faults").json()["set"]["status_500"]["fired"] == 1
    client.control("POST", "faults", {})
    assert client.call("GET", "product/1").status_code == 200


def test_the_log_has_what_clients_sent_and_nothing_of_the_steering(shop, client):
    client.put("product/1", {"amount": 3})
    client.control("GET", "state")
    entries = client.control("GET", "requests?last=5").json()
    assert [(entry["method"], entry["body"], entry["status"]) for entry in entries] == [("PUT", '{"amount": 3}', 200)]
    client.control("POST", "clear-requests")
    assert shop.requests == []


def test_switches_of_the_shop_are_set_by_name(shop, client):
    assert client.control("POST", "switches", {"supports_update_date": True}).json()["supports_update_date"] is True
    assert shop.store.supports_update_date is True


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "faults", {"nosuch": True}, 400),
        ("POST", "mode", {"maintenance": "yes"}, 400),
        ("POST", "sell", {"sku": "NOSUCH"}, 404),
        ("POST", "sell", {"count": 0}, 400),
        ("POST", "order/99/cancel", {}, 404),
        ("POST", "product/99/amount", {"amount": 1}, 404),
        ("POST", "switches", {"nosuch": True}, 400),
        ("GET", "nosuch", None, 404),
        ("DELETE", "state", None, 404),
    ],
)
def test_steering_that_makes_no_sense_gets_a_sentence(shop, client, method, path, body, status):
    response = client.control(method, path, body)
    assert response.status_code == status
    assert response.json()["error"]


def test_the_page_shows_what_the_shop_holds_and_got_and_keeps_the_key_back(shop, client):
    client.put("product/1", {"amount": 3})
    html = client.session.get(shop.url + "/", timeout=10).text
    assert "Mug &lt;b&gt;" in html
    assert re.search(r"PUT /admin\.php\?target=RESTAPI&amp;_key=…&amp;_path=product%2F1", html)
    assert shop.key not in html
    assert client.session.get(f"{shop.url}/_practice/", timeout=10).text.startswith("<!DOCTYPE html>")
