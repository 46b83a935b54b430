"""One shop's HTTP: its limits, its retries, its errors, and its silence about keys."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote, quote_plus

import pytest

from channels.answers import Answer
from channels.base import Limits
from channels.session import Call, ShopSession
from errors import (
    ChannelError,
    ShopBroken,
    ShopTimeout,
    ShopUnreachable,
    SwitchedOff,
    TlsTrouble,
)
from tests.channels.scripted import KEY, QUICK, Exchange, Script, ScriptedShop, everything_in

TARGET = f"/admin.php?target=RESTAPI&_key={quote_plus(KEY)}&_path=product"


def open_session(shop: ScriptedShop, limits: Limits = QUICK, gate: Callable[[], None] = lambda: None) -> ShopSession:
    return ShopSession(shop.url, limits=limits, gate=gate, secrets=[KEY])


def read(script: Script, limits: Limits = QUICK, **options: object) -> Answer:
    with ScriptedShop(script) as shop:
        return open_session(shop, limits).read(TARGET, **options)


def failure(script: Script, limits: Limits = QUICK) -> ChannelError:
    """What reading from such a shop raises; no text of it may hold the key."""
    with pytest.raises(ChannelError) as caught:
        read(script, limits)
    shown = everything_in(caught.value)
    for form in (KEY, quote_plus(KEY), quote(KEY), quote(KEY, safe="")):
        assert form not in shown
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    return caught.value


def in_turn(*scripts: Script) -> Script:
    """Answers the first request by the first script, and so on; the last one goes on."""
    waiting = list(scripts)
    return lambda exchange: (waiting.pop(0) if len(waiting) > 1 else waiting[0])(exchange)


class TestReading:
    def test_answers_with_status_headers_and_body(self):
        answer = read(lambda exchange: exchange.json([1, 2], X_Result_Count="2"))
        assert (answer.status, answer.body, answer.headers["x-result-count"]) == (200, b"[1, 2]", "2")
        assert answer.is_json

    def test_says_who_it_is_and_what_it_takes(self):
        with ScriptedShop(lambda exchange: exchange.json([])) as shop:
            open_session(shop, replace(QUICK, user_agent="Cartlink/9")).read(TARGET)
        headers = shop.seen[0].headers
        assert headers["user-agent"] == "Cartlink/9"
        assert headers["accept"] == "application/json"
        assert headers["accept-encoding"] == "gzip"

    def test_unpacks_gzip(self):
        assert read(lambda exchange: exchange.gzipped(b"[7]")).body == b"[7]"

    def test_keeps_one_connection(self):
        with ScriptedShop(lambda exchange: exchange.json([])) as shop:
            session = open_session(shop)
            for _ in range(5):
                session.read(TARGET)
            assert (shop.connections, session.requests) == (1, 5)

    def test_knows_the_shops_clock(self):
        ahead = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
        with ScriptedShop(lambda exchange: exchange.json([], Date=ahead)) as shop:
            session = open_session(shop)
            session.read(TARGET)
        assert timedelta(minutes=9) < session.clock_offset < timedelta(minutes=11)

    def test_a_redirect_is_an_answer_and_is_not_followed(self):
        with ScriptedShop(lambda exchange: exchange.answer(302, b"x" * 100, Location="/elsewhere")) as shop:
            assert open_session(shop).read(TARGET).status == 302
            assert len(shop.seen) == 1

    def test_ignores_proxies_of_the_environment(self, monkeypatch: pytest.MonkeyPatch):
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        assert read(lambda exchange: exchange.json([])).status == 200


class TestCookies:
    def test_the_session_cookie_goes_back_on_reads_and_never_on_writes(self):
        with ScriptedShop(lambda exchange: exchange.json([], Set_Cookie="xid=abc123; path=/; HttpOnly")) as shop:
            session = open_session(shop)
            session.read(TARGET)
            session.read(TARGET)
            session.write("PUT", TARGET, {"model": []})
        assert [request.headers.get("cookie") for request in shop.seen] == [None, "xid=abc123", None]

    def test_no_other_cookie_is_kept(self):
        with ScriptedShop(lambda exchange: exchange.json([], Set_Cookie="tracker=1; path=/")) as shop:
            session = open_session(shop)
            session.read(TARGET)
            session.read(TARGET)
        assert "cookie" not in shop.seen[1].headers


class TestWriting:
    def test_sends_json_once(self):
        with ScriptedShop(lambda exchange: exchange.answer(500, b"oops", kind="text/html")) as shop:
            assert open_session(shop).write("PUT", TARGET, {"amount": 7}).status == 500
            assert len(shop.seen) == 1
        assert (shop.seen[0].method, shop.seen[0].body) == ("PUT", b'{"amount":7}')
        assert shop.seen[0].headers["content-type"] == "application/json"

    @pytest.mark.parametrize("method", ["DELETE", "PATCH", "delete"])
    def test_knows_no_other_verb(self, method: str):
        with ScriptedShop(lambda exchange: exchange.json([])) as shop:
            with pytest.raises(ValueError, match="never sent"):
                open_session(shop).write(method, TARGET, {})
            assert shop.seen == []


class TestTryingAgain:
    def test_a_passing_trouble_of_a_read(self):
        script = in_turn(
            lambda exchange: exchange.answer(502, b"bad gateway", kind="text/html"), lambda exchange: exchange.json([1])
        )
        assert read(script).body == b"[1]"

    def test_a_cut_connection(self):
        assert (
            read(
                in_turn(lambda exchange: exchange.connection.shutdown(socket.SHUT_RDWR), lambda exchange: exchange.json([1]))
            ).status
            == 200
        )

    def test_not_more_often_than_allowed(self):
        with ScriptedShop(lambda exchange: exchange.answer(503, b"<h1>later</h1>", kind="text/html")) as shop:
            session = open_session(shop)
            assert session.read(TARGET).status == 503
            assert (len(shop.seen), session.requests) == (3, 3)

    def test_a_plain_500_only_where_asked_to_insist(self):
        with ScriptedShop(lambda exchange: exchange.answer(500)) as shop:
            open_session(shop).read(TARGET, insist=False)
            assert len(shop.seen) == 1

    def test_waits_as_long_as_the_shop_asks(self):
        script = in_turn(lambda exchange: exchange.answer(429, Retry_After="1"), lambda exchange: exchange.json([1]))
        begun = time.monotonic()
        assert read(script, replace(QUICK, total_timeout=20)).status == 200
        assert 1.0 <= time.monotonic() - begun < 20

    def test_gives_a_long_wait_back_to_its_caller(self):
        with ScriptedShop(lambda exchange: exchange.answer(429, Retry_After="600")) as shop:
            session = open_session(shop)
            answer = session.read(TARGET)
            assert len(shop.seen) == 1
        assert answer.status == 429 and answer.retry_after == 600

    def test_the_gate_is_asked_before_every_single_request(self):
        calls = []
        with ScriptedShop(lambda exchange: exchange.answer(502)) as shop:
            open_session(shop, gate=lambda: calls.append(len(shop.seen))).read(TARGET)
        # Once more where a connection was made, before anything went out on it.
        assert calls == [0, 0, 1, 2]

    @pytest.mark.parametrize("at_once", [False, True], ids=["one", "many at once"])
    def test_a_gate_that_closes_while_we_connect_lets_nothing_out(self, at_once: bool):
        """Looking a name up, connecting and TLS may take ten seconds: a person who clicked meanwhile is heard."""
        closed = threading.Event()

        def gate() -> None:
            if closed.is_set():
                raise SwitchedOff("The integration was disabled.")

        def slow_resolver(host: str, port: int) -> list[str]:
            closed.set()
            return ["127.0.0.1"]

        with ScriptedShop(lambda exchange: exchange.json([])) as shop:
            session = ShopSession(shop.url, limits=QUICK, gate=gate, secrets=[KEY], resolver=slow_resolver)
            with pytest.raises(SwitchedOff):
                list(session.many([Call("PUT", TARGET, {}, {"amount": 1})])) if at_once else session.read(TARGET)
            assert shop.seen == []

    def test_a_closed_gate_stops_it_between_two_tries(self):
        def gate() -> None:
            if shop.seen:
                raise SwitchedOff("The integration was disabled.")

        with ScriptedShop(lambda exchange: exchange.answer(502)) as shop:
            with pytest.raises(SwitchedOff):
                open_session(shop, gate=gate).read(TARGET)
            assert len(shop.seen) == 1


class TestRetryAfter:
    def answer(self, value: str) -> Answer:
        return Answer(429, {"retry-after": value}, b"", datetime(2026, 11, 23, 12, 0, tzinfo=UTC))

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("120", 120.0),
            ("0", 0.0),
            ("Mon, 23 Nov 2026 12:01:30 GMT", 90.0),
            ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
            ("soon", None),
            ("", None),
            ("-5", None),
            ("٣", None),
        ],
    )
    def test_reads_seconds_and_dates(self, value: str, seconds: float | None):
        assert self.answer(value).retry_after == seconds


def drip(exchange: Exchange, data: bytes, pause: float = 0.1) -> None:
    for place in range(len(data)):
        exchange.send(data[place : place + 1])
        time.sleep(pause)


def flood(exchange: Exchange, start: bytes, piece: bytes) -> None:
    exchange.send(start)
    while True:
        exchange.send(piece)


class TestLimits:
    @pytest.mark.parametrize(
        "script",
        [
            lambda exchange: time.sleep(3),
            lambda exchange: drip(exchange, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" * 5),
            lambda exchange: (exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"), drip(exchange, b"x" * 5000)),
            lambda exchange: flood(exchange, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ],
        ids=["silence", "dripping headers", "dripping body", "endless continue"],
    )
    def test_a_slow_answer_is_left_in_time(self, script: Script):
        begun = time.monotonic()
        with pytest.raises((ShopTimeout, ShopBroken)):
            read(script, replace(QUICK, tries=3))
        assert time.monotonic() - begun < 30

    def test_says_so(self):
        exc = failure(lambda exchange: drip(exchange, b"HTTP/1.1 200 OK\r\n" * 20), replace(QUICK, total_timeout=0.5))
        assert isinstance(exc, ShopTimeout) and "did not finish its answer in time" in exc.message

    @pytest.mark.parametrize(
        "script",
        [
            lambda exchange: exchange.answer(200, b"", Content_Length="900000000"),
            lambda exchange: exchange.json(["x" * 300_000]),
            lambda exchange: exchange.gzipped(b" " * 50_000_000),
            lambda exchange: flood(
                exchange, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"8000\r\n" + b"y" * 32768 + b"\r\n"
            ),
            lambda exchange: flood(exchange, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"8" * 32768),
            lambda exchange: flood(exchange, b"HTTP/1.1 200 OK\r\n", b"X-Filler: " + b"z" * 60000 + b"\r\n"),
        ],
        ids=["declared", "large", "zip bomb", "endless chunks", "endless chunk size", "endless headers"],
    )
    def test_an_answer_beyond_the_cap_is_cut(self, script: Script):
        begun = time.monotonic()
        exc = failure(script, replace(QUICK, tries=1))
        assert isinstance(exc, (ShopBroken, ShopTimeout))
        assert time.monotonic() - begun < 30

    def test_and_not_asked_for_again(self):
        with ScriptedShop(lambda exchange: exchange.json(["x" * 300_000])) as shop:
            with pytest.raises(ShopBroken, match="larger than"):
                open_session(shop).read(TARGET)
            assert len(shop.seen) == 1

    def test_of_an_error_page_only_the_beginning_is_read(self):
        answer = read(lambda exchange: exchange.answer(404, b"<html>" + b"x" * 5_000_000, kind="text/html"))
        assert answer.status == 404 and len(answer.body) <= 64 * 1024


class TestErrors:
    def test_a_name_that_does_not_exist(self):
        session = ShopSession("http://no-such-shop.invalid", limits=QUICK, gate=lambda: None, secrets=[KEY])
        with pytest.raises(ShopUnreachable, match="There is no host named no-such-shop.invalid"):
            session.read(TARGET)

    def test_a_slow_name_server(self):
        given_up = threading.Event()
        session = ShopSession(
            "http://shop.example",
            limits=replace(QUICK, connect_timeout=0.2),
            gate=lambda: None,
            resolver=lambda host, port: given_up.wait(60) and [],
        )
        with pytest.raises(ShopTimeout, match="could not be looked up in time"):
            session.read(TARGET, tries=1)
        given_up.set()

    def test_a_port_where_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        session = ShopSession(f"http://127.0.0.1:{port}", limits=QUICK, gate=lambda: None, secrets=[KEY])
        with pytest.raises(ShopUnreachable, match=f"refuses connections on port {port}"):
            session.read(TARGET)

    @pytest.mark.parametrize(
        ("script", "sentence"),
        [
            (lambda exchange: exchange.connection.close(), "closed the connection before it had answered"),
            (
                lambda exchange: (
                    exchange.answer(200, b"[1", Content_Length="50") or exchange.connection.shutdown(socket.SHUT_RDWR)
                ),
                "cut its answer short",
            ),
            (lambda exchange: exchange.send(b"garbage\r\n\r\n"), "closed the connection|cannot be read"),
            (lambda exchange: exchange.answer(200, b"not gzip", Content_Encoding="gzip"), "cannot be read"),
            (lambda exchange: exchange.answer(200, b"[]", Content_Length="1, 2"), "cannot be read|cut"),
            (
                lambda exchange: exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
                "cut its answer short|cannot be read",
            ),
        ],
        ids=["closed", "truncated", "garbage", "no gzip", "two lengths", "bad chunks"],
    )
    def test_unreadable_answers(self, script: Script, sentence: str):
        exc = failure(script)
        assert isinstance(exc, ShopBroken) and exc.retryable
        assert __import__("re").search(sentence, exc.message), exc.message

    def test_a_certificate_nobody_signed(self, self_signed: ssl.SSLContext):
        with ScriptedShop(lambda exchange: exchange.json([]), tls=self_signed) as shop, pytest.raises(TlsTrouble) as caught:
            open_session(shop).read(TARGET)
        assert "certificate that cannot be trusted" in caught.value.message
        assert quote_plus(KEY) not in everything_in(caught.value)

    def test_https_where_plain_http_is_spoken(self):
        with ScriptedShop(lambda exchange: exchange.json([])) as shop:
            session = ShopSession(shop.url.replace("http:", "https:"), limits=QUICK, gate=lambda: None)
            with pytest.raises(ChannelError) as caught:
                session.read(TARGET, tries=1)
        assert isinstance(caught.value, (TlsTrouble, ShopBroken, ShopTimeout))
        if isinstance(caught.value, TlsTrouble):
            assert "does not answer over https." in caught.value.message and "certificate" not in caught.value.sentence()


class TestSilenceAboutKeys:
    def test_logs_hold_no_key(self, caplog: pytest.LogCaptureFixture):
        caplog.set_level(logging.DEBUG)
        script = in_turn(
            lambda exchange: exchange.answer(200, b"[", Content_Length="9") or exchange.connection.close(),
            lambda exchange: exchange.json([]),
        )
        read(script)
        assert "_key=" in caplog.text
        assert quote_plus(KEY) not in caplog.text and KEY not in caplog.text

    @pytest.mark.parametrize(
        "form",
        [KEY, quote(KEY), quote_plus(KEY), quote(KEY, safe="").lower(), KEY.replace("&", "&amp;"), KEY.replace("/", "\\/")],
    )
    def test_texts_of_the_shop_are_scrubbed(self, form: str):
        session = ShopSession("https://shop.example", limits=QUICK, gate=lambda: None, secrets=[KEY])
        assert session.scrub(f"bad key {form}, go away") == "bad key ***, go away"

    def test_and_made_fit_for_a_sentence(self):
        session = ShopSession("https://shop.example", limits=QUICK, gate=lambda: None)
        assert session.scrub("<b>no\x00such</b>\r\n  field") == "no such field"
        assert len(session.scrub("long " * 1000)) <= 200
