"""Answers made to hurt: whatever a server sends, only our own errors come out, in time, without the key, in little memory.

``make test`` runs a seeded sample; ``make deep`` ten thousand.
"""

from __future__ import annotations

import gc
import gzip
import json
import logging
import os
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from channels.base import Limits
from channels.results import StockChange
from channels.xcart.channel import XCart
from errors import AppError, ChannelError
from tests.channels.scripted import HOME, Exchange, ScriptedShop, connect, everything_in

SECRET = "s3cret-key/with+odd=chars&x"
FORMS = (SECRET, quote(SECRET), quote(SECRET, safe=""), quote_plus(SECRET))
CAP = 0.5
LIMITS = Limits(connect_timeout=0.5, read_timeout=0.1, total_timeout=CAP, tries=2, backoff=0.001, allow_private=HOME)
MOST_MEMORY = 50 * 1024 * 1024
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
FILLER = b"[1,2," * 13_000
BOMB = gzip.compress(b'["' + b"x" * 60_000_000 + b'"]', 1)

ACTS: dict[str, Callable[[XCart], Any]] = {
    "check": lambda channel: channel.check(),
    "orders": lambda channel: list(channel.iter_orders(placed_since=SINCE, page_size=5)),
    "changes": lambda channel: list(channel.iter_changed_orders(changed_since=SINCE, page_size=5)),
    "order": lambda channel: channel.read_order("7"),
    "number": lambda channel: channel.find_order("7"),
    "money": lambda channel: channel.read_surcharges("7"),
    "listings": lambda channel: list(channel.iter_listings(page_size=5)),
    "quantities": lambda channel: channel.read_quantities(["product:1", "variant:2"]),
    "stock": lambda channel: channel.put_stock([StockChange("product:1", 5), StockChange("variant:2", 6)]),
    "shipment": lambda channel: channel.put_shipment("7", status="S", tracking_numbers=["1Z"]),
    "statuses": lambda channel: channel.statuses(),
}

statuses = st.one_of(
    st.sampled_from(
        [200, 200, 200, 200, 201, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 429, 500, 502, 503, 504]
    ),
    st.integers(100, 999),
)
odd_text = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\x00"), max_size=40)
locations = st.one_of(
    st.sampled_from(
        ["admin.php?target=login", "https://www.shop.example/admin.php", "//[::1", "http://", "javascript:x", "/" * 300, f"/?_key={quote(SECRET)}",
         "http://127.0.0.1:1/", "file:///etc/passwd", "http://\u00e9", "?", "http://a:b@c/", "http://x:999999/"]
    ),
    odd_text,
)  # fmt: skip
header_values = {
    "Content-Type": st.one_of(
        st.sampled_from(["application/json", "application/json;charset=utf-8", "text/html", "application/problem+json", ""]),
        odd_text,
    ),
    "Content-Encoding": st.sampled_from(
        ["gzip", "deflate", "br", "identity", "gzip, gzip, gzip, gzip, gzip, gzip, gzip", "nonsense"]
    ),
    "Transfer-Encoding": st.sampled_from(["chunked", "gzip, chunked", "nonsense"]),
    "Location": locations,
    "Retry-After": st.one_of(
        st.sampled_from(["0", "1", "-1", "9" * 40, "Mon, 23 Nov 2026 12:00:00 GMT", "Wed, 31 Feb 99999 99:99:99"]), odd_text
    ),
    "Date": st.one_of(st.sampled_from(["Mon, 23 Nov 2026 12:00:00 GMT", "Mon, 23 Nov 9999 12:00:00 +9999"]), odd_text),
    "Set-Cookie": st.one_of(st.sampled_from(["xid=abc; path=/", "xid=" + "x" * 5000, "xid=a\tb"]), odd_text),
    "X-REST-Error": st.one_of(
        st.just(f"refused {SECRET}".encode().decode("latin-1")), st.just(f"refused {quote_plus(SECRET)}"), odd_text
    ),
    "Last-Modified": odd_text,
    "Connection": st.sampled_from(["close", "keep-alive", "upgrade"]),
}
headers = st.fixed_dictionaries({}, optional=header_values)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True),
    st.text(max_size=20),
    st.sampled_from([SECRET, "1e999", "\x00", "12,5"]),
)
names = st.sampled_from(
    ["orderId", "orderNumber", "order_id", "product_id", "id", "sku", "amount", "total", "items", "currency", "code", "position", "orderDate", "updateDate",
     "customerInfo", "otherSurcharges", "attributes", "billingInfo", "shippingStatus", "paymentStatus", "trackingNumbers", "surcharges", "quantity", "price",
     "product", "variant_id", "error", "date", "lastRenewDate", "productId", "translations", "name", "profile"]
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=8)), max_leaves=25
)
rows = st.lists(st.dictionaries(names, values, max_size=12), max_size=8)
json_bodies = st.one_of(values, rows, rows).map(lambda value: json.dumps(value).encode())
bodies = st.one_of(
    json_bodies,
    json_bodies,
    st.binary(max_size=200),
    st.sampled_from(
        [b"", b"null", b"[]", b"{}", b"[{}]", b"<html><title>Just a moment...</title>", b"<h1>page</h1>", b"\xef\xbb\xbf[]", b"[" * 50_000, b'{"a":' * 20_000,
         b"[" + b"1," * 300_000 + b"1]", b"[" + b"[]," * 200_000 + b"[]]", b'["\\ud800"]', b'["' + b"\xf0\x9f\x98\x80" * 100_000 + b'"]', b"1" * 10_000,
         json.dumps([{"orderId": 1, "orderNumber": SECRET}]).encode()]
    ),
)  # fmt: skip


