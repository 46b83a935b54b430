"""A line of a stock item's history in words."""

from __future__ import annotations

from flask import Blueprint

from blueprints.formats import number
from blueprints.labels import plural
from services.stock.views import Entry

bp = Blueprint("stock_history", __name__)
COUNTED = {"Opening stock": "Opening stock {after}", "Set": "Set from {before} to {after}",
           "Set from a file": "Set from a file: {before} to {after}", "From suppliers": "From suppliers: {before} to {after}"}  # fmt: skip
MOVED = {
    "Sold": "{units} reserved", "Assigned to a waiting order": "{units} assigned to a waiting order", "Order cancelled": "Order cancelled: {units} free again",
    "Order reopened": "Order reopened: {units} reserved again", "Shipped": "{units} shipped", "Shipment undone": "Shipment undone: {units} back",
    "Shipment voided": "Shipment voided: {units} back", "Released": "{units} released",
}  # fmt: skip
TAKEN_BACK = ("Shipment undone", "Shipment voided")
"""They write two lines of the history: units are on hand again, then the order reserves them again."""


@bp.app_template_filter()
def in_words(entry: Entry) -> str:
    """``Opening stock 73, from Outlet``; the order of a line stands behind it."""
    before, after = number(entry.on_hand - entry.on_hand_change), number(entry.on_hand)
    source = f", from {entry.shop}" if entry.shop and not entry.order_id else ""
    units = plural(abs(entry.on_hand_change or entry.reserved_change), "unit")
    if entry.cause in COUNTED and entry.reserved_change < 0 and not entry.on_hand_change:
        # Fewer are on hand now than orders had reserved: the line before says what was set.
        return f"{units} no longer reserved"
    if entry.cause in COUNTED:
        return COUNTED[entry.cause].format(before=before, after=after) + source
    if entry.cause in TAKEN_BACK and not entry.on_hand_change:
        # The units are back once: the line before says so.
        return f"{entry.cause}: {units} reserved again"
    if entry.cause in MOVED:
        return MOVED[entry.cause].format(units=units) + source
    change = entry.on_hand_change or entry.reserved_change
    what = "on hand" if entry.on_hand_change else "reserved"
    return f"{entry.cause}: {number(abs(change))} {'more' if change > 0 else 'fewer'} {what}{source}"
