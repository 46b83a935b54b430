"""The only user of ``requests``: HTTP with one site, with its limits, and no key in any message or log.

``GuardedHttp`` opens the connections and explains failures. A ``ShopSession`` is a shop's: it sends reads (GET, retried) and writes (PUT or
POST, sent once). Files of other sites are fetched and put by ``channels/remote_files/web.py``. Nobody can send anything but GET, PUT and
POST. It never follows a redirect, ignores proxies of the environment, and raises only subclasses of ``errors.ChannelError``
and what the gate raises. No exception that leaves it, nor what it is chained to, holds the URL or the key.
"""

from __future__ import annotations

import json
import math
import random
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import IO, Any, Literal, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

from channels.answers import Answer
from channels.base import Gate, Limits
from channels.guard import Guard, GuardedAdapter, Resolver, system_resolver
from channels.hiding import Scrubber
from errors import (
    AddressRefused,
    AppError,
    ChannelError,
    ShopBroken,
    ShopTimeout,
    TlsTrouble,
)

LONGEST_WAIT = 30.0
"""Seconds a read waits for a busy shop. A caller may wait longer."""

ERROR_BODY = 64 * 1024
"""Only this much of an answer that is no success is read."""

_CHUNK = 64 * 1024
_XID = re.compile(r"(?:^|[,\s])xid=([\w,-]{1,128})(?:;|$)", re.ASCII)

_Received = TypeVar("_Received")

_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: a GET, or a PUT or POST with ``payload`` as its JSON body (``bytes`` are JSON already). There is no way to send anything else.
    ``target`` is path and query after the end point."""

    method: Literal["GET", "PUT", "POST"]
    target: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    payload: Any = None

    def __post_init__(self) -> None:
        if self.method not in ("GET", "PUT", "POST"):
            raise ValueError(f"A shop is never sent {self.method}.")


class _Pace:
    """Limits requests to ``per_minute``: a full minute's worth at once, then evenly. 0: no limit."""

    def __init__(self, per_minute: int):
        self._rate = per_minute / 60
        self._most = self._left = float(per_minute)
        self._at = time.monotonic()

    def wait(self) -> None:
        if not self._rate:
            return
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._rate) - 1
        self._at = now
        if self._left < 0:
            time.sleep(-self._left / self._rate)


_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
"""What the TLS library says of a server that speaks plain http."""
NO_HTTPS = "Check the address and its port. If the shop has no https yet, ask its host to switch it on."


class GuardedHttp:
    """HTTP with one host. ``address`` begins like its end point (``https://shop.example/sub``), ``secrets`` is what no message may contain.
    ``connected`` is called after connecting, which may have taken seconds. As many as ``limits.connections`` connections are kept alive.
    Raises AddressRefused for an address that is no web address."""

    def __init__(
        self,
        address: str,
        *,
        limits: Limits,
        secrets: Sequence[str] = (),
        resolver: Resolver = system_resolver,
        connected: Callable[[], None] = lambda: None,
    ):
        self.limits = limits
        self.host = _checked_host(address)
        self.scrub = Scrubber(secrets)
        self._guard = Guard(limits.allow_private, limits.connect_timeout, resolver, connected)
        secure = address.lower().startswith("https:")
        self._adapter = GuardedAdapter(self._guard, secure=secure, connections=max(1, limits.connections))

    def exchange(
        self,
        method: Literal["GET", "PUT", "POST"],
        url: str,
        headers: Mapping[str, str],
        body: bytes | IO[bytes] | None,
        deadline: float,
        receive: Callable[[int, Any], _Received],
    ) -> _Received:
        """Send one request. ``receive`` gets the status and urllib3's response and reads its body; what it returns is returned. Every failure
        becomes a ChannelError without a cause or context, which could hold the address."""
        limits = self.limits
        quiet = min(limits.read_timeout, max(0.01, deadline - time.monotonic()))
        self._guard.allowance.start(deadline, quiet, limits.max_bytes + ERROR_BODY)
        try:
            prepared = requests.Request(method, url, headers=dict(headers), data=body).prepare()
            response = self._adapter.send(prepared, stream=True, timeout=(limits.connect_timeout, quiet), verify=True, proxies={})
            try:
                return receive(response.status_code, response.raw)
            finally:
                # A response read to its end has given its connection back already; any other takes its connection along.
                response.raw.close()
        except AppError:
            raise
        except _FAILURES as exc:
            trouble = self._explain(exc, deadline)
        raise trouble

    def close(self) -> None:
        self._adapter.close()

    def _explain(self, exc: BaseException, deadline: float) -> ChannelError:
        """The error for an exception of the libraries below. Only its kind is used, never its text: that holds the address."""
        chain = list(_causes(exc))
        for each in chain:
            if isinstance(each, ssl.SSLCertVerificationError):
                return TlsTrouble(f"{self.host} has a certificate that cannot be trusted: {self.scrub(each.verify_message)}.")
        for each in chain:
            if isinstance(each, (TimeoutError, urllib3.exceptions.TimeoutError, requests.Timeout)):
                if time.monotonic() >= deadline:
                    return ShopTimeout(f"{self.host} did not finish its answer in time.")
                return ShopTimeout(f"{self.host} stopped answering: nothing came for {self.limits.read_timeout:g} seconds.")
        for each in chain:
            if isinstance(each, ssl.SSLError) and not isinstance(each, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
                reason = self.scrub(each.reason or "handshake failed")
                if reason in _NO_TLS:
                    return TlsTrouble(f"{self.host} does not answer over https.", NO_HTTPS)
                return TlsTrouble(f"{self.host} does not speak https as it should ({reason}).")
        for each in chain:
            if isinstance(
                each, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, urllib3.exceptions.LocationValueError)
            ):
                return AddressRefused(f"{self.host} is not an address Cartlink can use.")
        if any(isinstance(each, urllib3.exceptions.IncompleteRead) for each in chain):
            return ShopBroken(f"{self.host} cut its answer short.")
        if any(isinstance(each, (ConnectionError, ssl.SSLError)) for each in chain):
            return ShopBroken(f"{self.host} closed the connection before it had answered.")
        return ShopBroken(f"{self.host} sent an answer that cannot be read.")


