"""What a misbehaving practice shop does to a client, over real HTTP."""

import time

import pytest
import requests

from practice_shop import PracticeShop, Store
from tests.practice_shop.client import Client, page

NOW = 1_800_000_000


@pytest.fixture
def shop():
    store = Store(clock=lambda: NOW)
    store.add_product(sku="MUG", name="Mug", price=10, amount=1000)
    for _ in range(10):
        store.place_order([(1, 1)])
    with PracticeShop(store=store) as shop:
        yield shop
        assert shop.failures == []


@pytest.fixture
def client(shop):
    return Client(shop)


def ids(client, offset=0, count=5):
    return [row["order_id"] for row in client.get("order", cnd=page(offset, count))]


def test_latency_and_a_slow_shop_wait_before_answering(shop, client):
    shop.faults.add("latency_ms", 120)
    started = time.monotonic()
    client.get("product/1")
    assert time.monotonic() - started >= 0.12


def test_a_fault_strikes_as_often_and_as_rarely_as_asked(shop, client):
    shop.faults.add("status_500", times=2, every=2, match="_path=product", method="get")
    seen = [client.call("GET", "product/1").status_code for _ in range(6)]
    assert seen == [200, 500, 200, 500, 200, 200]
    assert client.call("GET", "order/1").status_code == 200


def test_a_500_does_nothing_but_an_error_after_a_write_has_saved_it(shop, client):
    shop.faults.add("status_500", times=1)
    assert client.call("PUT", "product/1", json_body={"amount": 5}).status_code == 500
    assert shop.store.amount(1) == 990
    shop.faults.replace({"error_after_write": {"times": 1}})
    assert client.call("PUT", "product/1", json_body={"amount": 5}).status_code == 500
    assert shop.store.amount(1) == 5


@pytest.mark.parametrize("when", ["before", "middle"])
def test_a_reset_cuts_the_connection(shop, client, when):
    shop.faults.add("reset", when, times=1)
    with pytest.raises(requests.exceptions.RequestException):
        client.get("order")
    assert len(client.get("order")) == 10


def test_a_truncated_body_is_shorter_than_promised(shop, client):
    shop.faults.add("truncate", times=1)
    with pytest.raises(requests.exceptions.RequestException):
        client.get("order")


def test_html_and_broken_json_come_with_a_200(shop, client):
    shop.faults.add("html", times=1)
    response = client.call("GET", "order")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    shop.faults.replace({"bad_json": True})
    with pytest.raises(ValueError, match="."):
        client.call("GET", "order", headers={"Accept-Encoding": "identity"}).json()


def test_any_status_can_be_given_with_a_retry_after(shop, client):
    shop.faults.add("status", 429, retry_after=7)
    response = client.call("GET", "order")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")


def test_an_answer_can_drip_and_headers_can_crawl(shop, client):
    shop.faults.replace({"drip": {"value": 0.02, "chunk": 20}})
    started = time.monotonic()
    assert len(client.get("order-status-payment")) == 7
    assert time.monotonic() - started >= 0.1
    shop.faults.replace({"slow_headers": 0.02})
    started = time.monotonic()
    client.get("order-status-payment")
    assert time.monotonic() - started >= 0.1


def test_pages_can_repeat_shift_and_lose_rows(shop, client):
    assert ids(client, 0) == [1, 2, 3, 4, 5]
    shop.faults.add("duplicate_page", times=1)
    assert ids(client, 5) == [1, 2, 3, 4, 5]
    shop.faults.replace({"shifted_page": 1})
    assert ids(client, 5) == [7, 8, 9, 10]
    shop.faults.replace({"missing_rows": 2})
    client.session.headers["Accept-Encoding"] = "identity"
    assert ids(client, 0) == [1, 4, 5]


def test_old_data_answers_reads_from_the_past_while_writes_go_through(shop, client):
    shop.faults.add("old_data")
    client.put("product/1", {"amount": 3})
    assert client.get("product/1")["amount"] == 990
    shop.faults.clear()
    assert client.get("product/1")["amount"] == 3


def test_a_skewed_clock_shows_in_what_the_shop_writes(shop, client):
    shop.faults.add("clock_skew", -3600)
    client.put("order/1", {"notes": "late"})
    assert shop.store.order(1).renewed == NOW - 3600
    shop.faults.clear()
    assert shop.store.now() == NOW


def test_a_huge_answer_is_streamed(shop, client):
    shop.faults.add("huge", 5_000_000)
    url = f"{shop.url}/admin.php"
    with client.session.get(url, params={"target": "RESTAPI", "_path": "order"}, stream=True, timeout=10) as response:
        size = sum(len(piece) for piece in response.iter_content(65536))
    assert 5_000_000 <= size < 5_200_000


def test_several_faults_strike_together(shop, client):
    shop.faults.replace({"latency_ms": 50, "html": True, "slow_headers": 0.01})
    started = time.monotonic()
    assert "text/html" in client.call("GET", "order").headers["Content-Type"]
    assert time.monotonic() - started >= 0.05


def test_stopping_does_not_wait_for_a_slow_answer(shop, client):
    shop.faults.add("latency_ms", 30_000)
    with pytest.raises(requests.exceptions.RequestException):
        client.session.get(f"{shop.url}/admin.php", timeout=0.2)
    started = time.monotonic()
    shop.stop()
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    ("faults", "sentence"),
    [
        ({"nosuch": True}, "There is no fault 'nosuch'"),
        ({"latency_ms": "slow"}, "The value of latency_ms"),
        ({"reset": "sometimes"}, "before or middle"),
        ({"html": {"times": 0}}, "times is a number from 1 up"),
        ({"html": {"often": 1}}, "cannot be limited by often"),
    ],
)
def test_faults_that_make_no_sense_are_refused_with_a_sentence(shop, faults, sentence):
    with pytest.raises(ValueError, match=sentence):
        shop.faults.replace(faults)
