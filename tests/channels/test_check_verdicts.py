"""Each thing that can be wrong with a shop or its key is named by the check of a connection."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import replace

import pytest

from practice_shop import PracticeShop
from practice_shop.proxy import Rule
from tests.channels.scripted import KEY, PATIENT, Exchange, ScriptedShop
from tests.channels.test_check import SLOW, check, page


class TestVerdicts:
    def test_a_wrong_key(self, shop):
        found = check(shop, "wrong-key-1")
        assert (found.verdict, found.generation) == ("wrong_key", "addon")
        assert "does not accept the API key" in found.message and "Copy the value" in found.advice

    def test_a_read_only_key(self, shop):
        found = check(shop, shop.read_key)
        assert found.verdict == "read_only_key" and "may read but not write" in found.message

    def test_the_add_on_is_missing(self, shop):
        shop.mode.addon = False
        found = check(shop)
        assert found.verdict == "addon_missing" and "not installed or is off" in found.message

    def test_no_x_cart(self, shop):
        shop.mode.plain_site = True
        found = check(shop)
        assert found.verdict == "not_xcart" and "not as an X-Cart shop does" in found.message

    def test_an_x_cart_whose_api_answers_with_pages(self, shop):
        shop.faults.add("html", True, match="RESTAPI")
        found = check(shop)
        assert found.verdict == "broken" and "is an X-Cart shop, but its API answers with a web page" in found.message

    def test_a_folder_that_is_none(self, shop):
        found = check(f"{shop.url}/nosuch", shop.key)
        assert (found.verdict, found.moved_to) == ("moved", shop.url)

    def test_maintenance(self, shop):
        shop.mode.maintenance = True
        found = check(shop)
        assert found.verdict == "maintenance" and "closed for maintenance" in found.message

    def test_a_firewall(self, shop):
        shop.mode.firewall = True
        found = check(shop)
        assert found.verdict == "firewall" and "let Cartlink's requests through" in found.advice

    @pytest.mark.parametrize("status", [403, 404, 405, 501])
    def test_a_host_that_blocks_writes_is_no_read_only_key(self, shop, status: int):
        shop.faults.add("status", status, method="PUT")
        found = check(shop)
        assert found.verdict == "method_blocked" and "PUT" in found.message and "PUT" in found.advice

    @pytest.mark.parametrize("mode", ["database_down", "php_down"])
    def test_a_shop_that_is_down(self, shop, mode: str):
        setattr(shop.mode, mode, True)
        assert check(shop).verdict == "broken"

    def test_another_host_name(self, shop):
        """Good calls answer at any name; refused ones redirect to the configured one. Nobody verified what answers there."""
        shop.mode.canonical_host = "www.shop.example"
        found = check(shop, "wrong")
        assert (found.verdict, found.moved_to) == ("wrong_key", "")
        assert check(shop, shop.read_key).verdict == "read_only_key"
        assert check(shop).good

    def test_a_wrong_path_where_another_host_is_configured(self, shop):
        shop.mode.canonical_host = "www.shop.example"
        found = check(f"{shop.url}/nosuch", shop.key)
        assert (found.verdict, found.moved_to) == ("moved", shop.url)
        shop.mode.plain_site = True
        found = check(f"{shop.url}/nosuch", shop.key)
        assert (found.verdict, found.moved_to) == ("not_xcart", "")

    @pytest.mark.parametrize("generation", ["addon", "api"])
    @pytest.mark.parametrize(
        "location", ["{}/admin.php?target=RESTAPI", "{}/api/orders?page=1", "{}/", "{}"], ids=["script", "api", "front", "bare"]
    )
    def test_moved(self, store, generation: str, location: str):
        with (
            PracticeShop(store=store, generation=generation) as there,
            ScriptedShop(page(301, "", Location=location.format(there.url))) as here,
        ):
            found = check(here, there.key)
            assert (found.verdict, found.moved_to) == ("moved", there.url)
            assert there.url in found.advice
            assert all(there.key not in str(request) for request in there.requests), "the key went to an address nobody checked"

    @pytest.mark.parametrize(
        "location",
        [
            "https://no-such-shop.invalid/admin.php?target=RESTAPI&_key=x",
            "https://no-such-shop.invalid/api/orders",
            "http://user:pw@127.0.0.1:9/admin.php?target=RESTAPI&_key=x",
            "//127.0.0.1:9/",
        ],
    )
    def test_an_address_where_no_shop_answers_is_not_offered(self, location: str):
        with ScriptedShop(page(301, "", Location=location)) as shop:
            found = check(shop)
        assert (found.verdict, found.moved_to) == ("not_xcart", "") and "finds no X-Cart shop there" in found.message

    def test_a_site_that_is_no_shop_is_not_offered(self):
        with ScriptedShop(page(200, "<h1>Hello</h1>")) as site, ScriptedShop(page(301, "", Location=f"{site.url}/x")) as shop:
            found = check(shop)
        assert (found.verdict, found.moved_to) == ("not_xcart", "")

    def test_a_redirect_that_echoes_the_key_does_not_tell_it(self):
        with ScriptedShop(page(302, "", Location="https://no-such.invalid/secretkey123/admin.php?_key=secretkey123")) as shop:
            found = check(shop, "secretkey123")
        assert found.verdict == "not_xcart" and "secretkey123" not in repr(found)

    @pytest.mark.parametrize("location", ["javascript:alert(1)", "ftp://x/", "/somewhere/else", "http://[broken", ""])
    def test_redirects_that_lead_nowhere(self, location: str):
        with ScriptedShop(page(302, "", Location=location)) as shop:
            assert check(shop).verdict in ("not_xcart", "wrong_key")

    def test_from_https_to_http_is_not_followed(self, trusted: ssl.SSLContext):
        with ScriptedShop(page(301, "", Location="http://127.0.0.1/admin.php?target=RESTAPI"), tls=trusted) as shop:
            found = check(shop)
        assert (found.verdict, found.moved_to) == ("moved", "")
        assert "plain http" in found.message

    def test_an_operators_own_authority_is_trusted(self, trusted: ssl.SSLContext):
        def script(exchange: Exchange) -> None:
            if exchange.body == b"{}":
                exchange.answer(400, X_REST_Error="Input data is incorrect")
            else:
                exchange.json([{"id": 1, "code": "N", "position": 10}] if "order-status" in exchange.target else [])

        with ScriptedShop(script, tls=trusted) as shop:
            found = check(shop)
        assert found.good and found.advice == ""

    def test_an_old_add_on_that_knows_no_paging(self):
        def script(exchange: Exchange) -> None:
            if "order-status" in exchange.target:
                exchange.json([{"id": 1, "code": "N", "position": 10}])
            else:
                exchange.json([{"orderId": 1, "orderNumber": "1"}, {"orderId": 2, "orderNumber": "2"}])

        with ScriptedShop(script) as shop:
            found = check(shop)
        assert found.verdict == "too_old" and "5.3.2.11" in found.advice

    def test_an_old_add_on_without_the_complex_schema(self):
        def script(exchange: Exchange) -> None:
            if "schema=complex" in exchange.target:
                exchange.answer(404)
            else:
                exchange.json([{"id": 1, "code": "N", "position": 10}])

        with ScriptedShop(script) as shop:
            assert check(shop).verdict == "too_old"

    def test_some_other_json(self):
        with ScriptedShop(lambda exchange: exchange.json([{"post": 1}])) as shop:
            assert check(shop).verdict == "not_xcart"

    def test_a_challenge_page(self):
        with ScriptedShop(page(403, "<title>Just a moment...</title>")) as shop:
            assert check(shop).verdict == "firewall"

    def test_a_password_before_the_shop(self):
        with ScriptedShop(page(401, "<h1>Authorization required</h1>", WWW_Authenticate="Basic realm=x")) as shop:
            found = check(shop)
        assert found.verdict == "staging_password" and "password" in found.message

    def test_busy(self):
        with ScriptedShop(page(429, "", Retry_After="30")) as shop:
            assert check(shop).verdict == "busy"

    def test_no_such_host(self):
        found = check("https://no-such-shop.invalid", KEY)
        assert found.verdict == "unreachable" and "There is no host named" in found.message

    def test_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        found = check(f"http://127.0.0.1:{port}", KEY)
        assert found.verdict == "unreachable" and "refuses connections" in found.message

    def test_no_answer_in_time(self):
        with ScriptedShop(lambda exchange: time.sleep(3)) as shop:
            found = check(shop, limits=SLOW)
        assert found.verdict == "timeout"

    def test_a_bad_certificate(self, self_signed: ssl.SSLContext):
        with ScriptedShop(page(200), tls=self_signed) as shop:
            found = check(shop)
        assert found.verdict == "tls" and "certificate" in found.message

    def test_an_address_we_do_not_go_to(self, shop):
        found = check(shop, limits=replace(PATIENT, allow_private=()))
        assert found.verdict == "address_refused" and "ask the person who runs Cartlink" in found.advice
        assert shop.requests == []

    def test_every_verdict_has_a_separate_sentence(self, shop):
        sentences = {}
        for name, spoil in {
            "wrong_key": lambda: None,
            "addon_missing": lambda: setattr(shop.mode, "addon", False),
            "maintenance": lambda: setattr(shop.mode, "maintenance", True),
            "firewall": lambda: setattr(shop.mode, "firewall", True),
            "not_xcart": lambda: setattr(shop.mode, "plain_site", True),
        }.items():
            shop.mode.set(addon=True, maintenance=False, firewall=False, plain_site=False)
            spoil()
            found = check(shop, "wrong")
            assert found.verdict == name
            sentences[name] = (found.message, found.advice)
        assert len(set(sentences.values())) == 5


BLOCKED = {"Location": "https://127.0.0.1:1/"}


@pytest.mark.parametrize("generation", ["addon", "api"])
@pytest.mark.parametrize(
    ("way", "verdict"),
    [
        ({"status": 301, "body": "", "headers": BLOCKED}, "method_blocked"),
        ({"status": 302, "body": "", "headers": {"Location": "/"}}, "method_blocked"),
        ({"status": 401, "body": '{"error":"no"}', "headers": {"Content-Type": "application/json"}}, "method_blocked"),
        (
            {"status": 400, "body": "[]", "headers": {"X-REST-Error": "Something else"}},
            {"addon": "good", "api": "method_blocked"},
        ),
        ({"status": 200, "body": '{"ok":true}'}, {"addon": "too_old", "api": "method_blocked"}),
    ],
)
def test_what_answers_writes_only_is_never_taken_for_no_shop(store, proxied, generation, way, verdict):
    store.place_order([(1, 1)])
    with PracticeShop(store=store, generation=generation) as site:
        found = check(proxied(site, Rule(method="PUT POST", swallow="request", **way)), site.key)
    assert found.verdict == (verdict if isinstance(verdict, str) else verdict[generation])
    assert found.good or (found.advice and "X-Cart shop does" not in found.message)


@pytest.mark.parametrize("half", [True, False])
def test_a_shop_whose_api_breaks_off_is_not_advised_to_install_the_add_on(store, proxied, half):
    """Its admin script sends to the sign-in, as that of a 5.4 without the add-on does."""
    store.place_order([(1, 1)])
    rule = Rule(path="/api/", cut="middle") if half else Rule(path="/api/", swallow="request", status=502)
    with PracticeShop(store=store, generation="api") as site:
        assert check(proxied(site, rule), site.key).verdict == "broken"


def test_not_found_to_every_question_is_no_shop(store, proxied):
    body = '{"type":"x","title":"An error occurred","detail":"Not Found"}'
    rule = Rule(swallow="request", status=404, body=body, headers={"Content-Type": "application/problem+json"})
    with PracticeShop(store=store, generation="api") as site:
        found = check(proxied(site, rule), site.key)
    assert (found.verdict, "item" in found.message, bool(found.advice)) == ("not_xcart", False, True)
