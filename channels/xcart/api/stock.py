"""Quantities to an api shop: there is no bulk write, so one request each, a few at a time, each answer compared.

The shop answers 200 to much that it does not do, and may answer 500 after saving (5.5.0.29, observed): only the quantity in
its answer, or in the listing read again, counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from channels.answers import Answer
from channels.results import StockChange, StockResult
from channels.session import Call
from channels.xcart.api.client import Api
from channels.xcart.api.listings import ApiListings, split_id
from channels.xcart.stock import LOOKED_UP, compared, not_done, nothing_arrived, refusal, refused, settled, takes_products
from errors import (
    BodyChanged,
    ChannelError,
    Firewall,
    InvalidInput,
    ItemGone,
    MethodBlocked,
    RowRefused,
    ShopBroken,
    ShopDatabase,
    ShopMaintenance,
)

_MOST_FAILURES = 5
"""Writes in a row that stored nothing: after these the rest is not sent."""

_MAY_BE_THE_ROWS = (BodyChanged, Firewall, MethodBlocked, ShopMaintenance)
"""Errors that a guard may give for one address or body only. Others, such as a rejected key, meet every row."""

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


class _Stored(msgspec.Struct):
    amount: int | None = None
    default_amount: bool | None = None


Wanted = dict[str, tuple[str, StockChange]]
"""External id -> the path of its write, and the change."""


class ApiStock:
    def __init__(self, shop: Api, listings: ApiListings):
        self.shop = shop
        self.listings = listings

    def put_stock(self, changes: Sequence[StockChange]) -> list[StockResult]:
        """Set quantities. Of two changes of one listing the later counts. Raises where no row was stored or refused and
        the reason is not in the rows (the key, the address, an outage)."""
        results: dict[str, StockResult] = {}
        wanted: Wanted = {}
        for change in changes:
            path, reason = _path(change)
            wanted.pop(change.external_id, None)
            results.pop(change.external_id, None)
            if reason:
                results[change.external_id] = refused(change.external_id, reason)
            else:
                wanted[change.external_id] = (path, change)
        push = _Push(self.shop, self.listings, results)
        entries = list(wanted.values())
        batch = max(2, self.shop.session.limits.connections) * 10
        for start in range(0, len(entries), batch):
            if push.stopped is None:
                push.send(entries[start : start + batch])
        return settled(changes, results, push.stopped or push.blocked)


class _Push:
    """One call of ``put_stock`` under way. ``stopped`` is the error because of which nothing more is sent, ``blocked`` one that kept a
    row from being stored and may meet that row only."""

    def __init__(self, shop: Api, listings: ApiListings, results: dict[str, StockResult]):
        self.shop = shop
        self.listings = listings
        self.results = results
        self.failures = 0
        self.reads_work = False
        self.stopped: ChannelError | None = None
        self.blocked: ChannelError | None = None

    def send(self, entries: Sequence[tuple[str, StockChange]]) -> None:
        """Send some rows and note what became of each. What is on the wire when an error stops the sending is noted too."""
        found = []
        for (path, change), outcome in zip(entries, self.shop.session.many(self._calls(entries)), strict=False):
            result = self._result(path, change, outcome)
            self.results[change.external_id] = result
            found.append(result)
        trouble = nothing_arrived(self.shop.host, found)
        if trouble is not None and self.stopped is None and not any(result.ok for result in self.results.values()):
            self.stopped = trouble

    def _calls(self, entries: Sequence[tuple[str, StockChange]]) -> Iterator[Call]:
        for path, change in entries:
            if self.stopped is not None:
                return
            yield self.shop.call(path, (), {"amount": change.quantity})

    def _result(self, path: str, change: StockChange, outcome: Answer | ChannelError) -> StockResult:
        try:
            stored = self._answered(path, outcome)
        except RowRefused as exc:
            return refused(change.external_id, exc.message)
        except ItemGone:
            return compared(change, None)
        except (*LOOKED_UP, ShopDatabase) as exc:
            return self._looked_up(change, exc)
        except _MAY_BE_THE_ROWS as exc:
            self.reads_work = self.reads_work or isinstance(exc, MethodBlocked)
            self.blocked = exc
            self._count_failure(exc)
            return not_done(change.external_id, exc)
        except ChannelError as exc:
            self.stopped = self.stopped or exc
            return not_done(change.external_id, exc)
        self.failures = 0
        if stored.amount == change.quantity and stored.default_amount is True:
            return takes_products(change.external_id, change.quantity)
        return compared(change, stored.amount)

    def _answered(self, path: str, outcome: Answer | ChannelError) -> _Stored:
        """Raises ChannelError if the answer carries no quantity."""
        if isinstance(outcome, ChannelError):
            raise outcome
        body = self.shop.checked(outcome, path, "PUT", reads_work=self.reads_work).body
        try:
            return msgspec.json.decode(body, type=_Stored, strict=False)
        except _UNREADABLE:
            raise ShopBroken(f"{self.shop.host} sent an answer that cannot be read.", None, outcome.status) from None

    def _looked_up(self, change: StockChange, exc: ChannelError) -> StockResult:
        """No clear answer: what the shop has now decides."""
        try:
            present = (
                self.listings.read_quantities([change.external_id]).get(change.external_id) if self.stopped is None else None
            )
        except ChannelError as second:
            self.stopped = exc if second.retryable else second
            return not_done(change.external_id, exc)
        if present == change.quantity:
            self.failures = 0
            return compared(change, present)
        self._count_failure(exc)
        return not_done(change.external_id, exc)

    def _count_failure(self, exc: ChannelError) -> None:
        self.failures += 1
        if self.failures >= _MOST_FAILURES:
            self.stopped = self.stopped or exc


def _path(change: StockChange) -> tuple[str, str]:
    """The path of a change's listing, or why it cannot be sent."""
    reason = refusal(change.quantity)
    if reason:
        return "", reason
    try:
        product, variant = split_id(change.external_id)
    except InvalidInput as exc:
        return "", exc.message
    if product is None:
        return "", "This variant is known from an older X-Cart only; it can be sent after the next reading of listings."
    return (f"/products/{product}", "") if variant is None else (f"/products/{product}/variants/{variant}", "")
