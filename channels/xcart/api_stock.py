"""Quantities to an api shop: there is no bulk write, so one request each, a few at a time, each answer compared.

The shop answers 200 to much that it does not do, and may answer 500 after saving (5.5.0.29, observed): only the quantity in
its answer, or in the listing read again, counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from channels.answers import Answer
from channels.base import StockChange, StockResult
from channels.xcart.api import Api
from channels.xcart.api_listings import ApiListings, split_id
from channels.xcart.stock import NOT_DONE, compared, in_order, refusal
from errors import ChannelError, InvalidInput, ShopBroken, ShopRefused

_MOST_FAILURES = 5
"""Writes in a row that got no clear answer and stored nothing: after these the rest is not sent."""


class _Stored(msgspec.Struct):
    amount: int | None = None
    default_amount: bool | None = None


class ApiStock:
    def __init__(self, shop: Api, listings: ApiListings):
        self.shop = shop
        self.listings = listings

    def put_stock(self, changes: Sequence[StockChange]) -> list[StockResult]:
        """Set quantities. Of two changes of one listing the later counts. Raises where the reason is not in the rows (the
        key, the address), or where the shop took nothing at all."""
        results: dict[str, StockResult] = {}
        wanted: dict[str, tuple[str, int]] = {}
        for change in changes:
            path, reason = _path(change)
            wanted.pop(change.external_id, None)
            results.pop(change.external_id, None)
            if reason:
                results[change.external_id] = StockResult(change.external_id, False, None, reason)
            else:
                wanted[change.external_id] = (path, change.quantity)
        self._send(wanted, results)
        return in_order(changes, results)

    def _send(self, wanted: dict[str, tuple[str, int]], results: dict[str, StockResult]) -> None:
        failures, stored = 0, False
        entries = list(wanted.items())
        batch = max(2, self.shop.session.limits.connections) * 10
        for start in range(0, len(entries), batch):
            part = entries[start : start + batch]
            if failures >= _MOST_FAILURES:
                for external_id, _ in part:
                    reason = "Not sent: the shop did not take the quantities before it."
                    results[external_id] = StockResult(external_id, False, None, reason)
                continue
            calls = (self.shop.call(path, (), {"amount": quantity}) for _, (path, quantity) in part)
            for (external_id, (path, quantity)), outcome in zip(part, self.shop.session.many(calls), strict=True):
                unclear, result = self._result(external_id, path, quantity, outcome)
                results[external_id] = result
                stored = stored or result.ok
                failures = failures + 1 if unclear and not result.ok else 0
            if failures >= _MOST_FAILURES and not stored:
                raise ShopBroken(f"{self.shop.host} takes no quantities at present.")

    def _result(self, external_id: str, path: str, quantity: int, outcome: Answer | ChannelError) -> tuple[bool, StockResult]:
        """Whether the shop's answer left it open what became of a write, and the result."""
        try:
            if isinstance(outcome, ChannelError):
                raise outcome
            stored = msgspec.json.decode(self.shop.judged(outcome, path, writing=True).body, type=_Stored, strict=False)
        except ShopRefused as exc:
            if exc.status_code == 404:
                return False, compared(external_id, quantity, None)
            return False, StockResult(external_id, False, None, exc.message)
        except ChannelError as exc:
            if not exc.retryable or isinstance(exc, NOT_DONE):
                raise
            trouble = exc.message
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            trouble = "The shop's answer cannot be read."
        else:
            result = compared(external_id, quantity, stored.amount)
            if result.ok and stored.default_amount is True:
                result = StockResult(external_id, False, quantity, "This variant takes its product's quantity.")
            return False, result
        present = self.listings.read_quantities([external_id]).get(external_id)
        if present == quantity:
            return True, StockResult(external_id, True, present)
        return True, StockResult(external_id, False, present, trouble)


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
