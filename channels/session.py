"""The only user of ``requests``: one shop's HTTP, with its limits, its retries and its silence about keys.

A ``ShopSession`` sends reads (GET, retried) and writes (PUT or POST, sent once); it has no way to send anything else.
It never follows a redirect, never looks at proxies of the environment, and lets nothing but leaves of ``errors.ChannelError``
and what the gate raises come out. No exception that leaves it, nor what it is chained to, holds the URL or the key.
"""

from __future__ import annotations

import html
import json
import logging
import random
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, Literal
from urllib.parse import quote, quote_plus, urlsplit

import requests
import urllib3

from channels.base import Gate, Limits
from channels.guard import Guard, GuardedAdapter, Resolver, system_resolver
from errors import (
    AddressRefused,
    ChannelError,
    Firewall,
    ShopBroken,
    ShopBusy,
    ShopMaintenance,
    ShopTimeout,
    TlsTrouble,
)

LONGEST_WAIT = 30.0
"""Seconds a read waits for a busy shop before it gives the waiting back to its caller."""

ERROR_BODY = 64 * 1024
"""Of an answer that is no success only this much is read: enough to tell what it is."""

_CHUNK = 64 * 1024
_XID = re.compile(r"(?:^|[,\s])xid=([\w,-]{1,128})(?:;|$)", re.ASCII)
_CHALLENGE = re.compile(rb"just a moment|attention required|checking your browser|cf-chl|ddos protection", re.I)

_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError)


class _KeylessLog(logging.Filter):
    """Takes the key out of what urllib3 writes to its logs: out of addresses, and with the headers that it could not read,
    where a shop may have echoed it."""

    key_in_url = re.compile(r"(_key=)[^&\s\"')]+")

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = self.key_in_url.sub(r"\1***", record.getMessage().partition("unparsed data")[0])
        record.args = ()
        record.exc_info = None
        return True


for _name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_KeylessLog())


@dataclass(frozen=True, slots=True)
class Answer:
    """What a shop answered. Header names are lower case; ``body`` is decompressed, and only begun where the status is not 200."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: datetime

    @property
    def is_json(self) -> bool:
        return re.match(r"application/(\w+\+)?json", self.headers.get("content-type", "").lower()) is not None

    @property
    def is_page(self) -> bool:
        """Whether this is a page for people: something is in it and it is not JSON."""
        return bool(self.body.strip()) and not self.is_json

    @property
    def retry_after(self) -> float | None:
        """Seconds the shop asks us to wait, from a number or an HTTP date; None where it does not say."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - self.at).total_seconds())


