"""The api generation (X-Cart 5.5 and later): paths under ``/api/``, the key in a header, pages by number.

5.5.0.29, observed. Pages count from 1 and hold 100 rows at most; a row that the program cannot print makes its whole page
answer 500. There is no bulk write. What an answer means stands in ``Api.judged``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_plus

import msgspec

from channels.answers import Answer, http_trouble
from channels.base import Credentials
from channels.session import Call, ShopSession
from channels.xcart.redirects import redirect_trouble
from channels.xcart.values import rows_of, value_of
from errors import ChannelError, Firewall, KeyRejected, NotAShop, ReadOnlyKey, ShopBroken, ShopRefused, ShopTooOld

MOST_PER_PAGE = 100

Query = Sequence[tuple[str, str]]

_NO_ITEM = b'"detail":"Not Found"'
"""The 404 of an item that is not there; that of an unknown path has a small f (5.5.0.29, observed)."""


class Api:
    """One shop's API. Every method may raise a leaf of ``errors.ChannelError``."""

    def __init__(self, session: ShopSession, credentials: Credentials):
        key = credentials.api_key
        if not is_header(key):
            raise KeyRejected("The API key holds characters that no key has.")
        self.session = session
        self.host = session.host
        self.headers = {"X-Auth-Token": key}

    def read(
        self, path: str, query: Query = (), *, insist: bool = True, tries: int | None = None, within: float | None = None
    ) -> Answer:
        """GET ``path`` (after ``/api``)."""
        answer = self.session.read(target(path, query), headers=self.headers, insist=insist, tries=tries, within=within)
        return self.judged(answer, path)

    def rows(self, path: str, query: Query = (), *, insist: bool = True) -> list[msgspec.Raw]:
        return rows_of(self.read(path, query, insist=insist).body, self.host)

    def one(self, path: str, *, insist: bool = True) -> dict[str, Any] | None:
        """One item as plain values; None where the shop has none."""
        try:
            answer = self.read(path, insist=insist)
        except ShopRefused as exc:
            if exc.status_code == 404:
                return None
            raise
        return self.item(answer)

    def item(self, answer: Answer) -> dict[str, Any]:
        value = value_of(answer.body, self.host)
        if isinstance(value, dict):
            return value
        raise ShopBroken(f"{self.host} did not answer with one item.")

    def put(self, path: str, payload: Any) -> dict[str, Any]:
        answer = self.session.write("PUT", target(path), payload, headers=self.headers)
        return self.item(self.judged(answer, path, writing=True))

    def post(self, path: str, payload: Any) -> Answer:
        return self.judged(self.session.write("POST", target(path), payload, headers=self.headers), path, writing=True)

    def call(self, path: str, query: Query = (), payload: Any = None) -> Call:
        """One of many calls for ``session.many``: a GET, or a PUT where there is a payload."""
        return Call("GET" if payload is None else "PUT", target(path, query), self.headers, payload)

    def answered(self, path: str, query: Query, outcome: Answer | ChannelError) -> Answer:
        """The answer to one of many reads. What failed in passing is asked for again by itself, with patience."""
        if isinstance(outcome, ChannelError):
            if not outcome.retryable:
                raise outcome
            return self.read(path, query)
        if outcome.status in (429, 502, 503, 504):
            return self.read(path, query)
        return self.judged(outcome, path)

    def is_alive(self) -> bool:
        """Whether the shop answers anything: an order that no shop has costs it nothing."""
        try:
            self.one("/orders/0", insist=False)
        except ChannelError as exc:
            if not exc.retryable:
                raise
            return False
        return True

    def judged(self, answer: Answer, path: str, *, writing: bool = False) -> Answer:
        """The answer itself where it carries data, else the leaf that says what it is."""
        status, host = answer.status, self.host
        if status in (200, 201) and answer.body[:1] in (b"[", b"{"):
            return answer
        trouble = http_trouble(host, answer)
        if trouble is not None:
            raise trouble
        if status == 401:
            raise KeyRejected(f"{host} does not accept the API key.", None, status)
        if status == 403 and answer.is_json:
            if writing:
                raise ReadOnlyKey("The API key may read but not write.", None, status)
            raise KeyRejected(f"{host} does not let the API key read this.", None, status)
        if status == 403:
            raise Firewall(f"Something before {host} refuses Cartlink's request (error 403).", None, status)
        if status in (301, 302, 303, 307, 308):
            raise redirect_trouble(answer, self.session.endpoint, f"/api{path}", self.session.scrub)
        if status == 404 and not answer.is_json:
            raise NotAShop(f"There is no X-Cart API at {host}.", None, status)
        if status == 404 and _NO_ITEM not in answer.body:
            raise ShopTooOld(f"The API of {host} does not know what Cartlink asks for.", None, status)
        if status in (200, 201):
            what = "a web page" if answer.is_page else "nothing readable"
            raise ShopBroken(f"{host} answered with {what} where data was expected.", None, 200)
        raise ShopRefused(f"{host} refused the request: {self.reason(answer) or f'error {status}'}.", None, status)

    def reason(self, answer: Answer) -> str:
        """The shop's own words in a problem answer."""
        try:
            value = value_of(answer.body, self.host)
        except ShopBroken:
            return ""
        detail = value.get("detail") or value.get("message") if isinstance(value, dict) else ""
        return self.session.scrub(detail if isinstance(detail, str) else "").rstrip(".")


def is_header(key: str) -> bool:
    """Whether a key can go into a header; the add-on takes any."""
    return key.isascii() and key.isprintable()


def target(path: str, query: Query = ()) -> str:
    """Path and query of a request. A trailing slash would be a redirect, and a missing id a list."""
    if not path.startswith("/") or path.endswith("/") or "//" in path:
        raise ValueError(f"{path!r} is no path of the API.")
    pairs = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in query)
    return f"/api{path}?{pairs}" if pairs else f"/api{path}"


def page_of(number: int, size: int) -> list[tuple[str, str]]:
    """The paging part of a query. Text, 0 or a negative size would be an empty list or an error, so these are ours."""
    return [("itemsPerPage", str(size)), ("page", str(number))]


def aligned(offset: int, count: int) -> list[tuple[int, int]]:
    """The pages (number, size) that together are ``count`` rows from ``offset``, few and in order.

    Page p of size s is rows (p−1)·s to p·s−1, so a page fits only where its size divides its offset. Often one row leads
    to an offset that many sizes divide; where it does not, it is left out."""
    return min((_pieces(offset, count, lead) for lead in (1, 0)), key=len)


def subdivide(offset: int, count: int) -> list[tuple[int, int]]:
    """Smaller stretches that pages fit: the pages a stretch is made of, or as few equal parts as a page divides into."""
    pages = aligned(offset, count)
    if len(pages) > 1:
        return [((number - 1) * size, size) for number, size in pages]
    parts = next((parts for parts in range(2, count) if count % parts == 0), count)
    return [(start, count // parts) for start in range(offset, offset + count, count // parts)]


def _pieces(offset: int, count: int, lead: int) -> list[tuple[int, int]]:
    end = offset + count
    pieces = [(offset + 1, 1)] if lead and count else []
    at = offset + len(pieces)
    while at < end:
        size = next(size for size in range(min(MOST_PER_PAGE, end - at), 0, -1) if at % size == 0)
        pieces.append((at // size + 1, size))
        at += size
    return pieces
