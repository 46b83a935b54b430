"""What undoing and voiding a shipment share: its units come back on hand, and its order reserves them again.

Everything here is called inside ``writing()``. Nothing here changes what a shop shows.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from errors import Conflict, NotFound
from extensions import db
from models import Allocation, Order, OrderLine, Shipment, ShipmentLine, StockEntry, StockItem, WriteBack
from models.types import utcnow
from services.order_basics import holds
from services.order_basics.audited import UNDONE, VOIDED, about_order
from services.security.audit import record_change
from services.shipping import shipped_lines
from services.stock import allocations, ledger, released
from services.stock.ledger import Reason

TAKEN_BACK = ("shipped", "undone", "voided")
"""The causes in the ledger by which shipments take units off on hand and give them back."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A shipment with its order and its stock items, all locked."""

    shipment: Shipment
    order: Order
    items: dict[int, StockItem]


def open_shipment(shipment_id: int) -> Opened:
    """Lock a shipment, its order and its stock items: the stock items first (services/common/deadlocks.py). Raises NotFound, or
    Conflict where it was taken back already."""
    order_id = db.session.scalar(select(Shipment.order_id).where(Shipment.id == shipment_id))
    if order_id is None:
        raise NotFound("There is no such shipment.")
    allocated = select(Allocation.stock_item_id).join(OrderLine).where(OrderLine.order_id == order_id)
    lines = db.session.scalars(select(ShipmentLine).where(ShipmentLine.shipment_id == shipment_id)).all()
    items = ledger.load_items({*db.session.scalars(allocated), *(int(each) for line in lines for each in line.taken or ())})
    order = db.session.scalars(
        select(Order).where(Order.id == order_id).options(selectinload(Order.lines)).with_for_update()
        .execution_options(populate_existing=True)
    ).one()  # fmt: skip
    if not allocations.items_of(order.lines) <= items.keys():
        raise Conflict(f"Order {order.number} is changing just now.", "Try again.")
    shipment = db.session.get_one(Shipment, shipment_id, populate_existing=True)
    if shipment.voided_at is not None:
        raise Conflict(f"This shipment of order {order.number} was {'undone' if shipment.undone else 'voided'} already.")
    return Opened(shipment, order, items)


def take_back(opened: Opened, actor: str, cause: str) -> None:
    """Mark a shipment as taken back (``cause`` is ``undone`` or ``voided``), put its units back on hand, and have its order reserve
    them again, as far as it is open."""
    shipment, order, items = opened.shipment, opened.order, opened.items
    offered = {item_id: item.available for item_id, item in items.items()}
    reason = Reason(actor, cause)
    shipment.voided_at, shipment.voided_by, shipment.undone = utcnow(), actor, cause == "undone"
    shipment.note, shipment.by_hand = "", False
    record_change(UNDONE if cause == "undone" else VOIDED, about_order(order), actor=actor)
    order.updated_at = utcnow()
    lines = {line.id: line for line in order.lines}
    for each in shipment.lines:
        line = lines.get(each.order_line_id or -1)
        for item_id, units in _taken(order.id, each, line).items():
            ledger.enter(items[item_id], reason, on_hand=units, order_id=order.id)
        counted = min(each.quantity, line.shipped) if line is not None else 0
        if line is not None:
            line.shipped -= counted
        # Its pieces may be counted on other lines: the shop has changed the lines since, and a person has said so.
        shipped_lines.uncount(order, shipment, each, each.quantity - counted)
    rules = holds.rules_for_shop(order.shop_id)
    if rules is not None and rules.stage_of(order) == "open" and not released.is_released(order.shop_id):
        for line in order.lines:
            allocations.reserve(line, items, reason)
    if rules is not None:
        holds.apply(order, holds.evaluate(order, order.lines, rules))
    # What it no longer needs goes to those that lack it.
    allocations.pass_on([items[item_id] for item_id in sorted(items)], actor=actor)
    ledger.request_push(item_id for item_id, item in items.items() if item.available != offered[item_id])


def _taken(order_id: int, shipped: ShipmentLine, line: OrderLine | None) -> dict[int, int]:
    """The units that a line of a shipment took off on hand, by stock item. Of a shipment from before that was stored: what its pieces
    take, and never more than the order has taken in all."""
    if shipped.taken is not None:
        return {int(item_id): units for item_id, units in shipped.taken.items()}
    if line is None:
        return {}
    gone = dict(
        db.session.execute(
            select(StockEntry.stock_item_id, -func.sum(StockEntry.on_hand_change))
            .where(StockEntry.order_id == order_id, StockEntry.cause.in_(TAKEN_BACK))
            .group_by(StockEntry.stock_item_id)
        ).all()
    )
    wanted = {each.stock_item_id: shipped.quantity * each.units for each in line.allocations}
    return {item_id: min(units, max(0, gone.get(item_id, 0))) for item_id, units in wanted.items()}


def sent_or_tried(order_id: int) -> list[WriteBack]:
    """The write-backs of an order that a run has claimed: its shop may show what they say."""
    query = select(WriteBack).where(WriteBack.order_id == order_id, WriteBack.tried_at.is_not(None)).order_by(WriteBack.id)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))
