"""An order in doubt: what is stored of it, beside what the shop has now under its id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from blueprints.formats import at, money
from services.orders import superseding
from services.orders.views import OrderPage

Row = tuple[str, Any, Any, bool]
"""A label, what is stored, what the shop shows, and whether they differ."""
SAME = {True: "the same", False: "another one", None: "–"}


def beside_the_shop(page: OrderPage) -> list[Row]:
    """Empty where it is not known what the shop shows: the order was held by an earlier version."""
    order, shown = page.order, superseding.shown_of(page.order)
    if not shown:
        return []
    placed = None if not shown.get("placed_at") else datetime.fromisoformat(shown["placed_at"])
    rows = [
        _row("Order number", order.number, shown.get("number") or "–"),
        _row("Placed", at(page.placed_at), at(placed)),
    ]  # fmt: skip
    if "total" in shown:
        ours = _items([(line.sku, line.quantity) for line in order.lines])
        rows += [
            _row("Total", money(page.total, order.currency), money(shown["total"], shown["currency"])),
            _row("Items", ours, _items(shown["items"], shown["more_items"])),
            ("Email address", order.email or "–", SAME[shown["same_email"]], shown["same_email"] is False),
            ("Customer", order.customer or "–", SAME[shown["same_customer"]], shown["same_customer"] is False),
        ]
    return rows


def _row(label: str, ours: Any, theirs: Any) -> Row:
    return label, ours, theirs, "–" not in (ours, theirs) and ours != theirs


def _items(items: Sequence[Sequence[Any]], more: int = 0) -> str:
    kept, beyond = items[: superseding.MOST_ITEMS], max(0, len(items) - superseding.MOST_ITEMS) + more
    named = ", ".join(f"{quantity} × {sku or 'no SKU'}" for sku, quantity in kept)
    return f"{named} and {beyond} more" if beyond else named or "–"
