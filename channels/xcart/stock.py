"""What both generations share about quantities that go out: what may be sent at all, and what an answer means for a row.

Only the shop's own program can refuse a row. An answer with the old quantity means that the write was not done, and one with
a third quantity that the shop stored another value. After any other failure the row is not done and can be sent again.
"""

from __future__ import annotations

from collections.abc import Sequence

from channels.results import StockChange, StockResult
from errors import BodyChanged, ChannelError, ShopBroken, ShopUnreachable

MOST = 2147483647
"""The greatest quantity the shop's column holds; it cuts greater ones to this (X-Cart 5.4, observed)."""

LOOKED_UP = (ShopBroken, ShopUnreachable)
"""Errors after which the shop may have stored the quantity: they are followed by a look at what it has now."""

TAKES_PRODUCTS = "This variant takes its product's quantity."


def refusal(quantity: object) -> str:
    """Why a quantity may not be sent; empty if it may. The shop would turn −5, 16.7 or text into another number."""
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        return f"The quantity {quantity!r} is no whole number."
    if quantity < 0:
        return f"The quantity {quantity} is below zero."
    if quantity > MOST:
        return f"The quantity {quantity} is more than the shop can hold."
    return ""


def refused(external_id: str, reason: str, stored: int | None = None) -> StockResult:
    return StockResult(external_id, "refused", stored, reason)


def takes_products(external_id: str, stored: int | None) -> StockResult:
    """A variant that sells from its product's amount by now: the quantity stored for it counts for nothing."""
    return StockResult(external_id, "refused", stored, TAKES_PRODUCTS, outdated=True)


def not_done(external_id: str, trouble: ChannelError) -> StockResult:
    """A row that an error kept from being stored, or that may have been stored."""
    return StockResult(external_id, "not_done", None, trouble.message, trouble)


def compared(change: StockChange, stored: int | None) -> StockResult:
    """The result for one listing, by the quantity the shop says it has now."""
    external_id, wanted = change.external_id, change.quantity
    if stored == wanted:
        return StockResult(external_id, "stored", stored)
    if stored is None:
        return StockResult(external_id, "not_done", None, "The shop left this listing out of its answer.")
    if stored == change.now:
        return StockResult(external_id, "not_done", stored, f"The shop kept {stored} and did not store {wanted}.")
    return StockResult(external_id, "other_value", stored, f"The shop stored {stored} where {wanted} was sent.")


def nothing_arrived(host: str, results: Sequence[StockResult]) -> BodyChanged | None:
    """The trouble where no row has a new quantity: a request that lost its method or its body is answered like a reading
    (X-Cart 5.4 and 5.5, observed). None if the shop left out all rows: it may not have them any more."""
    unchanged = any(result.stored is not None for result in results)
    if unchanged and all(result.outcome == "not_done" for result in results):
        return BodyChanged(
            f"{host} answered without an error, but stored none of the quantities: the request did not arrive whole."
        )
    return None


def settled(changes: Sequence[StockChange], results: dict[str, StockResult], stopped: ChannelError | None) -> list[StockResult]:
    """One result per change, in the order of the changes. Rows that were not sent carry what stopped the sending, which is raised
    if no row was stored or refused."""
    if stopped is not None and all(result.outcome == "not_done" for result in results.values()):
        raise stopped
    left = ShopBroken("The shop did not answer for this row.") if stopped is None else stopped
    return [results.get(change.external_id) or not_done(change.external_id, left) for change in changes]
