"""The add-on generation (X-Cart 5.0–5.4): its one URL, its key, and what its answers mean.

Everything goes to ``admin.php?target=RESTAPI``: ``_path`` names an entity or one of its rows, ``_schema`` the form of the
answer, ``_cnd`` the search. X-Cart 5.4, observed; what an answer means stands in ``Addon.judged``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from channels.answers import Answer, http_trouble
from channels.base import Credentials
from channels.session import ShopSession
from channels.xcart.redirects import redirect_trouble
from channels.xcart.values import rows_of, value_of
from errors import (
    ChannelError,
    KeyRejected,
    NotAShop,
    ReadOnlyKey,
    ShopBroken,
    ShopRefused,
    ShopTooOld,
)

Condition = tuple[str, str | int]
"""One search condition: the inside of ``_cnd[…]`` with its further brackets (``date][0``), and its value."""

SHIPPING_STATUSES = "order-status-shipping"
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
    """One shop's add-on. Every method may raise a leaf of ``errors.ChannelError``."""

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
        answer = self.session.read(self.target(path, conditions, schema), insist=insist, tries=tries, within=within)
        return self.judged(answer)

    def rows(
        self, path: str, conditions: Iterable[Condition] = (), *, schema: str = "", insist: bool = True
    ) -> list[msgspec.Raw]:
        """A list, its rows still as text."""
        return rows_of(self.read(path, conditions, schema=schema, insist=insist).body, self.host)

    def one(self, path: str, *, schema: str = "", insist: bool = True) -> dict[str, Any] | None:
        """One row as plain values; None where the shop has none of that id."""
        value = value_of(self.read(path, schema=schema, insist=insist).body, self.host)
        if value is None or isinstance(value, dict):
            return value
        raise ShopBroken(f"{self.host} did not answer with one row.")

    def put(self, path: str, payload: Any) -> Any:
        """A write; returns the shop's answer as plain values. A 403 is looked into, because the shop refuses a wrong key
        and a read-only one in the same words."""
        answer = self.session.write("PUT", self.target(path), payload)
        if answer.status == 403 and not answer.body.strip():
            self.read(SHIPPING_STATUSES)
            raise ReadOnlyKey("The API key may read but not write.", None, 403)
        return value_of(self.judged(answer).body, self.host)

    def is_alive(self) -> bool:
        """Whether the shop answers the cheapest of reads."""
        try:
            self.read(SHIPPING_STATUSES, insist=False)
        except ChannelError as exc:
            if not exc.retryable:
                raise
            return False
        return True

    def judged(self, answer: Answer) -> Answer:
        """The answer itself where it carries data, else the leaf that says what it is."""
        status = answer.status
        if status == 200 and answer.body[:1] in (b"[", b"{", b"n", b'"'):
            # Orders carry the time of the shop's program, which sets this header to now; Date may be a proxy's.
            self.session.notice_clock(answer.headers.get("last-modified", ""))
            return answer
        trouble = http_trouble(self.host, answer)
        if trouble is not None:
            raise trouble
        if status == 401:
            # The add-on never answers so.
            raise NotAShop(f"{self.host} answers, but not as an X-Cart shop does.", None, status)
        if status == 403:
            raise KeyRejected(f"{self.host} does not accept the API key.", None, status)
        if status in (301, 302, 303, 307, 308):
            raise redirect_trouble(answer, self.session.endpoint, self._script, self.session.scrub)
        if status == 404 and answer.body.strip():
            raise NotAShop(f"There is no X-Cart admin script at {self.host}{self._script}.", None, status)
        if status == 404:
            raise ShopTooOld(f"The REST API of {self.host} does not know what Cartlink asks for.", None, status)
        if status == 200:
            what = "a web page" if answer.is_page else "nothing readable"
            raise ShopBroken(f"{self.host} answered with {what} where data was expected.", None, status)
        reason = self.session.scrub(answer.headers.get("x-rest-error", ""))
        raise ShopRefused(f"{self.host} refused the request: {reason or f'error {status}'}.", None, status)
