"""The add-on generation (X-Cart 5.0–5.4): its one URL, its key, and what its answers mean.

Everything goes to ``admin.php?target=RESTAPI``: ``_path`` names an entity or one of its rows, ``_schema`` the form of the
answer, ``_cnd`` the search. X-Cart 5.4, observed. What an answer means is decided in
``channels/xcart/verdicts.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import quote, quote_plus

import msgspec

from channels.answers import Answer
from channels.base import Credentials
from channels.session import ShopSession
from channels.xcart.parsing.values import rows_of, value_of
from channels.xcart.verdicts import Question, depends_on_reads, passing_refusal, verdict_of
from errors import ChannelError, KeyRejected, ReadOnlyKey, ShopBroken

Condition = tuple[str, str | int]
"""One search condition: the inside of ``_cnd[…]`` with its further brackets (``date][0``), and its value."""

SHIPPING_STATUSES = "order-status-shipping"
NOTHING = f"{SHIPPING_STATUSES}/0"
"""What may be written to without changing anything, because no shop has a status 0."""
PAYMENT_STATUSES = "order-status-payment"
PRODUCTS = "product"
VARIANTS = "xc-productvariants-productvariant"
ORDERS = "order"


def limit(offset: int, count: int) -> list[Condition]:
    return [("limit][0", offset), ("limit][1", count)]


def order_by(field: str, direction: str = "ASC") -> list[Condition]:
    """The shop has no default order, and every sort field needs its alias."""
    return [("orderBy][0", field), ("orderBy][1", direction)]


class Addon:
    """One shop's add-on. Every method may raise a subclass of ``errors.ChannelError``."""

    def __init__(self, session: ShopSession, credentials: Credentials):
        self.session = session
        self.host = session.host
        self._script = "/" + quote(credentials.admin_script or "admin.php")
        self._start = f"{self._script}?target=RESTAPI&_key={quote_plus(credentials.api_key)}&_path="

    def target(self, path: str, conditions: Iterable[Condition] = (), schema: str = "") -> str:
        """Path and query of a request. ``path`` is ``entity`` or ``entity/id``."""
        entity, slash, row = path.partition("/")
        if not entity or (slash and not row):
            # The shop takes ``product/`` for one row without an id, and a write there is silently lost.
            raise ValueError(f"{path!r} names neither a list nor a row.")
        parts = [self._start, quote(path, safe="")]
        if schema:
            parts.append(f"&_schema={schema}")
        parts += [f"&_cnd%5B{name.replace('][', '%5D%5B')}%5D={quote_plus(str(value))}" for name, value in conditions]
        return "".join(parts)

    def read(
        self,
        path: str,
        conditions: Iterable[Condition] = (),
        *,
        schema: str = "",
        insist: bool = True,
        tries: int | None = None,
        within: float | None = None,
    ) -> Answer:
        target = self.target(path, conditions, schema)

        def ask() -> Answer:
            return self.checked(self.session.read(target, insist=insist, tries=tries, within=within))

        try:
            return ask()
        except KeyRejected:
            # What the add-on answers to a wrong key, a guard or a proxy can answer for a moment: only a second answer is believed.
            return ask()

    def rows(
        self, path: str, conditions: Iterable[Condition] = (), *, schema: str = "", insist: bool = True
    ) -> list[msgspec.Raw]:
        """A list, its rows still as text."""
        return rows_of(self.read(path, conditions, schema=schema, insist=insist).body, self.host)

    def one(self, path: str, *, schema: str = "", insist: bool = True) -> dict[str, Any] | None:
        """One row as plain values; None if the shop has none of that id."""
        value = value_of(self.read(path, schema=schema, insist=insist).body, self.host)
        if value is None or isinstance(value, dict):
            return value
        raise ShopBroken(f"{self.host} did not answer with one row.")

    def put(self, path: str, payload: Any) -> Any:
        """A write; returns the shop's answer as plain values."""
        return self.written("PUT", path, payload)

    def put_by_post(self, path: str, payload: Any) -> Any:
        """A write sent as POST with ``_method=put``, which the add-on takes for PUT (X-Cart 5.4, observed). ``path`` and payload
        name rows that exist: where the query is lost on the way, a POST makes new ones."""
        answer = self.session.write("POST", f"{self.target(path)}&_method=put", payload)
        return value_of(self.checked(answer, "POST").body, self.host)

    def written(self, method: Literal["PUT", "POST"], path: str, payload: Any) -> Any:
        answer = self.session.write(method, self.target(path), payload)
        return value_of(self.checked(answer, method).body, self.host)

    def statuses_or_raise(self) -> list[msgspec.Raw]:
        """The cheapest of reads. Every shop has statuses: an empty list is the answer of something else in its place."""
        rows = self.rows(SHIPPING_STATUSES, insist=False)
        if not rows:
            raise ShopBroken(f"{self.host} answers with empty lists only, which no X-Cart shop does.", status_code=200)
        return rows

    def is_alive(self) -> bool:
        """Whether the shop answers the cheapest of reads."""
        try:
            self.statuses_or_raise()
        except ChannelError as exc:
            if not exc.retryable:
                raise
            return False
        return True

    def checked(self, answer: Answer, method: str = "GET", *, reads_work: bool = False) -> Answer:
        """The answer with its data where it carries any, else raises the error that says what it is.

        A wrong key, a read-only one and a blocked method can look alike on a write. One cheap read shows which it is."""
        found = verdict_of(self._question(method, reads_work), answer)
        if found.trouble is not None and method != "GET" and not reads_work and depends_on_reads(found.trouble):
            self.statuses_or_raise()
            found = verdict_of(self._question(method, True), answer)
        if isinstance(found.trouble, ReadOnlyKey) and method != "GET" and self._may_write():
            raise passing_refusal(self._question(method, True), answer)
        if found.trouble is not None:
            raise found.trouble
        # Orders carry the time of the shop's program, which sets this header to now; Date may be a proxy's.
        self.session.note_clock(answer.headers.get("last-modified", ""))
        self.session.note_noise(found.warning)
        return answer if found.body is answer.body else replace(answer, body=found.body)

    def _may_write(self) -> bool:
        """Whether another write is not refused: one that changes nothing."""
        answer = self.session.write("PUT", self.target(NOTHING), {"x": 1})
        return not isinstance(verdict_of(self._question("PUT", True), answer).trouble, ReadOnlyKey)

    def _question(self, method: str, reads_work: bool) -> Question:
        return Question("addon", method, self.session.endpoint, self._script, reads_work, self.session.scrub)