class ShopSession:
    """The HTTP of one shop.

    ``endpoint`` is its address (``https://shop.example/sub``), ``secrets`` what must never be told. ``requests`` counts
    what was sent; ``clock_offset`` is how far the shop's clock is ahead of ours, None while it has not told its time.
    ``connections`` connections are kept alive. Raises AddressRefused for an end point that is no web address."""

    def __init__(
        self,
        endpoint: str,
        *,
        limits: Limits,
        gate: Gate,
        secrets: Sequence[str] = (),
        connections: int = 1,
        resolver: Resolver = system_resolver,
    ):
        self.endpoint = endpoint.rstrip("/")
        self.limits = limits
        self.requests = 0
        self.host = _checked_host(self.endpoint)
        self._gate = gate
        self._counting = threading.Lock()
        self._hidden = _spellings(secrets)
        self._guard = Guard(limits.allow_private, limits.connect_timeout, resolver)
        secure = self.endpoint.lower().startswith("https:")
        self._adapter = GuardedAdapter(self._guard, secure=secure, connections=connections)
        self._xid = ""
        self.clock_offset: timedelta | None = None

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

        A passing trouble is met with another try, up to ``tries``, with growing waits or as long as the shop asks; a plain 500
        only where ``insist``. The whole, waits included, takes at most ``within`` seconds (by default the limits' total)."""
        deadline = time.monotonic() + (self.limits.total_timeout if within is None else within)
        most = max(1, self.limits.tries if tries is None else tries)
        for turn in range(most):
            cookie = {"Cookie": f"xid={self._xid}"} if self._xid else {}
            answer: Answer | None = None
            trouble: ChannelError | None = None
            try:
                answer = self._send("GET", target, None, {**(headers or {}), **cookie}, deadline)
            except ChannelError as exc:
                trouble = exc
            if answer is not None and not _passing(answer, insist):
                return answer
            if trouble is not None and not trouble.retryable:
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
        """Send ``payload`` as JSON, once: whether to send it again is for the caller, who can look what became of it."""
        if method not in ("PUT", "POST"):
            raise ValueError(f"A shop is never sent {method}.")
        deadline = time.monotonic() + (self.limits.total_timeout if within is None else within)
        body = json.dumps(payload, ensure_ascii=True, separators=(",", ":")).encode()
        return self._send(method, target, body, {**(headers or {}), "Content-Type": "application/json"}, deadline)

    def scrub(self, text: str, length: int = 200) -> str:
        """A text of the shop made fit for a message: keys, markup and control characters out, shortened."""
        if self._hidden is not None:
            text = self._hidden.sub("***", text)
        text = re.sub(r"<[^<>]*>", " ", text)
        text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
        return text if len(text) <= length else text[: length - 1] + "…"

    def notice_clock(self, date: str) -> None:
        """Take the shop's clock from the text of a header; anything but a date is passed over."""
        try:
            moment = parsedate_to_datetime(date)
        except (ValueError, TypeError, OverflowError):
            return
        if moment.tzinfo is not None:
            self.clock_offset = moment - datetime.now(UTC)

    def close(self) -> None:
        self._adapter.close()

    def _pause(self, turn: int, answer: Answer | None) -> float:
        """Seconds until the next try: what the shop asks for, else growing and never the same for two workers."""
        asked = answer.retry_after if answer is not None else None
        if asked is not None:
            return asked
        return self.limits.backoff * 2**turn * random.uniform(0.5, 1.5)

    def _send(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], deadline: float) -> Answer:
        """One request. Whatever goes wrong on the way becomes a ChannelError without a past."""
        self._gate()
        with self._counting:
            self.requests += 1
        limits = self.limits
        quiet = min(limits.read_timeout, max(0.01, deadline - time.monotonic()))
        self._guard.allowance.start(deadline, quiet, limits.max_bytes + ERROR_BODY)
        try:
            prepared = requests.Request(
                method,
                self.endpoint + target,
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": "gzip",
                    "User-Agent": limits.user_agent,
                    **headers,
                },
                data=body,
            ).prepare()
            response = self._adapter.send(prepared, stream=True, timeout=(limits.connect_timeout, quiet), verify=True, proxies={})
            try:
                return self._received(response.status_code, response.raw)
            finally:
                # A response read to its end has given its connection back already; any other takes its connection along.
                response.raw.close()
        except ChannelError:
            raise
        except _FAILURES as exc:
            trouble = self._explain(exc, deadline)
        raise trouble

    def _received(self, status: int, raw: Any) -> Answer:
        headers = {name.lower(): value for name, value in raw.headers.items()}
        self._remember_xid(headers.get("set-cookie", ""))
        self.notice_clock(headers.get("date", ""))
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

    def _explain(self, exc: BaseException, deadline: float) -> ChannelError:
        """The leaf for an exception of the libraries below. Only its kind is used, never its text: that holds the address."""
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
                return TlsTrouble(
                    f"{self.host} does not speak https as it should ({self.scrub(each.reason or 'handshake failed')})."
                )
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


def http_trouble(session: ShopSession, answer: Answer) -> ChannelError | None:
    """What an answer's status means with any shop: overload, maintenance, a breakdown or a guard before the shop."""
    status, host = answer.status, session.host
    if status == 429 or (status == 503 and answer.retry_after is not None):
        return ShopBusy(f"{host} asks us to wait before the next request.", None, status, min(answer.retry_after or 60.0, 3600.0))
    if is_challenge(answer):
        return Firewall(f"A firewall before {host} refuses Cartlink's request.", None, status)
    if status == 503:
        return ShopMaintenance(f"{host} is closed for maintenance.", None, status)
    if status >= 500:
        return ShopBroken(f"{host} answered with its error {status}.", None, status)
    if status == 401 and answer.is_page:
        advice = "Ask the shop's host to exempt Cartlink's requests from the password."
        return Firewall(f"{host} asks for a user name and password before the shop itself.", advice, status)
    if status in (403, 405, 406, 418, 444, 451) and answer.is_page:
        return Firewall(f"Something before {host} refuses Cartlink's request (error {status} with a page).", None, status)
    return None


def is_challenge(answer: Answer) -> bool:
    """Whether this is the page with which a guard asks a browser to prove itself."""
    if "cf-mitigated" in answer.headers:
        return True
    return answer.status in (200, 403, 429, 503) and answer.is_page and _CHALLENGE.search(answer.body[:8192]) is not None


def _passing(answer: Answer, insist: bool) -> bool:
    return answer.status in (429, 502, 503, 504) or (answer.status == 500 and insist)


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


def _spellings(secrets: Sequence[str]) -> re.Pattern[str] | None:
    """A pattern for every way a shop or a library may write one of the secrets."""
    forms: set[str] = set()
    for secret in filter(None, secrets):
        plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
        forms |= plain | {html.escape(each) for each in plain} | {each.replace("/", "\\/") for each in plain}
    if not forms:
        return None
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)), re.IGNORECASE)


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
