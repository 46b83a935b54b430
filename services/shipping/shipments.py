"""Ship an order or some of its lines, cancel an order here, and mark its cancellation in the shop as seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import selectinload

from errors import AppError, Conflict, InvalidInput, NotFound
from extensions import db, reading, writing
from models import Order, OrderLine, Shipment, ShipmentLine, StockItem, WriteBack
from models.sku_key import tidy
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.common.text import one_line
from services.order_basics import holds
from services.order_basics.audited import CANCELLED, SEEN, SHIPPED, about_order, about_orders
from services.security.audit import record_change, record_changes
from services.shipping import by_hand, called_off, tracking_numbers, write_backs
from services.stock import allocations, ledger

MOST_CARRIER, MOST_TRACKING = 100, 255
SENT_LATER = "Sent to the shop once the whole order has been shipped."
"""The note of a parcel of a part-shipped order, where the shop has no status for that."""

Quantities = Mapping[int, int] | Callable[[Order], Mapping[int, int]] | None
"""What to ship of an order: pieces by line id, or a function that finds them once the order is locked; None for all that is left."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Pieces of a line that were shipped although they were not in stock."""

    line_id: int
    sku: str
    name: str
    pieces: int


@dataclass(frozen=True, slots=True)
class Shipped:
    """``event`` is what the next write-back sends to the shop: ``shipped``, ``part_shipped``, or nothing yet. ``missing`` are the pieces that
    were not in stock."""

    shipment_id: int
    order_id: int
    state: str
    event: str
    missing: tuple[Missing, ...] = ()

    @property
    def not_in_stock(self) -> str:
        """``2 × CUP, 1 × PLATE``; empty for none."""
        return ", ".join(f"{each.pieces} × {each.sku or each.name}" for each in self.missing)


@dataclass(frozen=True, slots=True)
class Together:
    """What a shipment has in common with others that are made with it: ``wait`` is how long the shop is not updated, so that they can be
    undone, ``batch`` names them, and ``beside`` is called in the transaction of each."""

    wait: timedelta = write_backs.AT_ONCE
    batch: str = ""
    beside: Callable[[], None] = lambda: None


ALONE = Together()


@dataclass(frozen=True, slots=True)
class Refused:
    """Why one of several orders was not shipped."""

    order_id: int
    number: str
    reason: str


class ShippedAlready(Conflict):
    """All of an order was shipped; a further parcel can be sent."""


@retry_on_deadlock
def ship(
    order_id: int, actor: str, *, carrier: str = "", tracking_number: str = "", quantities: Quantities = None,
    together: Together = ALONE,
) -> Shipped:  # fmt: skip
    """Ship ``quantities`` of an order; by default all that is left of it, in stock or not.

    The units are taken off stock at once, and the next write-back updates the shop. Raises NotFound, InvalidInput, or Conflict
    where the order may not be shipped; nothing is changed then."""
    carrier, tracking_number = clean_carrier(carrier), clean_tracking(tracking_number)
    with writing():
        items = allocations.load_items_of(Order.id == order_id)
        order = _locked(order_id)
        pieces = _may_ship(order, items, quantities)
        missing = tuple(
            Missing(line.id, line.sku, line.name, units - line.in_hand) for line, units in pieces if line.allocations and units > line.in_hand
        )  # fmt: skip
        shipment = _new_shipment(order, actor, carrier, tracking_number, together)
        _ship(order, items, shipment, pieces)
        return replace(_planned(order, shipment, together), missing=missing)


def refuse_unseen(order_id: int, shipped: int) -> None:
    """For ``beside``: raises Conflict where after this shipment another number of pieces of an order is shipped than a person expects."""
    if db.session.scalar(select(func.coalesce(func.sum(OrderLine.shipped), 0)).where(OrderLine.order_id == order_id)) != shipped:
        raise Conflict(
            "Pieces of this order were shipped since you opened its page, so nothing was shipped now.",
            "Look at what is left, then ship it.",
        )


def clean_carrier(carrier: str) -> str:
    """A carrier on one line. Raises InvalidInput."""
    return one_line(carrier, MOST_CARRIER, "carrier", "carrier")


def clean_tracking(tracking_number: str) -> str:
    """A tracking number on one line, without characters that nobody sees and a copied text may hold. Raises InvalidInput where a spreadsheet
    has damaged it, and for several numbers: the customer could not use it."""
    if wrong := tracking_numbers.trouble(tracking_number):
        raise InvalidInput(*wrong, field="tracking")
    return one_line(tidy(tracking_number), MOST_TRACKING, "tracking", "tracking")


@retry_on_deadlock
def add_parcel(
    order_id: int, actor: str, *, carrier: str = "", tracking_number: str, after: str = "", together: Together = ALONE
) -> Shipped:  # fmt: skip
    """Add a parcel to an order that was shipped, at least in part: its tracking number is sent to the shop with the others. ``after`` is
    the number of a parcel that it belongs to.

    Raises NotFound, InvalidInput, or Conflict where nothing has been shipped, where the order has this parcel already (two people may
    hand in the same file), or has not the other one (somebody has shipped it in another way)."""
    carrier, tracking_number = clean_carrier(carrier), clean_tracking(tracking_number)
    with writing():
        order = _locked(order_id)
        _refuse_parcel(order, tracking_number, after)
        return _planned(order, _new_shipment(order, actor, carrier, tracking_number, together), together)