@dataclass
class Answered:
    """One answer, as the wire sees it. ``streamed`` bytes follow the body; ``cut`` is where the connection ends."""

    status: int
    headers: dict[str, str]
    body: bytes
    packed: str
    length: str
    cut: int | None
    streamed: int
    pause: float
    raw: bytes | None


answers = st.builds(
    Answered,
    statuses,
    headers,
    bodies,
    packed=st.sampled_from(["", "", "", "gzip", "bomb", "deflate"]),
    length=st.sampled_from(["right", "right", "right", "none", "short", "long", "negative", "text", "twice"]),
    cut=st.one_of(st.none(), st.none(), st.none(), st.integers(0, 400)),
    streamed=st.one_of(st.just(0), st.just(0), st.just(0), st.sampled_from([10_000, 1_000_000, 20_000_000, 200_000_000])),
    pause=st.sampled_from([0, 0, 0, 0, 0, 0.05]),
    raw=st.one_of(
        st.none(), st.none(), st.none(), st.none(), st.binary(max_size=300), st.just(b"HTTP/1.1 100 Continue\r\n\r\n" * 3)
    ),
)


def play(exchange: Exchange, answer: Answered) -> None:
    """Send one answer, with all its faults."""
    if answer.raw is not None:
        exchange.send(answer.raw)
        exchange.connection.close()
        return
    body, given_headers = answer.body, dict(answer.headers)
    if answer.packed:
        given_headers["Content-Encoding"] = "deflate" if answer.packed == "deflate" else "gzip"
        packs = {"deflate": zlib.compress, "gzip": gzip.compress, "bomb": lambda body: BOMB}
        body = packs[answer.packed](body)
    lengths = {"right": [len(body) + answer.streamed], "short": [len(body) // 2], "long": [len(body) + answer.streamed + 99], "negative": [-5], "text": ["many"],
               "twice": [1, 2], "none": []}  # fmt: skip
    lines = [f"HTTP/1.1 {answer.status} Answer", *(f"Content-Length: {length}" for length in lengths[answer.length])]
    lines += [f"{name}: {value}" for name, value in given_headers.items()]
    data = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body
    if answer.cut is not None:
        exchange.send(data[: answer.cut])
        exchange.connection.close()
        return
    if answer.pause:
        for place in range(0, len(data), 64):
            exchange.send(data[place : place + 64])
            time.sleep(answer.pause)
    else:
        exchange.send(data)
    left = answer.streamed
    while left > 0:
        exchange.send(FILLER[:left])
        left -= len(FILLER)
    if answer.length in ("none", "short", "negative", "text", "twice"):
        exchange.connection.close()


def peak_memory(reset: bool = False) -> int:
    """The most memory this process has held since the last reset (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


class Listener(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@dataclass
class Measured:
    """What an ordeal came to: ``held`` is the most memory one act held above what it began with, in bytes, ``left`` what the
    process holds after it; ``slowest`` in seconds."""

    met: int = 0
    requests: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    held: int = 0
    left: int = 0


def ordeal(examples: int, start: int = 20261123) -> Measured:
    """Let the acts of the channel meet ``examples`` hostile shops, made up from a seed. Memory is looked at where the system
    tells its peak (Linux)."""
    memory = os.access("/proc/self/clear_refs", os.W_OK)
    measured = Measured()
    script: dict[str, list[Answered]] = {"answers": []}
    turn = {"count": 0}

    def serve(exchange: Exchange) -> None:
        shop.seen.clear()
        waiting = script["answers"]
        turn["count"] += 1
        play(exchange, waiting[turn["count"] % len(waiting)])

    listener = Listener()
    logging.getLogger().addHandler(listener)
    previous = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        with ScriptedShop(serve) as shop:

            @seed(start)
            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(
                st.lists(answers, min_size=1, max_size=3),
                st.sampled_from(sorted(ACTS)),
                st.sampled_from(["addon", "addon", "api", ""]),
            )
            def meet(given_answers: list[Answered], act: str, generation: str) -> None:
                script["answers"] = given_answers
                before = peak_memory(reset=True) if memory else 0
                begun = time.monotonic()
                said = ""
                channel = connect(shop, SECRET, limits=LIMITS, generation=generation)
                try:
                    result = ACTS[act](channel)
                    said = repr(result) if act == "check" else ""
                except AppError as exc:
                    assert isinstance(exc, ChannelError), exc
                    said = everything_in(exc)
                    measured.refused += 1
                finally:
                    channel.close()
                took = time.monotonic() - begun
                assert took < (25 if act == "check" else CAP * channel.requests + 10), f"{act} took {took:.1f} s"
                held = peak_memory() - before if memory else 0
                assert held < MOST_MEMORY, f"{act} held {held >> 20} MB"
                measured.met += 1
                measured.requests += channel.requests
                measured.slowest, measured.held = max(measured.slowest, took), max(measured.held, held)
                logged = "\n".join(listener.lines)
                listener.lines.clear()
                for form in FORMS:
                    assert form not in said and form not in logged

            begun_at = time.monotonic()
            meet()
            measured.seconds = time.monotonic() - begun_at
    finally:
        logging.getLogger().setLevel(previous)
        logging.getLogger().removeHandler(listener)
    gc.collect()
    measured.left = peak_memory(reset=True) if memory else 0
    return measured


@pytest.mark.long
def test_a_sample_of_hostile_answers():
    ordeal(60)


@pytest.mark.deep
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_hostile_answers(part: int):
    """Ten thousand in four parts, each in rounds: Hypothesis remembers all it has made up in one."""
    rounds = [ordeal(250, start=100 * part + turn) for turn in range(10)]
    print(*rounds, sep="\n")
    assert sum(measured.met for measured in rounds) == 2_500
    # What the first rounds loaded and cached stays; after that nothing may pile up.
    assert rounds[-1].left - max(measured.left for measured in rounds[:3]) < MOST_MEMORY
