"""What each row of a file of tracking numbers would do, and what is wrong with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from errors import InvalidInput
from extensions import db, reading
from models import Integration, Order, OrderLine, Shipment, WriteBack
from models.types import among
from services.common import csv_files, damaged_cells, whole_numbers
from services.common.batches import batches
from services.common.text import one_line
from services.common.wrong_rows import Room
from services.order_basics import numbers as order_numbers
from services.shipping import called_off, file_parts, shipments
from services.shipping.file_columns import is_neutral

READABLE = (
    (re.compile(r"\AOrder …"), "The order"), (re.compile(r"\bno order …"), "no such order"), (re.compile(r"\border …"), "the order"),
    (re.compile(r"\bthe tracking number …"), "this tracking number"),
)  # fmt: skip
"""How the problem of one row is said of several: without the number that only this row has."""


def check(rows: list[dict[str, Any]]) -> None:
    """Find each row's order and say what is wrong with it. Good rows forget their cells: only wrong ones are written into a file again."""
    room = Room()
    with reading():
        found = _orders([_named(row) for row in rows])
        taken: dict[int, list[dict[str, Any]]] = {}
        ids = {order.id for orders in found.values() for order, _ in orders}
        known = _Known(_parcels(ids), called_off.blocked_among(ids))
        # A row without a tracking number says nothing that another row of its order does not say.
        for row in sorted(rows, key=lambda row: not row["tracking"]):
            row["problem"] = _problem(row, found, taken, known)
    for row in rows:
        if not row["problem"] or not room.takes(row["cells"]):
            row.pop("cells", None)


MOST_ZEROS = 6
"""Zeros at the beginning of a number that a spreadsheet may have taken away."""


def _with_zeros(number: str) -> list[str]:
    """What a number of digits may have been before a spreadsheet took the zeros at its beginning away."""
    if whole_numbers.parse(number, 10**64) is None:
        return []
    return [number.zfill(len(number) + zeros) for zeros in range(1, MOST_ZEROS + 1)]


def _named(row: dict[str, Any]) -> order_numbers.Named:
    # Files that were uploaded before 0.9.0 have rows without an id.
    return order_numbers.Named((), row["id"]) if row.get("id") else order_numbers.parse(row["number"])


Found = dict[tuple[str, str], list[tuple[Order, str]]]
"""Orders with their integration's name, by ("number", number without regard to case) and ("id", the shop's own id)."""


def _orders(named: list[order_numbers.Named]) -> Found:
    """The orders that a file may mean. What a spreadsheet has changed, and other letter case, is looked for only where nothing is found as
    it was written: no index helps there, and a file has a thousand numbers."""
    present: Found = {}
    numbers = {number for each in named for number in each.numbers}
    _find(Order.external_id, {each.external_id for each in named if each.external_id}, present)
    _find(Order.number, numbers, present)
    absent = {number for number in numbers if ("number", number.casefold()) not in present}
    _find(Order.number, {longer for number in absent for longer in _with_zeros(number)}, present)
    _find(func.lower(Order.number), {number.lower() for number in absent if number.lower() != number.upper()}, present)
    return present


def _find(column: Any, texts: set[str], present: Found) -> None:
    """Add the orders with one of these texts in a column, in one statement."""
    if not texts:
        return
    query = (
        select(Order, Integration.name)
        .join(Integration, (Integration.shop_id == Order.shop_id) & Integration.removed_at.is_(None))
        .where(among(column, "texts"), Order.superseded_at.is_(None))
        .options(selectinload(Order.lines).selectinload(OrderLine.allocations))
    )
    for order, name in db.session.execute(query, {"texts": sorted(texts)}):
        for key in (("number", order.number.casefold()), ("id", order.external_id)):
            if (order, name) not in present.setdefault(key, []):
                present[key].append((order, name))


Parcels = dict[int, set[str]]
"""The tracking numbers of the shipments made here that are left, as they are compared, by order. Empty for one without a number."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is asked about the orders of a file at once: their parcels, and what blocks them, by order."""

    parcels: Parcels
    blocked: dict[int, WriteBack]


def _parcels(order_ids: set[int]) -> Parcels:
    present: Parcels = {}
    query = select(Shipment.order_id, Shipment.tracking_number)
    for chunk in batches(sorted(order_ids)):
        for order_id, number in db.session.execute(query.where(Shipment.order_id.in_(chunk), Shipment.voided_at.is_(None))):
            present.setdefault(order_id, set()).add(shipments.bare(number))
    return present


