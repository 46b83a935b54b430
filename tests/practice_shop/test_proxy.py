"""The proxy that changes answers by rule, over real HTTP."""

import json
import subprocess
import sys
import time

import pytest
import requests

from practice_shop import PracticeShop, Store
from practice_shop.proxy import Proxy, Rule
from tests.practice_shop.client import Client


@pytest.fixture(scope="module")
def shop():
    store = Store()
    store.add_product(sku="MUG", name="Mug", price=10, amount=5)
    with PracticeShop(store=store) as shop:
        yield shop
        assert shop.failures == []


@pytest.fixture
def proxy(shop, proxied):
    shop.store.set_amount(1, 5)
    shop.clear_requests()
    return proxied(shop)


@pytest.fixture
def client(proxy, shop):
    return Client(proxy, shop.key)


def test_without_rules_nothing_changes(shop, proxy, client):
    direct = Client(shop).call("GET", "product/1")
    through = client.call("GET", "product/1")
    assert through.content == direct.content
    assert through.headers["Content-Type"] == direct.headers["Content-Type"]
    assert client.call("GET", "product/1", headers={"X": "y"}).status_code == 200
    assert client.session.head(f"{proxy.url}/admin.php").content == b""
    assert client.put("product/1", {"amount": 4})["amount"] == 4
    assert shop.store.amount(1) == 4
    assert shop.requests[-1]["headers"]["host"] in shop.url


def test_a_rule_is_for_a_method_a_path_and_some_of_the_requests(proxy, client):
    rule = proxy.add(method="GET", path="_path=product%2F1", first=2, last=3, status=418)
    seen = [client.call("GET", "product/1").status_code for _ in range(4)]
    assert seen == [200, 418, 418, 200]
    assert client.call("PUT", "product/1", json_body={"amount": 5}).status_code == 200
    assert client.call("GET", "product").status_code == 200
    assert (rule.matched, rule.applied) == (4, 2)
    proxy.set(Rule(first=2, times=1, status=500))
    assert [client.call("GET", "product/1").status_code for _ in range(3)] == [200, 500, 200]


def test_status_headers_and_text_around_the_body_change(proxy, client):
    proxy.add(
        status=202,
        headers={"Content-Type": "text/plain", "X-Powered-By": None, "X-New": "1"},
        before="\ufeff\r\n",
        after="<!-- end -->",
    )
    answer = client.call("GET", "product/1")
    assert answer.status_code == 202
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["X-New"] == "1"
    assert "X-Powered-By" not in answer.headers
    assert answer.content.startswith(b'\xef\xbb\xbf\r\n{"')
    assert answer.content.endswith(b"}<!-- end -->")
    proxy.set(Rule(body="[]"))
    assert client.call("GET", "product").json() == []


def test_an_answer_waits(proxy, client):
    proxy.add(delay=0.15)
    started = time.monotonic()
    client.get("product/1")
    assert time.monotonic() - started >= 0.15


@pytest.mark.parametrize(("where", "amount"), [("request", 5), ("answer", 9), ("middle", 9)])
def test_a_cut_connection(shop, proxy, client, where, amount):
    proxy.add(method="PUT", cut=where)
    with pytest.raises(requests.exceptions.RequestException):
        client.call("PUT", "product/1", json_body={"amount": 9})
    assert shop.store.amount(1) == amount
    assert client.call("GET", "product/1").status_code == 200


@pytest.mark.parametrize(("what", "amount"), [("request", 5), ("answer", 9)])
def test_a_swallowed_request_and_a_swallowed_answer(shop, proxy, client, what, amount):
    proxy.add(method="PUT", swallow=what, status=200, body="<html>Please wait</html>")
    answer = client.call("PUT", "product/1", json_body={"amount": 9})
    assert (answer.status_code, answer.text) == (200, "<html>Please wait</html>")
    assert shop.store.amount(1) == amount
    proxy.set(Rule(swallow="request"))
    assert client.call("GET", "product/1").status_code == 502


def test_the_query_changes_or_is_lost(shop, proxy, client):
    proxy.add(query={"_path": "product", "target": "RESTAPI"}, times=1)
    assert len(client.get("product/1")) == 1
    proxy.set(Rule(query=""))
    assert client.call("GET", "product/1").status_code == 302
    assert shop.requests[-1]["query"] == []


def test_a_request_header_is_lost(shop, proxy, client):
    proxy.add(request_headers={"Content-Type": None, "X-Via": "a cache"})
    client.call("PUT", "product/1", json_body={"amount": 9})
    assert "content-type" not in shop.requests[-1]["headers"]
    assert shop.requests[-1]["headers"]["x-via"] == "a cache"


def test_a_redirect_to_the_shop_becomes_one_to_the_proxy(proxy, client):
    answer = client.session.get(f"{proxy.url}/cart.php?target=x", allow_redirects=False)
    assert answer.headers["Location"].startswith(proxy.url)


def test_a_shop_that_is_away_is_a_cut_connection():
    shop = PracticeShop(store=Store()).start()
    with Proxy(shop.url) as proxy:
        client = Client(proxy, shop.key)
        assert client.call("GET", "product").status_code == 200
        shop.stop()
        with pytest.raises(requests.exceptions.RequestException):
            client.call("GET", "product")
        shop.start()
        assert client.call("GET", "product").status_code == 200
        shop.stop()


def test_rules_are_set_and_read_over_http(proxy, client):
    answer = client.session.post(f"{proxy.url}/_proxy", json=[{"method": "PUT", "status": 403}])
    assert answer.json()["rules"][0]["status"] == 403
    assert client.call("PUT", "product/1", json_body={"amount": 9}).status_code == 403
    assert client.session.get(f"{proxy.url}/_proxy").json()["rules"][0]["applied"] == 1
    wrong = client.session.post(f"{proxy.url}/_proxy", json=[{"stats": 403}])
    assert wrong.status_code == 400
    assert "no stats" in wrong.json()["error"]


def test_it_runs_by_hand(shop):
    command = [
        sys.executable,
        "-m",
        "practice_shop.proxy",
        "--to",
        shop.url,
        "--port",
        "0",
        "--rule",
        json.dumps({"status": 503}),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().split()[0]
        assert requests.get(f"{url}/admin.php", timeout=60).status_code == 503
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


@pytest.mark.parametrize("wrong", [{"cut": "sideways"}, {"swallow": "both"}, {"query": "a=b"}, {"path": "("}])
def test_a_rule_that_makes_no_sense_is_refused(wrong):
    with pytest.raises((ValueError, Exception), match=r"cut|query|unterminated|missing"):
        Rule(**wrong)
