"""What of its order each row of a file of tracking numbers ships.

A parcel that has a number was packed, so it holds what is in stock, as the packing slip says: the rest is still to come. Where
nothing of an order is in stock, the books are wrong or the parcel is an earlier one: it holds what was shipped before, or else the whole
order. A person may have the orders shipped whole instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from models import Order, OrderLine
from services.shipping import chosen_lines, shipments

IN_STOCK, PARCEL = "in_stock", "parcel"
"""What a row does unless its order is to be shipped whole (``part``): it ships what is in stock, or adds a parcel to what was shipped."""


def note_part(row: dict[str, Any], order: Order) -> str:
    """Note in a row that can be used what it ships, where that is not the whole order: ``ships``, ``missing`` and ``part``. Returns what is
    wrong with it after all, empty for nothing."""
    left = [line for line in order.lines if line.left > 0]
    missing = [(line, line.left - max(0, line.in_hand)) for line in left if line.allocations and line.in_hand < line.left]
    there = [(line, line.in_hand) for line in left if line.in_hand > 0]
    before = any(line.shipped for line in order.lines)
    if missing and before and not there and not row["tracking"]:
        return f"Nothing that is left of order {order.number or order.external_id} is in stock. Open the order to ship it anyway."
    if before or (missing and there):
        row["ships"] = _content(there or [(line, line.left) for line in left])
    if missing:
        row["missing"] = _content(missing)
    if missing and there:
        row["part"] = IN_STOCK
    elif missing and before:
        row["part"] = PARCEL
    return ""


def _content(pieces: Sequence[tuple[OrderLine, int]]) -> str:
    return ", ".join(f"{units} × {line.sku or line.name}" for line, units in pieces)


def adds_parcel(row: Mapping[str, Any]) -> bool:
    """Whether a row adds a parcel to its order, and ships nothing more of it."""
    return bool(row.get("parcel")) or part_of(row) == PARCEL


def has_nothing_in_stock(row: Mapping[str, Any]) -> bool:
    """Whether a row ships a whole order of which nothing is in stock."""
    return bool(row.get("missing")) and not row.get("part")


def part_of(row: Mapping[str, Any]) -> str:
    return "" if row.get("whole") else str(row.get("part", ""))


def sentence(row: Mapping[str, Any]) -> str:
    """What a row that can be used does with its order; empty where it ships a whole one that is in stock."""
    if row.get("parcel"):
        return "Adds a parcel"
    missing = f"Not in stock: {row['missing']}." if row.get("missing") else ""
    if part_of(row) == PARCEL:
        return f"Adds a parcel to what was shipped. {missing}"
    if part_of(row) == IN_STOCK:
        return f"Ships what is in stock: {row['ships']}. {missing}"
    if missing:
        return f"Ships {'all that is left' if row.get('ships') else 'the whole order'}. {missing}"
    return f"Ships the rest: {row['ships']}." if row.get("ships") else ""


def act_of(row: Mapping[str, Any], first_number: str) -> Callable[..., shipments.Shipped]:
    """The function that ships a row. ``first_number`` is the number of the first parcel that the file has for the order."""
    if row.get("parcel"):
        return partial(shipments.add_parcel, after=first_number)
    if part_of(row) == PARCEL:
        return shipments.add_parcel
    if part_of(row) == IN_STOCK:
        return partial(shipments.ship, quantities=chosen_lines.in_stock)
    return shipments.ship


def shipped_whole(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, where those that would ship a part of their order are marked to ship all that is left of it."""
    return [{**row, "whole": True} if row.get("part") else row for row in rows]