class ShopSession(GuardedHttp):
    """The HTTP of one shop.

    ``endpoint`` is its address (``https://shop.example/sub``), ``secrets`` what no message may contain. ``requests`` counts
    what was sent; the gate is called before each, and again (``gate_again``, by default the same) after connecting,
    which may have taken seconds. ``clock_offset`` is how far the shop's clock is ahead of ours, None until an answer contains its time.
    One connection is kept alive, and as many as ``limits.connections`` by ``many``. Raises AddressRefused for an end point
    that is no web address."""

    def __init__(
        self,
        endpoint: str,
        *,
        limits: Limits,
        gate: Gate,
        secrets: Sequence[str] = (),
        resolver: Resolver = system_resolver,
        gate_again: Gate | None = None,
    ):
        self.endpoint = endpoint.rstrip("/")
        super().__init__(self.endpoint, limits=limits, secrets=secrets, resolver=resolver, connected=gate_again or gate)
        self.requests = 0
        self._gate = gate
        self._counting = threading.Lock()
        self._pace = _Pace(limits.per_minute)
        self._xid = ""
        self.clock_offset: timedelta | None = None
        self._own_clock = False
        self.noise = ""
        """A sentence on what stood beside the data of an answer; empty if nothing did."""

    def read(
        self,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        tries: int | None = None,
        within: float | None = None,
        insist: bool = True,
    ) -> Answer:
        """GET ``target`` (path and query after the end point).

        After a temporary problem it is tried again, up to ``tries``, with growing waits or as long as the shop asks; after a plain
        500 only with ``insist``. The whole, waits included, takes at most ``within`` seconds (by default the limits' total)."""
        deadline = time.monotonic() + (self.limits.total_timeout if within is None else within)
        most = max(1, self.limits.tries if tries is None else tries)
        for turn in range(most):
            answer: Answer | None = None
            trouble: ChannelError | None = None
            try:
                self._before_request()
                answer = self._exchange(Call("GET", target, headers or {}), deadline)
            except ChannelError as exc:
                trouble = exc
            if answer is not None and not _passing(answer, insist):
                return answer
            # An answer that came whole and is of no use, because it is too large, will be so again.
            if trouble is not None and (not trouble.retryable or trouble.status_code == 200):
                break
            wait = self._pause(turn, answer)
            if turn + 1 == most or wait > LONGEST_WAIT or time.monotonic() + wait >= deadline:
                break
            time.sleep(wait)
        if answer is not None:
            return answer
        raise trouble or ShopTimeout(f"{self.host} was not asked: no time was left.")

    def write(
        self,
        method: Literal["PUT", "POST"],
        target: str,
        payload: Any,
        *,
        headers: Mapping[str, str] | None = None,
        within: float | None = None,
    ) -> Answer:
        """Send ``payload`` as JSON, once. The caller decides whether to send it again: it can read what the shop has."""
        call = Call(method, target, headers or {}, payload)
        self._before_request()
        return self._exchange(call, time.monotonic() + (self.limits.total_timeout if within is None else within))

    def many(self, calls: Iterable[Call], *, within: float | None = None) -> Iterator[Answer | ChannelError]:
        """Send many single calls, each once, ``limits.connections`` at a time; yields what became of each, in their order.
        All together take at most ``within`` seconds where that is given.

        The gate is called here, in the caller's thread, and again by a thread that had to connect, in a copy of the caller's
        context: when it closes, the calls under way end and no more are sent."""
        until = math.inf if within is None else time.monotonic() + within
        waiting: deque[Future[Answer | ChannelError]] = deque()
        with ThreadPoolExecutor(max(1, self.limits.connections)) as pool:
            for call in calls:
                self._before_request()
                waiting.append(pool.submit(copy_context().run, self._outcome, call, until))
                if len(waiting) >= self.limits.connections:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def note_clock(self, date: str, *, own: bool = True) -> None:
        """Take the shop's clock from the text of a header; anything but a date is ignored. ``own`` says that the shop's
        program set it; a Date header may be a proxy's, and counts only while there is nothing better."""
        try:
            moment = parsedate_to_datetime(date)
        except (ValueError, TypeError, OverflowError):
            return
        if moment.tzinfo is not None and (own or not self._own_clock):
            self._own_clock = own
            self.clock_offset = moment - datetime.now(UTC)

    def note_noise(self, warning: str) -> None:
        """Keep a warning about the shop's answers for the report of the reading."""
        self.noise = warning or self.noise

    def _pause(self, turn: int, answer: Answer | None) -> float:
        """Seconds until the next try: what the shop asks for, else growing and never the same for two workers."""
        asked = answer.retry_after if answer is not None else None
        if asked is not None:
            return asked
        return self.limits.backoff * float(2**turn) * random.uniform(0.5, 1.5)

    def _before_request(self) -> None:
        """Wait for the shop's turn, call the gate, and count. Every request does so before it is sent."""
        self._pace.wait()
        self._gate()
        with self._counting:
            self.requests += 1

    def _outcome(self, call: Call, until: float) -> Answer | ChannelError:
        try:
            return self._exchange(call, min(until, time.monotonic() + self.limits.total_timeout))
        except ChannelError as exc:
            return exc

    def _exchange(self, call: Call, deadline: float) -> Answer:
        """One request. Every failure becomes a ChannelError."""
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": self.limits.user_agent,
            **call.headers,
        }
        body = None
        if call.method == "GET":
            # The shop's session cookie saves it a row in its table; with a write it would spoil the body (X-Cart 5.4, observed).
            headers |= {"Cookie": f"xid={self._xid}"} if self._xid else {}
        else:
            headers["Content-Type"] = "application/json"
            # What is signed has to go out as it was signed.
            body = call.payload if isinstance(call.payload, bytes) else json.dumps(call.payload, separators=(",", ":")).encode()
        return self.exchange(call.method, self.endpoint + call.target, headers, body, deadline, self._received)

    def _received(self, status: int, raw: Any) -> Answer:
        headers = {name.lower(): value for name, value in raw.headers.items()}
        self._remember_xid(headers.get("set-cookie", ""))
        self.note_clock(headers.get("date", ""), own=False)
        cap = self.limits.max_bytes if status == 200 else ERROR_BODY
        pieces: list[bytes] = []
        size = 0
        while piece := raw.read(_CHUNK, decode_content=True):
            size += len(piece)
            if size > cap:
                if status == 200:
                    raise ShopBroken(f"{self.host} sent an answer larger than {cap // 1024} kB.", status_code=status)
                break
            pieces.append(piece)
        return Answer(status, headers, b"".join(pieces), datetime.now(UTC))

    def _remember_xid(self, cookies: str) -> None:
        if found := _XID.search(cookies):
            self._xid = found.group(1)


def _passing(answer: Answer, insist: bool) -> bool:
    return answer.status in (408, 421, 425, 429, 502, 503, 504, 508) or (answer.status == 500 and insist)


def _checked_host(endpoint: str) -> str:
    """The host of an end point, with its port where it is an unusual one. Raises AddressRefused."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        raise AddressRefused("The website end point is not a web address.") from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise AddressRefused("The website end point has to begin with https:// or http:// and the shop's name.")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("The website end point must not hold a user name or password.")
    return parts.hostname if port is None else f"{parts.hostname}:{port}"


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """An exception and all it was made of: causes, contexts, reasons and arguments."""
    waiting, seen = [exc], set()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
        waiting += [one for one in inner if isinstance(one, BaseException)]
