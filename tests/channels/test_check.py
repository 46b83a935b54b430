"""What people paste, and the check of address and key: each state of a shop gets its own verdict and sentence."""

from __future__ import annotations

import pickle
import socket
import ssl
import time
from dataclasses import replace

import pytest

from channels.base import Check, Credentials, Limits
from channels.xcart import detect
from channels.xcart.channel import XCart
from errors import InvalidInput, KeyRejected, SwitchedOff
from practice_shop import PracticeShop, Store
from tests.channels.scripted import KEY, PATIENT, QUICK, Exchange, ScriptedShop, connect, everything_in

SLOW = replace(QUICK, read_timeout=0.5, total_timeout=1.0)


def check(shop, key: str | None = None, *, generation: str = "", limits: Limits = PATIENT, script: str = "admin.php") -> Check:
    credentials = Credentials(shop if isinstance(shop, str) else shop.url, key or getattr(shop, "key", KEY), generation, script)
    begun = time.monotonic()
    found = XCart(credentials, limits=limits).check()
    assert found.requests <= 5 and time.monotonic() - begun < 15
    assert found.message.endswith(".") and credentials.api_key not in found.message + found.advice + found.moved_to
    assert found.good or found.advice or found.verdict == "moved"
    return found


def page(status: int, html: str = "<h1>Page</h1>", **headers: str):
    return lambda exchange: exchange.answer(status, html.encode(), kind="text/html", **headers)