def _refuse_parcel(order: Order, tracking_number: str, after: str) -> None:
    """Raises Conflict."""
    if not any(line.shipped for line in order.lines):
        raise Conflict(f"Nothing of order {order.number} has been shipped.")
    present = {bare(number) for number in write_backs.tracking_numbers(order.id)}
    if bare(tracking_number) in present:
        raise Conflict(f"Order {order.number} has a parcel with the tracking number {tracking_number} already.")
    if after and bare(after) not in present:
        raise Conflict(
            f"Order {order.number} was shipped without the parcel {after}, so the parcel {tracking_number} was not added.",
            "Look at the order's page, and ship what is missing there.",
        )


def bare(tracking_number: str) -> str:
    """A tracking number as it is compared: letter case and blanks do not count."""
    return "".join(tracking_number.split()).casefold()


def takes_parcel(order: Order, blocked: WriteBack | None) -> bool:
    """Whether all of an order was shipped and one more parcel of it can be sent to the shop. ``blocked`` is what blocks it
    (services/shipping/called_off.py)."""
    whole = bool(order.lines) and all(line.shipped >= line.quantity for line in order.lines)
    return whole and any(line.shipped for line in order.lines) and order.state != "cancelled" and blocked is None


def ship_many(
    orders: Sequence[tuple[int, str, str]], actor: str, together: Together = ALONE
) -> tuple[list[Shipped], list[Refused]]:  # fmt: skip
    """Ship several whole orders, (order id, carrier, tracking number); an order that may not be shipped stops no other."""
    done: list[Shipped] = []
    refused: list[Refused] = []
    for order_id, carrier, tracking_number in orders:
        try:
            done.append(ship(order_id, actor, carrier=carrier, tracking_number=tracking_number, together=together))
        except AppError as trouble:
            with reading():
                number = db.session.scalar(select(Order.number).where(Order.id == order_id)) or str(order_id)
            refused.append(Refused(order_id, number, trouble.sentence()))
    return done, refused


def refusal(order: Order, blocked: WriteBack | None) -> str:
    """Why an order may not be shipped now; empty where it may. ``blocked`` is what blocks it (services/shipping/called_off.py)."""
    left = any(line.quantity > line.shipped for line in order.lines)
    if order.called_off_at is not None and order.state == "cancelled":
        return f"Order {order.number} was cancelled here."
    if order.state == "cancelled" and order.cancel_unseen:
        return f"The shop has cancelled order {order.number}. Mark the cancellation as seen before you ship it."
    if not left:
        return f"Order {order.number} has been shipped already."
    if blocked is not None:
        return f"{blocked.error} Mark order {order.number} as handled before you ship more of it."
    if order.state == "on_hold":
        return f"Order {order.number} is on hold: {' '.join(order.held_reason.splitlines())}"
    if order.state == "awaiting_payment":
        return f"Order {order.number} still awaits payment."
    return ""


def _locked(order_id: int) -> Order:
    order = db.session.scalar(
        select(Order).where(Order.id == order_id).options(selectinload(Order.lines)).with_for_update()
    )  # fmt: skip
    if order is None:
        raise NotFound("There is no such order.")
    return order


def _may_ship(order: Order, items: dict[int, StockItem], quantities: Quantities) -> list[tuple[OrderLine, int]]:
    """The lines to be shipped with their pieces. Raises InvalidInput or Conflict."""
    blocked = called_off.blocked(order.id)
    reason = refusal(order, blocked)
    if reason and takes_parcel(order, blocked):
        raise ShippedAlready(reason, "To send a further parcel, add its tracking number on the order's page.")
    if reason:
        raise Conflict(reason)
    pieces = _pieces(order, quantities(order) if callable(quantities) else quantities)
    if not allocations.items_of(line for line, _ in pieces) <= items.keys():
        raise Conflict(f"Order {order.number} is changing just now.", "Try again.")
    return pieces


def _new_shipment(order: Order, actor: str, carrier: str, tracking_number: str, together: Together) -> Shipment:
    newest = db.session.scalar(select(func.max(WriteBack.id)).where(WriteBack.order_id == order.id))
    shipment = Shipment(
        order_id=order.id, carrier=carrier, tracking_number=tracking_number, actor=actor, batch=together.batch,
        after_write_back_id=newest,
    )  # fmt: skip
    db.session.add(shipment)
    order.updated_at = utcnow()
    if tracking_number:
        by_hand.withdraw(order.id, "number", tracking_number)
    db.session.flush()
    return shipment


