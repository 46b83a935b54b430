"""Quantities to an add-on shop: bulk writes of 100 rows, each answer compared with what was sent.

The shop drops rows with an unknown id without a word, and answers 200 to much that it does not do; only the quantity in its
answer counts (X-Cart 5.4, observed). A write that got no clear answer is looked up before anything is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from channels.base import StockChange, StockResult
from channels.xcart.addon import PRODUCTS, VARIANTS, Addon
from channels.xcart.addon_listings import AddonListings, split_id
from channels.xcart.stock import NOT_DONE, compared, in_order, refusal
from channels.xcart.values import keyed_rows
from errors import ChannelError, InvalidInput, ShopRefused, ShopUnreachable

BULK = 100
_MOST_FAILURES = 9
"""Writes in a row that got no clear answer and stored nothing: after these the rest is not sent. One bad row may cost eight
on the way from a hundred rows down to it; writes that get no answer at all weigh more, because each takes minutes."""

_SILENCE = 4

_PATHS = {"product": (PRODUCTS, "product_id"), "variant": (VARIANTS, "id")}


class AddonStock:
    def __init__(self, shop: Addon, listings: AddonListings):
        self.shop = shop
        self.listings = listings

    def put_stock(self, changes: Sequence[StockChange]) -> list[StockResult]:
        """Set quantities. Of two changes of one listing the later counts. Raises where the shop took nothing at all and
        the reason is not in the rows (its key, its address, an outage)."""
        results: dict[str, StockResult] = {}
        wanted: dict[str, dict[int, int]] = {"product": {}, "variant": {}}
        for change in changes:
            reason = refusal(change.quantity)
            try:
                kind, row = split_id(change.external_id)
            except InvalidInput as exc:
                reason = exc.message
            if reason:
                results[change.external_id] = StockResult(change.external_id, False, None, reason)
            else:
                results.pop(change.external_id, None)
                wanted[kind][row] = change.quantity
        push = _Push(self.shop, self.listings, results)
        for kind, rows in wanted.items():
            sendable = {row: quantity for row, quantity in rows.items() if f"{kind}:{row}" not in results}
            numbers = list(sendable)
            for start in range(0, len(numbers), BULK):
                push.send(kind, {row: sendable[row] for row in numbers[start : start + BULK]})
        return in_order(changes, results)


class _Push:
    """One call of ``put_stock`` under way."""

    def __init__(self, shop: Addon, listings: AddonListings, results: dict[str, StockResult]):
        self.shop = shop
        self.listings = listings
        self.results = results
        self.failures = 0
        self.stored = False

    def send(self, kind: str, rows: dict[int, int]) -> None:
        """Send some rows of one kind and note what became of each."""
        if self.failures >= _MOST_FAILURES:
            self._fail(kind, rows, "Not sent: the shop did not take the quantities before it.")
            return
        path, key = _PATHS[kind]
        try:
            answer = self.shop.put(path, {"model": [{key: row, "amount": quantity} for row, quantity in rows.items()]})
        except ShopRefused as exc:
            self._refused(kind, rows, exc)
        except ChannelError as exc:
            if not exc.retryable or isinstance(exc, NOT_DONE):
                raise
            self._unclear(kind, rows, exc)
        else:
            self.failures = 0
            self._compare(kind, rows, keyed_rows(answer, key))

    def _refused(self, kind: str, rows: dict[int, int], exc: ShopRefused) -> None:
        """A refusal takes the whole request with it, and nothing was saved: halve down to the row that is to blame."""
        if len(rows) == 1:
            self._fail(kind, rows, exc.message)
            return
        for half in _halves(rows):
            self.send(kind, half)

    def _unclear(self, kind: str, rows: dict[int, int], exc: ChannelError) -> None:
        """No answer, or an error of the shop's own: what is stored decides, and only what is not stored is sent again."""
        try:
            present = self.listings.read_quantities([f"{kind}:{row}" for row in rows])
        except ChannelError as second:
            if not self.stored or not second.retryable:
                raise
            self.failures = _MOST_FAILURES
            self._fail(kind, rows, exc.message)
            return
        missing: dict[int, int] = {}
        for row, quantity in rows.items():
            external_id = f"{kind}:{row}"
            if present.get(external_id) == quantity or external_id not in present:
                self._note(compared(external_id, quantity, present.get(external_id)))
            else:
                missing[row] = quantity
        if not missing:
            return
        weight = _SILENCE if isinstance(exc, ShopUnreachable) else 1
        self.failures = self.failures + weight if len(missing) == len(rows) else 0
        if self.failures >= _MOST_FAILURES and not self.stored:
            raise exc
        if len(rows) == 1 or self.failures >= _MOST_FAILURES:
            self._fail(kind, missing, exc.message)
            return
        for half in _halves(missing):
            self.send(kind, half)

    def _compare(self, kind: str, rows: dict[int, int], answer: dict[int, dict[str, Any]]) -> None:
        for row, quantity in rows.items():
            stored = answer.get(row, {})
            result = compared(f"{kind}:{row}", quantity, _whole(stored.get("amount")))
            if result.ok and stored.get("defaultAmount") is True:
                result = StockResult(result.external_id, False, result.stored, "This variant takes its product's quantity.")
            self._note(result)

    def _note(self, result: StockResult) -> None:
        self.stored = self.stored or result.ok
        self.results[result.external_id] = result

    def _fail(self, kind: str, rows: dict[int, int], reason: str) -> None:
        for row in rows:
            self._note(StockResult(f"{kind}:{row}", False, None, reason))


def _whole(value: Any) -> int | None:
    """A quantity of the shop's; it prints numbers as strings now and then."""
    try:
        return msgspec.convert(value, int, strict=False)
    except msgspec.ValidationError:
        return None


def _halves(rows: dict[int, int]) -> list[dict[int, int]]:
    items = list(rows.items())
    middle = (len(items) + 1) // 2
    return [dict(items[:middle]), dict(items[middle:])] if len(items) > 1 else [rows]
