"""What both generations share about quantities that go out: what may be sent at all, and how an answer is compared."""

from __future__ import annotations

from collections.abc import Sequence

from channels.base import StockChange, StockResult
from errors import Firewall, ShopBusy, ShopMaintenance

MOST = 2147483647
"""The greatest quantity the shop's column holds; it cuts greater ones to this (X-Cart 5.4, observed)."""


NOT_DONE = (Firewall, ShopBusy, ShopMaintenance)
"""Errors that say by themselves that a write was not done, and that the next one would not be either."""


def refusal(quantity: object) -> str:
    """Why a quantity may not be sent; empty where it may. The shop would turn −5, 16.7 or text into a number of its own."""
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        return f"The quantity {quantity!r} is no whole number."
    if quantity < 0:
        return f"The quantity {quantity} is below zero."
    if quantity > MOST:
        return f"The quantity {quantity} is more than the shop can hold."
    return ""


def compared(external_id: str, wanted: int, stored: int | None) -> StockResult:
    """The result for one listing, by the quantity the shop says it has now."""
    if stored == wanted:
        return StockResult(external_id, True, stored)
    if stored is None:
        return StockResult(external_id, False, None, "The shop has this listing no more: it left the row out of its answer.")
    return StockResult(external_id, False, stored, f"The shop answered with {stored} where {wanted} was sent.")


def in_order(changes: Sequence[StockChange], results: dict[str, StockResult]) -> list[StockResult]:
    """One result per change, in the order of the changes."""
    return [results[change.external_id] for change in changes]
