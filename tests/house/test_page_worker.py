"""Slow clients, without a proxy in front: half a request, a byte a second, an answer nobody reads. The pages go on."""

from __future__ import annotations

import http.client
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.support.served import Served

MANY = 40
"""More than there are threads (8)."""
HALF = b"GET /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "
POST = b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nname="


HELD = 100
"""Seconds for which a request may be on its way. An answer that waited for one to be given up would take about as long."""
SOON = 40
"""Seconds in which an answer that waits for nobody has come, on a slow machine too."""


@pytest.fixture
def served(serve, request) -> Served:
    """With further variables where a test gives them."""
    return serve(REQUEST_SECONDS=str(HELD), **getattr(request, "param", {}))


@pytest.fixture
def opened(served) -> Iterator:
    """``opened(content)`` connects, sends this and leaves the connection open."""
    with ExitStack() as stack:

        def open_one(content: bytes, **options: int) -> socket.socket:
            connection = stack.enter_context(socket.socket())
            for name, value in options.items():
                connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
            connection.settimeout(60)
            connection.connect(("127.0.0.1", served.port))
            connection.sendall(content)
            return connection

        yield open_one


def seconds_of(served: Served, path: str = "/healthz") -> float:
    before = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("GET", path)
    assert connection.getresponse().status == 200
    connection.close()
    return time.monotonic() - before


def get(served: Served, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("GET", path)
    return connection.getresponse().read()


def answer_of(connection: socket.socket) -> bytes:
    pieces = b""
    while piece := connection.recv(65536):
        pieces += piece
    return pieces


HALVES = {
    "nothing": b"", "a letter": b"G", "half a head": HALF, "a head without its end": HALF + b"x\r\n", "half a body": POST,
    "half a large body": POST.replace(b"1000", b"1000000") + b"x" * 70_000, "a body without its end": POST + b"x" * 994,
}  # fmt: skip


def test_half_requests_stop_nobody(served, opened):
    seconds_of(served)
    for name, content in HALVES.items():
        for _ in range(MANY):
            opened(content)
        assert max(seconds_of(served, "/first-run") for _ in range(3)) < SOON, name


@pytest.fixture
def hasty(serve) -> Served:
    return serve(REQUEST_SECONDS="2")


def test_a_slow_request_is_answered_within_seconds(hasty):
    """Also where a byte arrives now and then."""
    seconds_of(hasty)
    with ExitStack() as stack:
        waiting = [stack.enter_context(socket.create_connection(("127.0.0.1", hasty.port), timeout=60)) for _ in range(2)]
        for connection, content in zip(waiting, (HALF, POST), strict=True):
            connection.sendall(content)
        given_up_although_bytes_arrive(waiting)


def given_up_although_bytes_arrive(waiting: list[socket.socket]) -> None:
    for _ in range(7):
        time.sleep(0.4)
        for connection in waiting:
            with suppress(OSError):
                connection.sendall(b"x")
    for connection in waiting:
        with suppress(ConnectionResetError):
            assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
        with suppress(ConnectionResetError):
            assert connection.recv(65536) == b""


def test_answers_that_nobody_reads_stop_nobody(served, opened):
    style = next(line for line in get(served, "/first-run").decode().split('"') if "bootstrap.css" in line)
    ask = f"GET {style} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    for _ in range(MANY):
        opened(ask.encode() + b"Connection: close\r\n\r\n", SO_RCVBUF=4096)
        opened(ask.encode() + b"\r\n", SO_RCVBUF=4096)
    assert max(seconds_of(served, "/first-run") for _ in range(5)) < SOON


def test_more_connections_than_there_may_be(served, opened):
    """The oldest half request is closed for the newest, so that a whole one always finds a place."""
    seconds_of(served)
    for _ in range(600):
        opened(HALF)
    assert seconds_of(served) < SOON


def test_large_bodies_that_do_not_end_keep_nobody_from_sending(served, opened):
    """Twelve that announce 20 MB are more than may be on their way; the oldest are given up."""
    seconds_of(served)
    announced = POST.replace(b"Content-Length: 1000", b"Content-Length: 20971520")
    waiting = [opened(announced + b"x" * 5_000_000) for _ in range(12)]
    small = opened(POST.replace(b"1000", b"9").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"Ann&")
    assert b"HTTP/1.1 4" in answer_of(small)
    large = opened(
        announced.replace(b"20971520", b"1000000").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"x" * 999_995
    )
    assert b"HTTP/1.1 413" in answer_of(large)
    assert waiting[0].recv(65536).startswith(b"HTTP/1.1 503 ")
    with pytest.raises(TimeoutError):
        waiting[-1].settimeout(0.2)
        waiting[-1].recv(1)


def test_requests_that_follow_each_other(served, opened):
    """Several in one piece, and one that comes byte by byte, get their answers in order."""
    one = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    post = b"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc"
    last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    seconds_of(served)
    connection = opened(one + post + one)
    for number in range(len(last)):
        connection.sendall(last[number : number + 1])
    answers = answer_of(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"200", b"405", b"200", b"200"]
    # What a body announces with ``Expect: 100-continue``, as curl does with a large upload, is waited for.
    connection = opened(POST.replace(b"\r\n\r\nname=", b"\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"))
    assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
    connection.sendall(b"name=" + b"x" * 995)
    assert b"HTTP/1.1 4" in answer_of(connection)


NO_REQUESTS = {
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nname=\r\n": b"411",
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n": b"413",
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n": b"400",
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n": b"400",
    b"\r\n\r\n": b"400",
    b"nonsense\r\n\r\n": b"400",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000: b"431",
}


def test_what_is_no_request_is_refused_at_once(served, opened):
    seconds_of(served)
    for content, status in NO_REQUESTS.items():
        before = time.monotonic()
        connection = opened(content)
        assert connection.recv(65536).split(b" ")[1] == status, content[:80]
        assert time.monotonic() - before < SOON


@pytest.mark.parametrize("served", [{"GUNICORN_CMD_ARGS": f"--graceful-timeout {HELD}"}], indirect=True, ids=["patient"])
def test_it_stops_at_once_where_nothing_has_arrived(served, opened):
    for _ in range(3):
        opened(b"")
    seconds_of(served)
    before = time.monotonic()
    assert served.started.stop() == 0
    assert time.monotonic() - before < SOON