def _problem(row: dict[str, Any], found: Found, taken: dict[int, list[dict[str, Any]]], known: _Known) -> str:
    if row.get("unreadable"):
        return str(row["unreadable"])
    named = _named(row)
    shown = named.numbers[-1] if named.numbers else f"with the id {named.external_id}"
    if not named.numbers and not named.external_id:
        return "The row has no order number."
    if row.get("not_shipped"):
        return f"The file says {row['not_shipped']!r} of this row, so it is not a shipment."
    if row.get("other"):
        return f"The row names two orders, {shown} and {row['other']}. Delete the column that is not the order's number."
    if damaged := damaged_cells.damage(row["number"]):
        return f"{damaged} {damaged_cells.AS_TEXT_ADVICE}"
    if row.get("wrong_tracking"):
        return str(row["wrong_tracking"])
    keys = [("number", number.casefold()) for number in named.numbers] or [("id", named.external_id)]
    orders = next((found[key] for key in keys if key in found), [])
    if row["shop"]:
        in_shop = [(order, name) for order, name in orders if name.casefold() == row["shop"].casefold()]
        orders = in_shop if in_shop or not is_neutral(row["shop"]) else orders
    if row.get("id") and row["number"]:
        numbers = {number.casefold() for number in order_numbers.parse(row["number"]).numbers}
        # Our own list shows the id where the shop could print no number.
        orders = [(order, name) for order, name in orders if (order.number or order.external_id).casefold() in numbers]
    if not orders:
        return f"There is no order {shown}{' in ' + row['shop'] if row['shop'] else ''}.{_zeros_lost(named, found)}"
    if len(orders) > 1:
        return _several(shown, orders)
    order = orders[0][0]
    row["order_id"] = order.id
    before = taken.setdefault(order.id, [])
    before.append(row)
    for name, value in (("carrier", row["carrier"]), ("tracking number", row["tracking"])):
        if csv_files.harmless(value) != value:
            return f"The {name} begins like a formula: {value[:40]}"
    try:
        row["carrier"] = one_line(row["carrier"], shipments.MOST_CARRIER, "carrier", "carrier")
        row["tracking"] = one_line(row["tracking"], shipments.MOST_TRACKING, "tracking number", "tracking number")
    except InvalidInput as wrong:
        return wrong.message
    present, blocked = known.parcels.get(order.id, set()), known.blocked.get(order.id)
    if row["tracking"] and shipments.bare(row["tracking"]) in present:
        # Another row of the order may still be a new parcel.
        before.pop()
        return f"Order {shown} has a parcel with the tracking number {row['tracking']} already."
    if len(before) > 1:
        return _another_parcel(row, before[:-1], shown)
    if row["tracking"] and present and shipments.takes_parcel(order, blocked):
        row["parcel"] = True
        return ""
    reason = shipments.refusal(order, blocked)
    return reason or file_parts.note_part(row, order)


def _zeros_lost(named: order_numbers.Named, found: Found) -> str:
    """What to do where an order with more zeros is there; empty where there is none."""
    longer = [each for number in named.numbers for each in _with_zeros(number) if ("number", each) in found]
    if not longer:
        return ""
    return f" There is an order {longer[0]}: a spreadsheet may have removed the zeros. {damaged_cells.AS_TEXT_ADVICE}"


def _another_parcel(row: dict[str, Any], before: list[dict[str, Any]], shown: str) -> str:
    """Another row of the same order is another parcel. Returns what is wrong with it, empty if nothing."""
    if before[0]["problem"]:
        return f"Line {before[0]['line']} of order {shown} cannot be used, so this parcel waits for it."
    same = (each for each in before if not row["tracking"] or each["tracking"].casefold() == row["tracking"].casefold())
    if (line := next((each["line"] for each in same), None)) is not None:
        return f"Order {shown} is in line {line} already."
    row["parcel"] = True
    return ""


def causes(rows: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """The kinds of problems of rows with how many rows have each, the most frequent first: each problem without what only its own row says."""
    return Counter(_cause(row) for row in rows if row["problem"]).most_common()


def _cause(row: dict[str, Any]) -> str:
    cause = re.sub(r"\b([Ll])ine \d+", r"\1ine …", row["problem"])
    own = {str(row.get(name) or "") for name in ("number", "tracking", "carrier", "id", "other")}
    for value in sorted((*own, *(value.lstrip("#") for value in own)), key=len, reverse=True):
        if value:
            cause = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", cause)
    for wanted, words in READABLE:
        cause = wanted.sub(words, cause)
    return cause.replace("….", "…")


def _several(shown: str, orders: list[tuple[Order, str]]) -> str:
    """What to say where several orders fit."""
    names = sorted({name for _, name in orders})
    ids = ", ".join(sorted(f"{name} (id {order.external_id})" for order, name in orders))
    if len(names) == len(orders):
        return f"Several shops have an order {shown}: {', '.join(names)}. Add a column integration."
    return (
        f"There are several orders {shown}: {ids}. Write id:{orders[0][0].external_id} instead of the number, or add a column id."
    )
