"""The api generation (X-Cart 5.5 and later): paths under ``/api/``, the key in a header, pages by number.

5.5.0.29, observed. Pages count from 1 and hold 100 rows at most; a row that the program cannot print makes its whole page
answer 500. There is no bulk write. What an answer means is decided in ``channels/xcart/verdicts.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus

import msgspec

from channels.answers import Answer
from channels.base import Credentials
from channels.session import Call, ShopSession
from channels.xcart.parsing.values import rows_of, value_of
from channels.xcart.verdicts import Question, depends_on_reads, verdict_of
from errors import ChannelError, ItemGone, KeyRejected, ShopBroken

MOST_PER_PAGE = 100

Query = Sequence[tuple[str, str]]


class Api:
    """One shop's API. Every method may raise a subclass of ``errors.ChannelError``."""

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
        return self.checked(answer, path)

    def rows(self, path: str, query: Query = (), *, insist: bool = True) -> list[msgspec.Raw]:
        return rows_of(self.read(path, query, insist=insist).body, self.host)

    def one(self, path: str, *, insist: bool = True) -> dict[str, Any] | None:
        """One item as plain values; None if the shop has none."""
        try:
            answer = self.read(path, insist=insist)
        except ItemGone:
            return None
        return self.item(answer)

    def item(self, answer: Answer) -> dict[str, Any]:
        value = value_of(answer.body, self.host)
        if isinstance(value, dict):
            return value
        raise ShopBroken(f"{self.host} did not answer with one item.")

    def put(self, path: str, payload: Any) -> dict[str, Any]:
        answer = self.session.write("PUT", target(path), payload, headers=self.headers)
        return self.item(self.checked(answer, path, "PUT"))

    def post(self, path: str, payload: Any) -> Answer:
        return self.checked(self.session.write("POST", target(path), payload, headers=self.headers), path, "POST")

    def call(self, path: str, query: Query = (), payload: Any = None) -> Call:
        """One of many calls for ``session.many``: a GET, or a PUT where there is a payload."""
        return Call("GET" if payload is None else "PUT", target(path, query), self.headers, payload)

    def answered(self, path: str, query: Query, outcome: Answer | ChannelError) -> Answer:
        """The answer to one of many reads. A request that fails for a moment is repeated alone, after a pause."""
        if isinstance(outcome, ChannelError):
            if not outcome.retryable:
                raise outcome
            return self.read(path, query)
        if outcome.status in (408, 421, 425, 429, 502, 503, 504, 508):
            return self.read(path, query)
        return self.checked(outcome, path)

    def is_alive(self) -> bool:
        """Whether the shop answers anything: an order that no shop has costs it nothing."""
        try:
            self.one("/orders/0", insist=False)
        except ChannelError as exc:
            if not exc.retryable:
                raise
            return False
        return True

    def checked(self, answer: Answer, path: str, method: str = "GET", *, reads_work: bool = False) -> Answer:
        """The answer with its data where it carries any, else raises the error that says what it is.

        Whether the host blocks a method shows only beside a read that works, so one cheap read is made where it matters."""
        found = verdict_of(self._question(path, method, reads_work), answer)
        if found.trouble is not None and method != "GET" and not reads_work and depends_on_reads(found.trouble):
            self.one("/orders/0", insist=False)
            found = verdict_of(self._question(path, method, True), answer)
        if found.trouble is not None:
            raise found.trouble
        self.session.note_noise(found.warning)
        return answer if found.body is answer.body else replace(answer, body=found.body)

    def _question(self, path: str, method: str, reads_work: bool) -> Question:
        return Question("api", method, self.session.endpoint, f"/api{path}", reads_work, self.session.scrub)


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


def overlapping(end: int, most: int, repeat: int = 1) -> tuple[int, int]:
    """The page (offset, count) of at most so many rows that reads furthest beyond ``end`` and repeats at least ``repeat`` rows
    before it. Where no page does that (every size divides ``end``), those rows and a page, which take several requests."""
    if not end:
        return 0, most
    choices = [((end - repeat) // size * size, size) for size in range(most, max(0, most // 2 - 1), -1)]
    beyond = [(offset, size) for offset, size in choices if offset + size > end]
    if not beyond:
        return end - repeat, repeat + next(size for size in range(most, 0, -1) if end % size == 0)
    return max(beyond, key=lambda page: page[0] + page[1])


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