def _ship(order: Order, items: dict[int, StockItem], shipment: Shipment, pieces: Sequence[tuple[OrderLine, int]]) -> None:
    """Take the pieces off stock and evaluate the order."""
    offered = {item_id: item.available for item_id, item in items.items()}
    for line, units in pieces:
        made = allocations.ship(line, items, ledger.Reason(shipment.actor, "shipped"), pieces=units)
        taken = {str(entry.stock_item_id): -entry.on_hand_change for entry in made if entry.on_hand_change}
        db.session.add(
            ShipmentLine(
                shipment_id=shipment.id, order_line_id=line.id, sku=line.sku, name=line.name, quantity=units, taken=taken
            )
        )
    rules = holds.rules_for_shop(order.shop_id)
    if rules is not None:
        holds.apply(order, holds.evaluate(order, order.lines, rules))
    db.session.flush()
    ledger.request_push(item_id for item_id, item in items.items() if item.available != offered[item_id])


def _planned(order: Order, shipment: Shipment, together: Together) -> Shipped:
    """Plan the update of the shop about a new shipment."""
    whole = all(line.shipped >= line.quantity for line in order.lines)
    planned = write_backs.plan(order, "shipped" if whole else "part_shipped", shipment.actor, together.wait)
    if whole:
        by_hand.withdraw(order.id, "status")
    if planned is None:
        note_unsent([order])
    sent = {"carrier": (None, shipment.carrier or None), "tracking_number": (None, shipment.tracking_number or None)}
    record_change(SHIPPED, about_order(order), {**sent, "state": (None, order.state)}, shipment.actor)
    together.beside()
    return Shipped(shipment.id, order.id, order.state, planned.event if planned is not None else "")


def note_unsent(orders: Sequence[Order]) -> None:
    """Say of each parcel of these orders whose tracking number the shop neither shows nor is sent now when the shop gets it, if it ever
    does. Call it inside ``writing()``."""
    db.session.flush()
    by_id = {order.id: order for order in orders}
    present = select(Shipment).where(Shipment.id.in_(write_backs.present_shipments(*by_id)), Shipment.tracking_number != "")
    numbered = db.session.scalars(present).all()
    updates: defaultdict[int, list[WriteBack]] = defaultdict(list)
    for row in write_backs.of_orders({shipment.order_id for shipment in numbered}):
        if row.state in ("waiting", "sending", "done", "failed"):
            updates[row.order_id].append(row)
    for shipment in numbered:
        order = by_id[shipment.order_id]
        if shipment.tracking_number not in write_backs.known_numbers(order, updates[order.id]):
            left = any(line.shipped < line.quantity for line in order.lines)
            shipment.note = SENT_LATER if left and order.superseded_at is None else ""


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


def mark_cancellation_seen(order_ids: Sequence[int], actor: str) -> int:
    """Mark as seen that the shop cancelled, declined or refunded these orders. What was not sent to the shop
    because of it is not sent any more. Returns how many orders were new to them."""
    with writing() as session:
        unseen = set(session.scalars(select(Order.id).where(Order.id.in_(order_ids), Order.cancel_unseen)))
        session.execute(
            update(Order)
            .where(Order.id.in_(unseen))
            .values(cancel_unseen=False, updated_at=utcnow())
            .execution_options(synchronize_session=False)
        )
        marked = unseen | called_off.mark_handled(order_ids, actor)
        record_changes(SEEN, about_orders(marked), {"cancellation_in_the_shop": (None, "seen")}, actor)
        return len(marked)


@retry_on_deadlock
def cancel_order(order_id: int, actor: str) -> str:
    """Cancel an order here: what it reserves is free again, and the shop is updated where a status is set for that.

    Returns the event that is sent to the shop, empty for none. Raises NotFound, or Conflict where something was shipped."""
    with writing():
        items = allocations.load_items_of(Order.id == order_id)
        order = _locked(order_id)
        if order.state == "cancelled":
            return ""
        if any(line.shipped for line in order.lines):
            raise Conflict(f"Order {order.number} has been shipped, at least in part.", "It can only be cancelled in the shop.")
        record_change(CANCELLED, about_order(order), {"state": (order.state, "cancelled")}, actor)
        order.called_off_at = utcnow()
        rules = holds.rules_for_shop(order.shop_id)
        freed = allocations.release_order(order, items, actor=actor)
        if rules is not None:
            holds.apply(order, holds.evaluate(order, order.lines, rules))
        allocations.pass_on([items[item_id] for item_id in sorted(freed)], actor=actor)
        ledger.request_push(freed)
        planned = write_backs.plan(order, "cancelled", actor)
        return planned.event if planned is not None else ""


def of_order(order_id: int) -> list[Shipment]:
    """An order's shipments with their lines, oldest first."""
    query = select(Shipment).where(Shipment.order_id == order_id).options(selectinload(Shipment.lines)).order_by(Shipment.id)
    return list(db.session.scalars(query))


def find_shipment(order_id: int, shipment_id: int) -> Shipment:
    """A shipment of an order. Raises NotFound."""
    found = db.session.scalar(select(Shipment).where(Shipment.id == shipment_id, Shipment.order_id == order_id))
    if found is None:
        raise NotFound("There is no such shipment.")
    return found
