"""What people paste, and the check of address and key: each state of a shop gets its own verdict and sentence."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace

import pytest

from channels.base import Check, Credentials, Limits
from channels.xcart.channel import XCart
from channels.xcart.detect import budget
from errors import KeyRejected, SwitchedOff
from practice_shop import PracticeShop, Store
from tests.channels.scripted import KEY, PATIENT, QUICK, Exchange, ScriptedShop, connect, everything_in

SLOW = replace(QUICK, read_timeout=0.5, total_timeout=1.0)


def check(shop, key: str | None = None, *, generation: str = "", limits: Limits = PATIENT, script: str = "admin.php") -> Check:
    credentials = Credentials(shop if isinstance(shop, str) else shop.url, key or getattr(shop, "key", KEY), generation, script)
    begun = time.monotonic()
    found = XCart(credentials, limits=limits).check()
    assert found.requests <= 8 and time.monotonic() - begun < 15
    assert found.message.endswith(".") and credentials.api_key not in found.message + found.advice + found.moved_to
    assert found.good or found.advice or found.verdict == "moved"
    return found


def page(status: int, html: str = "<h1>Page</h1>", **headers: str):
    return lambda exchange: exchange.answer(status, html.encode(), kind="text/html", **headers)


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
        monkeypatch.setattr(budget, "MOST_SECONDS", budget.MOST_SECONDS / 10)
        with PracticeShop(store=store, page_latency=300) as shop:
            found = check(shop, generation=generation)
            assert found.good and "may read and write" in found.message
            assert check(shop, shop.read_key, generation=generation).verdict == "read_only_key"

    @pytest.mark.parametrize("kind", ["addon", "api"])
    def test_a_shop_too_slow_for_the_whole_check_is_good_and_called_slow(self, store, monkeypatch, kind: str):
        """Six seconds an answer, at a tenth of all times."""
        monkeypatch.setattr(budget, "MOST_SECONDS", 1.1)
        monkeypatch.setattr(budget, "SLOW", 0.2)
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
        assert "http sends the API key unencrypted" in check(shop).advice


class TestBothGenerations:
    @pytest.fixture
    def api(self, store: Store):
        with PracticeShop(store=store, generation="api") as running:
            yield running

    def test_each_is_recognised(self, shop, api):
        assert (check(shop).generation, check(api).generation) == ("addon", "api")
        assert "5.5 or later" in check(api).message

    def test_the_known_one_is_asked_first(self, store, shop, api):
        assert check(shop, generation="addon").requests == 4
        assert check(api, generation="api").requests == 3

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
        assert (read.verdict, read.generation, read.requests) == ("read_only_key", "api", 3)

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
        assert check(api).verdict == "method_blocked"

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


class TestSlow:
    """A shop whose every answer takes nine seconds, at a twentieth of all times."""

    @pytest.mark.parametrize("kind", ["addon", "api"])
    @pytest.mark.parametrize("known", [True, False])
    def test_is_good_with_a_warning_and_the_time(self, store, monkeypatch, kind: str, known: bool):
        store.place_order([(1, 1)])
        for name in ("MOST_SECONDS", "PATIENCE", "SLOW"):
            monkeypatch.setattr(budget, name, getattr(budget, name) / 20)
        with PracticeShop(store=store, generation=kind, page_latency=450) as shop:
            found = check(shop, generation=kind if known else "")
            assert found.good and "may read and write" in found.message
            assert 0.4 <= found.seconds < 2 and "An answer takes" in found.advice

    def test_the_check_waits_as_long_as_such_a_shop_takes(self):
        """Detection, two reads, two writes and the look for https, nine seconds each and more."""
        assert budget.PATIENCE > 4 * 9 and budget.MOST_SECONDS > 8 * 9

    @pytest.mark.deep
    def test_in_its_own_time(self, store):
        with PracticeShop(store=store, page_latency=9000) as shop:
            found = XCart(Credentials(shop.url, shop.key), limits=replace(PATIENT, read_timeout=120, total_timeout=180)).check()
            assert found.good and "An answer takes 9 seconds" in found.advice


class TestAlmostRight:
    @pytest.mark.parametrize("kind", ["addon", "api"])
    @pytest.mark.parametrize("fault", ["before", "after"])
    def test_noise_around_every_answer(self, store, kind: str, fault: str):
        """PHP that has printed something can send no status any more: 5.5 then refuses with 200."""
        store.place_order([(1, 1)])
        with PracticeShop(store=store, generation=kind) as shop:
            shop.faults.add(fault)
            found = check(shop)
            assert found.good and found.generation == kind and "display_errors" in found.advice
            if kind == "api" or fault == "after":
                assert check(shop, shop.read_key).verdict == "read_only_key"
                assert check(shop, "wrong-key-1").verdict == "wrong_key"

    @pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b'""', b"[[]]", b'{"success":true}', b'{"data":[]}'])
    def test_one_answer_to_every_question_is_no_shop(self, body: bytes):
        with ScriptedShop(lambda exchange: exchange.answer(200, body)) as shop:
            for generation in ("", "addon", "api"):
                assert check(shop, "some-key-1", generation=generation).verdict == "not_xcart"

    @pytest.mark.parametrize("generation", ["addon", "api"])
    @pytest.mark.parametrize(
        ("answering", "verdict"),
        [
            (page(202, '<meta http-equiv="refresh" content="0;/.well-known/sgcaptcha/?r=x">'), "firewall"),
            (page(200, "<title>One moment, please...</title>"), "firewall"),
            (page(408, "<h1>Request Time-out</h1>"), "busy"),
            (page(421, "<h1>Misdirected Request</h1>"), "busy"),
            (page(425, ""), "busy"),
            (page(508, "<title>508 Resource Limit Is Reached</title>"), "busy"),
            (page(200, "<title>Account Suspended</title>"), "suspended"),
            (page(302, "", Location="/cgi-sys/suspendedpage.cgi"), "suspended"),
            (page(401, "<h1>Unauthorized</h1>", WWW_Authenticate='Basic realm="Staging"'), "staging_password"),
            (page(401, "", WWW_Authenticate='Basic realm="Staging"'), "staging_password"),
            (page(200, "<title>Shop</title><h1>We are down for maintenance</h1>"), "maintenance"),
            (page(200, "<br /><b>Fatal error</b>: Uncaught Error in /srv/x.php on line 3"), "php_messages"),
            (page(500, "<h1>Error establishing a database connection</h1>"), "database"),
            (page(200, "<h1>Welcome</h1><p>Pictures of a cat.</p>"), "not_xcart"),
        ],
    )
    def test_pages_of_guards_and_hosts(self, answering, verdict: str, generation: str):
        with ScriptedShop(answering) as shop:
            assert check(shop, "some-key-1", generation=generation).verdict == verdict

    def test_a_read_only_key_where_the_shop_sees_another_host(self, shop):
        """X-Cart 5.4.1, observed: good reads answer, a refused write is sent to the same target."""
        shop.mode.canonical_host = shop.url.removeprefix("http://")
        assert check(shop, shop.read_key).verdict == "read_only_key"
        assert check(shop, "wrong-key-1").verdict == "wrong_key"
        shop.mode.canonical_host = "127.0.0.1"
        assert check(shop, shop.read_key).verdict == "read_only_key"
