"""Void a shipment, or change its carrier and tracking number, after the shop may know of it.

Both change Cartlink only. The shop's status never goes back and tracking numbers that were sent are not deleted there: a new number is
added, and what remains is listed as something to do in the shop by hand (services/shipping/by_hand.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from errors import Conflict
from extensions import db, writing
from models import Order, Shipment, SyncRun, WriteBack
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.order_basics import holds
from services.order_basics.audited import TRACKING_CHANGED, about_order
from services.security.audit import record_change
from services.shipping import by_hand, called_off, reversal, shipments, write_backs


@dataclass(frozen=True, slots=True)
class Changed:
    """``left`` is what a person still has to do in the shop, as sentences."""

    order_id: int
    state: str
    left: list[str]


@retry_on_deadlock
def void(shipment_id: int, actor: str) -> Changed:
    """Void a shipment: its units come back on hand and its order can be shipped again, although the shop may show it as shipped.

    Raises NotFound, or Conflict where it was taken back already or the shop is being updated at this moment."""
    with writing() as session:
        opened = reversal.open_shipment(shipment_id)
        shipment, order = opened.shipment, opened.order
        _refuse_while_sending(order)
        tried = reversal.sent_or_tried(order.id)
        _close_unsent(order, actor)
        _reopen(shipment, order, tried)
        reversal.take_back(opened, actor, "voided")
        session.flush()
        if _may_be_there(shipment.tracking_number, order, tried):
            _ask_to_remove(shipment, shipment.tracking_number, actor)
        if order.reopened_status and any(line.shipped < line.quantity for line in order.lines):
            by_hand.ask(shipment, "status", "", actor)
        write_backs.plan_unsent(order, actor)
        shipments.note_unsent([order])
        return _changed(order)


@retry_on_deadlock
def edit_tracking(shipment_id: int, actor: str, *, carrier: str, tracking_number: str) -> Changed:
    """Change the carrier and the tracking number of a shipment; a new number is sent to the shop.

    Raises NotFound, InvalidInput, or Conflict where the shipment was taken back."""
    carrier, tracking_number = shipments.clean_carrier(carrier), shipments.clean_tracking(tracking_number)
    with writing() as session:
        opened = reversal.open_shipment(shipment_id)
        shipment, order = opened.shipment, opened.order
        before = shipment.tracking_number
        if (carrier, tracking_number) != (shipment.carrier, before):
            was = {"at": utcnow().isoformat(), "by": actor, "carrier": shipment.carrier, "tracking": before}
            changes = {"carrier": (shipment.carrier, carrier), "tracking_number": (before, tracking_number)}
            record_change(TRACKING_CHANGED, about_order(order), changes, actor)
            shipment.edits, shipment.carrier = [*shipment.edits, was], carrier
        if tracking_number != before:
            shipment.tracking_number, shipment.note, shipment.by_hand, shipment.entered_at = tracking_number, "", False, None
            order.updated_at = utcnow()
            session.flush()
            if tracking_number:
                by_hand.withdraw(order.id, "number", tracking_number)
            if _may_be_there(before, order, reversal.sent_or_tried(order.id)):
                _ask_to_remove(shipment, before, actor)
            _plan_again(order, actor)
            shipments.note_unsent([order])
        return _changed(order)


def _changed(order: Order) -> Changed:
    return Changed(order.id, order.state, [by_hand.sentence(task) for task in by_hand.tasks(order.id)])


def _refuse_while_sending(order: Order) -> None:
    """What a run has left behind whose worker died is sent by nobody at this moment, and where no run follows, by nobody ever."""
    sending = select(WriteBack.id).join(SyncRun, SyncRun.id == WriteBack.run_id).where(
        WriteBack.order_id == order.id, WriteBack.state == "sending", SyncRun.state == "running"
    )  # fmt: skip
    if db.session.scalar(sending.limit(1)) is not None:
        raise Conflict(f"The shop is being updated about order {order.number} at this moment.", "Try again in a minute.")


def _close_unsent(order: Order, actor: str) -> None:
    """Have nothing sent that was planned while the shipment counted. What is blocked because the shop called the order off is not sent
    and stays for a person to see. Raises Conflict where a run claims it at this moment."""
    unsent = select(WriteBack).where(
        WriteBack.order_id == order.id, WriteBack.state.in_(("waiting", "failed", "sending")), WriteBack.event != "cancelled",
        WriteBack.error_code != called_off.CODE,
    )  # fmt: skip
    rows = db.session.scalars(unsent.with_for_update().execution_options(populate_existing=True)).all()
    _refuse_while_sending(order)
    for row in rows:
        row.state, row.finished_at, row.actor = "undone", utcnow(), actor
    db.session.flush()
    _refuse_while_sending(order)


def _reopen(shipment: Shipment, order: Order, tried: list[WriteBack]) -> None:
    """Have the shop's *shipped* not count any more, where this shipment may be behind it."""
    rules = holds.rules_for_shop(order.shop_id)
    returned = {each.order_line_id: each.quantity for each in shipment.lines}
    if rules is None or all(line.shipped - returned.get(line.id, 0) >= line.quantity for line in order.lines):
        return
    if rules.stage(order.payment_status, order.shipping_status) == "shipped":
        order.reopened_status = order.shipping_status
    elif any(row.event == "shipped" for row in tried):
        # It may be there, and be seen by the next reading only.
        integration = write_backs.integration_of(order.shop_id)
        order.reopened_status = integration.processed_status if integration is not None else ""


def _may_be_there(number: str, order: Order, tried: list[WriteBack]) -> bool:
    """Whether the shop may show a tracking number."""
    return bool(number) and number in write_backs.known_numbers(order, tried)


def _ask_to_remove(shipment: Shipment, number: str, actor: str) -> None:
    """Unless another parcel of the order has the same number."""
    if number not in write_backs.tracking_numbers(shipment.order_id):
        by_hand.ask(shipment, "number", number, actor)


def _plan_again(order: Order, actor: str) -> None:
    """Have the tracking numbers of today sent. What waits keeps its time, and so its undo; a run that claims it at this moment has the
    old number, and the next one brings the new."""
    waits = write_backs.waiting(order.id)
    if waits is None:
        write_backs.plan_unsent(order, actor)
        return
    due_at, tried_at = waits.due_at, waits.tried_at
    planned = write_backs.plan(order, waits.event, actor, max(write_backs.AT_ONCE, due_at - utcnow()))
    if planned is not None:
        planned.tried_at = tried_at
