"""Shipping: an order, or some of its lines, handed to a carrier; and an order cancelled here, or its cancelling acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import selectinload

from errors import AppError, Conflict, InvalidInput, NotFound
from extensions import db, writing
from models import LinePart, Order, OrderLine, Shipment, ShipmentLine, StockItem
from models.types import utcnow
from services import holds, kits, ledger, write_backs
from services.clashes import done_again
from services.words import one_line

MOST_CARRIER, MOST_TRACKING = 100, 255


@dataclass(frozen=True, slots=True)
class Shipped:
    """``told`` says what the shop is told: ``shipped``, ``part_shipped``, or nothing yet."""

    shipment_id: int
    order_id: int
    state: str
    told: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why one of several orders was not shipped."""

    order_id: int
    number: str
    reason: str


@done_again
def ship(
    order_id: int, actor: str, *, carrier: str = "", tracking_number: str = "", quantities: Mapping[int, int] | None = None,
    beside: Callable[[], None] = lambda: None,
) -> Shipped:  # fmt: skip
    """Ship what is left of an order, or of the lines named: ``quantities`` are pieces by line id.

    Stock leaves the books at once, and the shop is told by the next write-back. ``beside`` is done in the same transaction. Raises NotFound, InvalidInput, or Conflict
    where the order may not be shipped; nothing is changed then."""
    carrier = one_line(carrier, MOST_CARRIER, "carrier", "carrier")
    tracking_number = one_line(tracking_number, MOST_TRACKING, "tracking", "tracking")
    with writing():
        items = _items_of(order_id)
        shipped = _ship(_locked(order_id), items, actor, carrier, tracking_number, quantities)
        beside()
        return shipped


def ship_many(
    orders: Sequence[tuple[int, str, str]], actor: str
) -> tuple[list[Shipped], list[Refused]]:  # fmt: skip
    """Ship several whole orders, (order id, carrier, tracking number); one that may not be shipped stops no other."""
    done: list[Shipped] = []
    refused: list[Refused] = []
    for order_id, carrier, tracking_number in orders:
        try:
            done.append(ship(order_id, actor, carrier=carrier, tracking_number=tracking_number))
        except AppError as trouble:
            number = db.session.scalar(select(Order.number).where(Order.id == order_id)) or str(order_id)
            db.session.rollback()
            refused.append(Refused(order_id, number, trouble.sentence()))
    return done, refused


def refusal(order: Order) -> str:
    """Why an order may not be shipped now; empty where it may."""
    left = any(line.quantity > line.shipped for line in order.lines)
    if order.called_off_at is not None and order.state == "cancelled":
        return f"Order {order.number} was cancelled here."
    if order.state == "cancelled" and order.cancel_unseen:
        return f"The shop has cancelled order {order.number}. Acknowledge that before you ship it."
    if not left:
        return f"Order {order.number} has been shipped already."
    if order.state == "on_hold":
        return f"Order {order.number} is on hold: {' '.join(order.held_reason.splitlines())}"
    if order.state == "awaiting_payment":
        return f"Order {order.number} still awaits payment."
    return ""


def _items_of(order_id: int) -> dict[int, StockItem]:
    """The stock items of an order's lines, locked: they are locked before orders (services/clashes.py)."""
    lines = select(OrderLine.stock_item_id).where(OrderLine.order_id == order_id, OrderLine.stock_item_id.is_not(None))
    parts = select(LinePart.stock_item_id).join(OrderLine).where(OrderLine.order_id == order_id)
    return ledger.load_items({*db.session.scalars(lines), *db.session.scalars(parts)})


def _locked(order_id: int) -> Order:
    order = db.session.scalar(
        select(Order).where(Order.id == order_id).options(selectinload(Order.lines)).with_for_update()
    )  # fmt: skip
    if order is None:
        raise NotFound("There is no such order.")
    return order


