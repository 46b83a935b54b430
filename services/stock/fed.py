"""Fed stock items: what is on hand of them follows from suppliers' offers (services/feeds/), so nobody sets it by hand."""

from __future__ import annotations

from collections.abc import Iterable

from errors import InvalidInput
from models import StockItem

ADVICE = "Open it under Stock and make it own first, or correct its offers at the supplier."


class FedStock(InvalidInput):
    """A quantity was set by hand that follows from offers."""

    code = "fed_item"


def sentence(sku: str) -> str:
    return f"{sku} is fed by suppliers: what is on hand follows from their offers and cannot be set by hand."


def refuse(items: Iterable[StockItem]) -> None:
    """Raises FedStock if one of the stock items is fed."""
    for item in items:
        if item.fed:
            raise FedStock(sentence(item.sku), ADVICE, field="on_hand")
