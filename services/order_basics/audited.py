"""What was done with orders, for the audit trail, and what it calls an order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, func, select

from extensions import db
from models import Order
from services.security import audit
from services.security.audit import About
from services.shops.finding import newest_id_of

HELD = audit.kind("order.held", "Put on hold", elsewhere=True)
HOLD_CHANGED = audit.kind("order.hold_changed", "On hold for another reason", elsewhere=True)
RELEASED = audit.kind("order.released", "Released", elsewhere=True)
ACCEPTED = audit.kind("order.hold_accepted", "Problem accepted")
SEEN = audit.kind("order.seen", "Marked as seen")
CANCELLED = audit.kind("order.cancelled", "Cancelled in Cartlink", elsewhere=True)
REPLACED = audit.kind("order.replaced", "Confirmed that the shop uses its id for another order")
READ_AGAIN = audit.kind("order.read_again", "Requested from the shop again")
SHIPPED = audit.kind("order.shipped", "Shipped", elsewhere=True)
UNDONE = audit.kind("order.shipment_undone", "Shipment undone", elsewhere=True)
VOIDED = audit.kind("order.shipment_voided", "Shipment voided", elsewhere=True)
TRACKING_CHANGED = audit.kind("order.tracking_changed", "Tracking changed", elsewhere=True)
ENTERED = audit.kind("order.entered", "Marked as done in the shop")
SENT_AGAIN = audit.kind("order.sent_again", "Shipment update tried again")
NOTE_ADDED = audit.kind("order.note_added", "Internal note added")
NOTE_REMOVED = audit.kind("order.note_removed", "Internal note removed")
TAGGED = audit.kind("order.tagged", "Tags changed")
ERASED = audit.kind("order.erased", "Customer’s data erased")


def about_orders(ids: Iterable[int]) -> list[About]:
    """These orders, with the newest integration of their shops."""
    return [
        About(row[0], row[1], row[2]) for row in db.session.execute(_query().where(Order.id.in_(list(ids))).order_by(Order.id))
    ]


def about_order(order: Order) -> About:
    return about_orders([order.id])[0]


def _query() -> Select[*tuple[Any, ...]]:
    return select(Order.id, func.coalesce(func.nullif(Order.number, ""), Order.external_id), newest_id_of(Order))