class TestNormalise:
    @pytest.mark.parametrize(
        ("pasted", "endpoint"),
        [
            ("https://shop.example", "https://shop.example"),
            ("https://shop.example/", "https://shop.example"),
            ("shop.example", "https://shop.example"),
            ("  https://shop.example/ \n", "https://shop.example"),
            ("HTTPS://Shop.Example/", "https://shop.example"),
            ("http://shop.example", "http://shop.example"),
            ("//shop.example", "https://shop.example"),
            ("https:/shop.example", "https://shop.example"),
            ("https:\\\\shop.example\\", "https://shop.example"),
            ("<https://shop.example>", "https://shop.example"),
            ("'https://shop.example'", "https://shop.example"),
            ("https://shop.example\u200b", "https://shop.example"),
            ("https://shop.example/admin.php", "https://shop.example"),
            ("https://shop.example/admin.php?target=login", "https://shop.example"),
            ("https://shop.example/admin.php?target=RESTAPI&_key=abc#x", "https://shop.example"),
            ("shop.example/admin", "https://shop.example"),
            ("https://shop.example/admin/?target=orders", "https://shop.example"),
            ("https://shop.example/cart.php?target=cart", "https://shop.example"),
            ("https://shop.example/index.php", "https://shop.example"),
            ("https://shop.example/api/orders", "https://shop.example"),
            ("https://shop.example/api", "https://shop.example"),
            ("https://shop.example/some-cup.html", "https://shop.example"),
            ("https://shop.example/outlet/", "https://shop.example/outlet"),
            ("https://shop.example/a/b/admin.php", "https://shop.example/a/b"),
            ("https://shop.example//outlet//admin.php", "https://shop.example/outlet"),
            ("https://shop.example/my shop/", "https://shop.example/myshop"),
            ("https://shop.example/my%20shop/", "https://shop.example/my%20shop"),
            ("https://user:secret@shop.example/x", "https://shop.example/x"),
            ("https://shop.example:443/", "https://shop.example"),
            ("http://shop.example:80", "http://shop.example"),
            ("https://shop.example:8443/x", "https://shop.example:8443/x"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("BÜCHER.example/admin.php", "https://xn--bcher-kva.example"),
            ("https://日本.example", "https://xn--wgv71a.example"),
            ("https://shop.example.", "https://shop.example"),
            ("https://[2001:db8::1]:8080/x", "https://[2001:db8::1]:8080/x"),
            ("https://shop.example/administration", "https://shop.example/administration"),
        ],
    )
    def test_what_people_paste(self, pasted: str, endpoint: str):
        assert XCart.normalise(pasted) == (endpoint, "admin.php")

    def test_a_renamed_admin_script_is_kept(self):
        assert XCart.normalise("https://shop.example/outlet/backoffice.php?target=main") == (
            "https://shop.example/outlet",
            "backoffice.php",
        )

    @pytest.mark.parametrize(
        "pasted", ["", "   ", "ftp://shop.example", "javascript:alert(1)", "mailto:ann@example.org", "https://", "http://?x", "https://shop..example",
                   "https://shop.example:99999", "https://-", "https://[::1", "…"]
    )  # fmt: skip
    def test_what_is_no_address_gets_a_sentence(self, pasted: str):
        with pytest.raises(InvalidInput) as caught:
            XCart.normalise(pasted)
        assert caught.value.field == "endpoint" and "https://" in caught.value.message

    @pytest.mark.parametrize(
        ("pasted", "permitted", "endpoint"),
        [
            ("127.0.0.1:8081", ("127.0.0.1:8081",), "http://127.0.0.1:8081"),
            ("localhost:8081/shop/admin.php", ("localhost",), "http://localhost:8081/shop"),
            ("127.0.0.1:8081", (), "https://127.0.0.1:8081"),
            ("192.168.1.5", ("all",), "http://192.168.1.5"),
            ("shop.example", ("all",), "https://shop.example"),
            ("https://127.0.0.1:8081", ("127.0.0.1",), "https://127.0.0.1:8081"),
        ],
    )
    def test_without_a_scheme_it_is_https_but_for_the_operators_own_hosts(
        self, pasted: str, permitted: tuple[str, ...], endpoint: str
    ):
        assert XCart.normalise(pasted, permitted).endpoint == endpoint

    def test_it_is_its_own_fixed_point(self):
        for pasted in ("https://shop.example/outlet/backoffice.php", "bücher.example/my%20shop", "//shop.example:8080/api/x"):
            once = XCart.normalise(pasted)
            assert XCart.normalise(once.endpoint).endpoint == once.endpoint


class TestGood:
    def test_a_shop_and_its_key(self, shop):
        found = check(shop)
        assert (found.verdict, found.generation, found.endpoint) == ("good", "addon", shop.url)
        assert "X-Cart 5.0–5.4" in found.message

    def test_nothing_in_the_shop_changes(self, store, shop):
        store.place_order([(1, 1)])
        before = pickle.dumps((store.orders, store.products, store.statuses, store.trackings))
        check(shop)
        assert pickle.dumps((store.orders, store.products, store.statuses, store.trackings)) == before
        assert store.mails == []

    def test_an_empty_shop(self):
        with PracticeShop(store=Store()) as shop:
            assert check(shop).good

    def test_a_shop_whose_first_order_is_at_fault(self, store, shop):
        store.place_order([(1, 1)], profile=False)
        assert check(shop).good

    def test_a_shop_whose_first_order_holds_half_a_character(self, store, shop):
        """A name cut in the middle of an emoji: PHP prints a lone surrogate, which is no text (``\\ud83d``)."""
        store.orders[store.place_order([(1, 1)])].notes = "Thank you \ud83d"
        assert check(shop).good

    @pytest.mark.parametrize("generation", ["", "addon"])
    def test_a_slow_shop_is_checked_whole(self, store, monkeypatch: pytest.MonkeyPatch, generation: str):
        """Three seconds an answer, at a tenth of all times."""
        monkeypatch.setattr(detect, "MOST_SECONDS", detect.MOST_SECONDS / 10)
        with PracticeShop(store=store, page_latency=300) as shop:
            found = check(shop, generation=generation)
            assert found.good and "may read and write" in found.message
            assert check(shop, shop.read_key, generation=generation).verdict == "read_only_key"

    @pytest.mark.parametrize("kind", ["addon", "api"])
    def test_a_shop_too_slow_for_the_whole_check_is_good_and_called_slow(self, store, monkeypatch, kind: str):
        """Six seconds an answer, at a tenth of all times."""
        monkeypatch.setattr(detect, "MOST_SECONDS", 1.1)
        monkeypatch.setattr(detect, "SLOW", 0.2)
        with PracticeShop(store=store, generation=kind, page_latency=600) as shop:
            found = check(shop, generation=kind)
            assert (found.good, found.generation) == (True, kind)
            assert "too slowly" in found.message and "syncing will be slow" in found.advice
            assert check(shop, "wrong-key-1", generation=kind).verdict == "wrong_key"

    @pytest.mark.deep
    def test_a_slow_shop_in_its_own_time(self, store):
        with PracticeShop(store=store, page_latency=3000) as shop:
            assert "may read and write" in check(shop).message

    def test_a_shop_in_a_sub_folder(self, store):
        with PracticeShop(store=store, base_path="/outlet") as shop:
            assert check(shop).good

    def test_the_clock_is_compared(self, shop):
        assert abs(check(shop).clock_skew) < 5
        shop.faults.add("clock_skew", 3600)
        found = check(shop)
        assert 3590 < found.clock_skew < 3605
        assert "60 minutes ahead" in found.advice

    def test_plain_http_gets_a_warning(self, shop):
        assert "sends the API key in the clear" in check(shop).advice


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

    def test_a_firewall_against_writes_is_no_read_only_key(self, shop):
        shop.faults.add("status", 403, method="PUT")
        found = check(shop)
        assert found.verdict == "firewall"

    @pytest.mark.parametrize("mode", ["database_down", "php_down"])
    def test_a_shop_that_is_down(self, shop, mode: str):
        setattr(shop.mode, mode, True)
        assert check(shop).verdict == "broken"

    def test_another_host_name(self, shop):
        """Good calls answer at any name; refused ones redirect to the configured one, which is where to look."""
        shop.mode.canonical_host = "www.shop.example"
        found = check(shop, "wrong")
        assert (found.verdict, found.moved_to) == ("moved", "http://www.shop.example")
        assert check(shop).good

    @pytest.mark.parametrize(
        ("location", "moved_to"),
        [
            ("https://www.shop.example/admin.php?target=RESTAPI", "https://www.shop.example"),
            ("https://www.shop.example/outlet/admin.php?target=RESTAPI", "https://www.shop.example/outlet"),
            ("https://www.shop.example/", "https://www.shop.example"),
            ("//www.shop.example/admin.php", "http://www.shop.example"),
            ("https://user:pw@www.shop.example/admin.php", "https://www.shop.example"),
        ],
    )
    def test_moved(self, location: str, moved_to: str):
        with ScriptedShop(page(301, "", Location=location)) as shop:
            found = check(shop)
        assert (found.verdict, found.moved_to) == ("moved", moved_to)
        assert moved_to in found.advice

    def test_a_redirect_that_echoes_the_key_does_not_tell_it(self):
        with ScriptedShop(page(302, "", Location="https://www.shop.example/secretkey123/admin.php?_key=secretkey123")) as shop:
            found = check(shop, "secretkey123")
        assert found.verdict == "moved" and "secretkey123" not in repr(found)

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
        assert found.verdict == "firewall" and "password" in found.message

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
        assert found.verdict == "address_refused" and "ALLOW_PRIVATE_ENDPOINTS" in found.advice
        assert shop.requests == []

    def test_every_verdict_has_a_sentence_of_its_own(self, shop):
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


class TestBothGenerations:
    @pytest.fixture
    def api(self, store: Store):
        with PracticeShop(store=store, generation="api") as running:
            yield running

    def test_each_is_told_from_the_other(self, shop, api):
        assert (check(shop).generation, check(api).generation) == ("addon", "api")
        assert "5.5 or later" in check(api).message

    def test_the_known_one_is_asked_first(self, store, shop, api):
        assert check(shop, generation="addon").requests == 4
        assert check(api, generation="api").requests == 2

    def test_a_shop_that_was_upgraded_since_is_recognised(self, api):
        assert check(api, generation="addon").generation == "api"

    def test_a_shop_that_speaks_both_is_taken_for_the_newer(self, store):
        with PracticeShop(store=store, generation="both") as shop:
            assert check(shop).generation == "api"
            assert check(shop, generation="addon").generation == "addon"

    def test_a_renamed_admin_script_speaks_for_the_add_on(self):
        def script(exchange: Exchange) -> None:
            assert exchange.target.startswith("/backoffice.php?")
            if exchange.body == b"{}":
                exchange.answer(400, X_REST_Error="Input data is incorrect")
            else:
                exchange.json([{"id": 1, "code": "N", "position": 10}] if "order-status" in exchange.target else [])

        with ScriptedShop(script) as shop:
            assert check(shop, script="backoffice.php").good

    def test_wrong_and_read_only_keys(self, api):
        wrong, read = check(api, "wrong-key-1"), check(api, api.read_key)
        assert (wrong.verdict, wrong.generation, wrong.requests) == ("wrong_key", "api", 1)
        assert (read.verdict, read.generation, read.requests) == ("read_only_key", "api", 2)

    def test_nothing_in_the_shop_changes(self, store, api):
        store.place_order([(1, 1)])
        before = pickle.dumps((store.orders, store.products, store.statuses, store.trackings))
        assert check(api).good
        assert pickle.dumps((store.orders, store.products, store.statuses, store.trackings)) == before
        assert store.mails == []

    def test_a_first_order_at_fault_and_an_empty_shop(self, store, api):
        assert check(api).good
        store.orders[store.place_order([(1, 1)])].items[0].product_id = None
        assert check(api).good

    def test_a_sub_folder_and_one_that_is_none(self, store):
        with PracticeShop(store=store, generation="api", base_path="/outlet") as shop:
            assert check(shop).good
        with PracticeShop(store=store, generation="api") as shop:
            found = check(f"{shop.url}/nosuch", shop.key)
            assert (found.verdict, found.moved_to) == ("moved", shop.url)

    @pytest.mark.parametrize(
        ("mode", "verdict"),
        [
            ("maintenance", "maintenance"),
            ("firewall", "firewall"),
            ("plain_site", "not_xcart"),
            ("database_down", "broken"),
            ("php_down", "broken"),
        ],
    )
    def test_states_of_the_shop(self, api, mode: str, verdict: str):
        setattr(api.mode, mode, True)
        assert check(api).verdict == verdict

    def test_a_firewall_against_writes(self, api):
        api.faults.add("status", 403, method="PUT")
        assert check(api).verdict == "firewall"

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (401, {"message": "Please log in"}),
            (404, {"message": "Not Found"}),
            (200, [{"post": 1}]),
            (200, {"orders": []}),
            (200, "text"),
        ],
    )
    def test_some_other_programs_api(self, status: int, body: object):
        with ScriptedShop(lambda exchange: exchange.json(body, status)) as shop:
            assert check(shop, "some-key-1").verdict == "not_xcart"

    def test_moved(self):
        with ScriptedShop(page(301, "", Location="https://www.shop.example/api/orders?itemsPerPage=1&page=1")) as shop:
            found = check(shop, "some-key-1")
        assert (found.verdict, found.moved_to) == ("moved", "https://www.shop.example")


class TestOldAddOns:
    @pytest.mark.parametrize("age", ["5.1", "5.3"])
    def test_are_refused_with_the_floor_named(self, store, shop, age: str):
        store.place_order([(1, 1)])
        store.place_order([(1, 1)])
        shop.mode.addon_age = age
        found = check(shop)
        assert found.verdict == "too_old" and "5.3.2.11" in found.advice


class TestGate:
    def test_a_closed_gate_comes_through(self, shop):
        def gate() -> None:
            raise SwitchedOff("The integration was disabled.")

        with pytest.raises(SwitchedOff):
            connect(shop, gate=gate).check()
        assert shop.requests == []


class TestUnknownGeneration:
    def test_the_first_act_finds_it_out(self, store, shop):
        store.place_order([(1, 1)])
        channel = connect(shop, generation="")
        assert channel.read_order("1").number == "1"
        assert channel.requests == len(shop.requests)

    def test_or_says_why_not(self, shop):
        with pytest.raises(KeyRejected) as caught:
            connect(shop, "wrong-key", generation="").statuses()
        assert "wrong-key" not in everything_in(caught.value)