def _ship(
    order: Order,
    items: dict[int, StockItem],
    actor: str,
    carrier: str,
    tracking_number: str,
    quantities: Mapping[int, int] | None,
) -> Shipped:
    reason = refusal(order)
    if reason:
        raise Conflict(reason)
    pieces = _pieces(order, quantities)
    wanted = {line.stock_item_id for line, _ in pieces if line.stock_item_id is not None} | kits.items_of(
        line for line, _ in pieces
    )
    if not wanted <= items.keys():
        raise Conflict(f"Order {order.number} is changing just now.", "Try again.")
    offered = {item_id: item.available for item_id, item in items.items()}
    shipment = Shipment(order_id=order.id, carrier=carrier, tracking_number=tracking_number, actor=actor)
    db.session.add(shipment)
    db.session.flush()
    for line, units in pieces:
        _take(line, units, items, actor)
        db.session.add(ShipmentLine(shipment_id=shipment.id, order_line_id=line.id, sku=line.sku, name=line.name, quantity=units))
    rules = holds.rules_for_shop(order.shop_id)
    if rules is not None:
        holds.apply(order, holds.judge(order, order.lines, rules))
    db.session.flush()
    ledger.mark_stale(item_id for item_id, item in items.items() if item.available != offered[item_id])
    whole = all(line.shipped >= line.quantity for line in order.lines)
    planned = write_backs.plan(order, "shipped" if whole else "part_shipped", actor)
    if planned is None and tracking_number:
        shipment.note = "The shop is told when the whole order has been shipped."
    return Shipped(shipment.id, order.id, order.state, planned.event if planned is not None else "")


def _pieces(order: Order, quantities: Mapping[int, int] | None) -> list[tuple[OrderLine, int]]:
    """The lines to be shipped with their pieces. Raises InvalidInput."""
    if quantities is None:
        return [(line, line.quantity - line.shipped) for line in order.lines if line.quantity > line.shipped]
    lines = {line.id: line for line in order.lines}
    if quantities.keys() - lines.keys():
        raise InvalidInput(f"Order {order.number} has changed since you looked at it.", "Load the page again.")
    chosen = [(lines[line_id], units) for line_id, units in quantities.items() if units]
    if not chosen:
        raise InvalidInput("No line was chosen.", "Say how many pieces of at least one line are shipped.")
    for line, units in chosen:
        left = line.quantity - line.shipped
        if not 0 < units <= left:
            raise InvalidInput(
                f"{line.sku or line.name}: {units} cannot be shipped, {max(left, 0)} are left.", "Ship at most what is left."
            )
    return sorted(chosen, key=lambda each: each[0].position)


def _take(line: OrderLine, units: int, items: dict, actor: str) -> None:
    if line.stock_item_id is not None:
        ledger.ship(line, items[line.stock_item_id], actor=actor, units=units)
    elif line.parts:
        kits.ship(line, items, actor=actor, pieces=units)
    else:
        line.shipped += units


def acknowledge_cancelling(order_ids: Sequence[int], actor: str) -> int:
    """Note that a person has seen that the shop cancelled these orders; answers with how many were new to them."""
    with writing() as session:
        seen = session.execute(
            update(Order)
            .where(Order.id.in_(order_ids), Order.cancel_unseen)
            .values(cancel_unseen=False)
            .execution_options(synchronize_session=False)
        )
        return seen.rowcount


@done_again
def cancel_order(order_id: int, actor: str) -> str:
    """Cancel an order here: what it reserves is free again, and the shop is told where a status is set for that.

    Answers with the event the shop is told, empty for none. Raises NotFound, or Conflict where something was shipped."""
    with writing():
        items = _items_of(order_id)
        order = _locked(order_id)
        if order.state == "cancelled":
            return ""
        if any(line.shipped for line in order.lines):
            raise Conflict(f"Order {order.number} has been shipped, at least in part.", "It can only be cancelled in the shop.")
        order.called_off_at = utcnow()
        rules = holds.rules_for_shop(order.shop_id)
        touched: set[int] = set()
        for line in order.lines:
            if line.stock_item_id is not None:
                if ledger.release(line, items[line.stock_item_id], actor=actor, cause="cancelled"):
                    touched.add(line.stock_item_id)
            else:
                touched |= kits.release(line, items, actor=actor, cause="cancelled")
        if rules is not None:
            holds.apply(order, holds.judge(order, order.lines, rules))
        db.session.flush()
        holds.judge_again(other for item_id in sorted(touched) for other in ledger.allot(items[item_id], actor=actor))
        ledger.mark_stale(touched)
        planned = write_backs.plan(order, "cancelled", actor)
        return planned.event if planned is not None else ""


def of_order(order_id: int) -> list[Shipment]:
    """An order's shipments with their lines, oldest first."""
    query = select(Shipment).where(Shipment.order_id == order_id).options(selectinload(Shipment.lines)).order_by(Shipment.id)
    return list(db.session.scalars(query))
