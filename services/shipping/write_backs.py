"""Write-backs: updates that are sent to the shop about an order, kept in rows until the shop has taken them.

A write-back is claimed by a conditional update and sent inside a run of kind ``shipments``, of which an integration has one at
a time. The channel reads the order first, so one that was sent before its worker died is found done and not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, func, or_, select

from channels.base import Channel
from channels.results import ShipmentResult
from errors import ChannelError, OrderCalledOff, RunStopped
from extensions import db, reading, writing
from models import FlowKind, Integration, Order, RunItem, Shipment, WriteBack
from models.order import GONE_CODE
from models.types import utcnow
from services.common.backoff import wait_for
from services.common.claims import change_if
from services.order_basics import holds, identity
from services.runs.lease import Lease
from services.shipping import by_hand, called_off
from services.shops import flows

AT_ONCE = timedelta(0)
MOST_TRIES = 12
"""Tries, over about two days, after which a person is asked."""


SETTING = {"shipped": "processed_status", "part_shipped": "part_shipped_status", "cancelled": "cancelled_status"}
"""Which setting of the integration names the shop's status for an event."""

MANY_IN_A_ROW = 3


def integration_of(shop_id: int) -> Integration | None:
    """The integration a shop is connected by now; None where it was removed."""
    return db.session.scalar(select(Integration).where(Integration.shop_id == shop_id, Integration.removed_at.is_(None)))


def plan(order: Order, event: str, actor: str, wait: timedelta = AT_ONCE) -> WriteBack | None:
    """Plan an update of the shop about an order, due after ``wait``. A write-back of the same order that still waits is replaced, because this
    one contains it. None where no status is set for such an event, where the shop uses the order's id for another, or where the order waits for a
    person because the shop called it off. Call it inside ``writing()``."""
    if order.superseded_at is not None or (event != "cancelled" and called_off.blocked(order.id) is not None):
        return None
    integration = integration_of(order.shop_id)
    if event != "shipped" and (integration is None or not getattr(integration, SETTING[event])):
        return None
    replaced = waiting(order.id)
    if replaced is not None:
        replaced.state, replaced.finished_at = "replaced", utcnow()
        db.session.flush()
    planned = WriteBack(
        order_id=order.id, shop_id=order.shop_id, event=event, actor=actor, tracking_numbers=tracking_numbers(order.id),
        due_at=utcnow() + wait,
    )  # fmt: skip
    db.session.add(planned)
    db.session.flush()
    if replaced is not None:
        replaced.replaced_by = planned.id
    flows.make_due_by(flows.of_shops([order.shop_id]), FlowKind.SHIPMENTS, planned.due_at)
    return planned


def waiting(order_id: int) -> WriteBack | None:
    """The write-back of an order that waits, locked, as it is now. Call it inside ``writing()``."""
    query = select(WriteBack).where(WriteBack.order_id == order_id, WriteBack.state == "waiting").with_for_update()
    return db.session.scalar(query.execution_options(populate_existing=True))


def cancel_untried(row_id: int) -> bool:
    """Have a write-back not sent; False where a run has claimed it, at this very moment or before. Call it inside ``writing()``."""
    untried = (WriteBack.state.in_(("waiting", "failed")), WriteBack.tried_at.is_(None))
    return change_if(WriteBack, row_id, *untried, state="undone", finished_at=utcnow())


def plan_unsent(order: Order, actor: str) -> WriteBack | None:
    """Plan what the shop has not been sent of the shipments that are left of an order, after one was undone, voided or changed. None
    where nothing is left to send. Call it inside ``writing()``."""
    numbers = tracking_numbers(order.id)
    if order.state == "cancelled" or db.session.scalar(present_shipments(order.id).limit(1)) is None:
        return None
    event = shipped_event(order)
    rows = [row for row in of_order(order.id) if row.state in ("waiting", "sending", "done")]
    known = known_numbers(order, rows)
    said = any(row.event in ("shipped", event) for row in rows)
    return None if said and known.issuperset(numbers) else plan(order, event, actor)


def shipped_event(order: Order) -> str:
    """What the shop is sent of an order that has been shipped: ``shipped``, or ``part_shipped`` while pieces are left."""
    return "shipped" if all(line.shipped >= line.quantity for line in order.lines) else "part_shipped"


def known_numbers(order: Order, rows: Iterable[WriteBack]) -> set[str]:
    """The tracking numbers that the shop shows, or that these write-backs brought or bring."""
    return {*order.tracking_numbers, *(number for row in rows for number in row.tracking_numbers)}


def present_shipments(*order_ids: int) -> Select[int]:
    """The ids of the orders' shipments that were not undone or voided."""
    return select(Shipment.id).where(Shipment.order_id.in_(order_ids), Shipment.voided_at.is_(None))


def plan_rest(order: Order, shipped_there: bool, actor: str) -> WriteBack | None:
    """Plan what the shop has not been sent of an order that became shipped because the shop changed it: people removed there what
    was left to ship, or marked it as shipped themselves (``shipped_there``) while tracking numbers were kept for the whole.

    None where nothing was shipped here, or nothing is left to send. Call it inside ``writing()``."""
    if db.session.scalar(present_shipments(order.id).limit(1)) is None:
        return None
    planned = [row for row in of_order(order.id) if row.state not in ("replaced", "undone")]
    known = known_numbers(order, planned)
    marked = shipped_there or any(row.event == "shipped" for row in planned)
    return None if marked and known.issuperset(tracking_numbers(order.id)) else plan(order, "shipped", actor)


def tracking_numbers(order_id: int) -> list[str]:
    """All tracking numbers of an order's shipments, none twice, in the order they were entered."""
    query = present_shipments(order_id).with_only_columns(Shipment.tracking_number).where(Shipment.tracking_number != "")
    return list(dict.fromkeys(db.session.scalars(query.order_by(Shipment.id))))


@dataclass(frozen=True, slots=True)
class _Sending:
    id: int
    order_id: int
    external_id: str
    number: str
    event: str
    tracking_numbers: list[str]
    cancel_unseen: bool


def send_due(lease: Lease, channel: Channel, pause: Callable[[], bool]) -> str:
    """Send the shop everything that is due. Returns ``done``, ``partial`` (some could not be sent) or ``pause``.

    Raises ChannelError for a problem of the whole shop, or RunStopped from the lease; what was not sent waits."""
    trouble_in_a_row = trouble_at_all = 0
    _count_total(lease)
    by_hand.recall(lease.shop_id, channel)
    while (sending := _claim(lease)) is not None:
        if not sending.id:
            continue
        try:
            result = _send(lease, channel, sending)
        except RunStopped:
            _back(lease, sending, wait=0)
            raise
        except ChannelError as trouble:
            lease.requests = channel.requests
            if trouble.concerns == "shop":
                _back(lease, sending, wait=0)
                raise
            trouble_in_a_row += 1
            trouble_at_all += _note_trouble(lease, sending, trouble)
            if trouble.retryable and trouble_in_a_row >= MANY_IN_A_ROW:
                raise
        else:
            lease.requests = channel.requests
            trouble_in_a_row = 0
            if result is None:
                trouble_at_all += 1
        if pause():
            return "pause"
    _plan_next(lease)
    return "partial" if trouble_at_all else "done"


def _open(shop_id: int) -> tuple[ColumnElement[bool], ...]:
    """What a dead run was sending is due at once, even if its time says otherwise: a clock that was ahead may have written it."""
    return (
        WriteBack.shop_id == shop_id, WriteBack.state.in_(("waiting", "sending")),
        or_(WriteBack.state == "sending", WriteBack.due_at <= utcnow()),
    )  # fmt: skip


def _count_total(lease: Lease) -> None:
    with reading():
        lease.total = lease.done + (db.session.scalar(select(func.count()).where(*_open(lease.shop_id))) or 0)


def _claim(lease: Lease) -> _Sending | None:
    """Take the oldest write-back that is due. One that is ``sending`` was left behind by a run whose worker died."""
    with lease.page() as session:
        found = session.execute(
            select(WriteBack.id, WriteBack.state, WriteBack.order_id, WriteBack.event, WriteBack.tracking_numbers,
                   Order.external_id, Order.number, Order.cancel_unseen, Order.superseded_at)
            .join(Order, Order.id == WriteBack.order_id)
            .where(*_open(lease.shop_id))
            .order_by(WriteBack.id)
            .limit(1)
        ).one_or_none()  # fmt: skip
        if found is None:
            return None
        ended = found.superseded_at is not None
        values = {
            "state": "sending", "run_id": lease.run_id, "tries": WriteBack.tries + 1, "tried_at": func.coalesce(WriteBack.tried_at, utcnow()),
        }  # fmt: skip
        claimed = change_if(WriteBack, found.id, WriteBack.state == found.state, **(_ended_by_reuse() if ended else values))
        if ended or not claimed:
            # Where it was replaced at this very moment, what replaced it is due as well.
            return _Sending(0, found.order_id, "", "", "", [], False)
    return _Sending(
        found.id, found.order_id, found.external_id, found.number, found.event, list(found.tracking_numbers), found.cancel_unseen
    )


def _ended_by_reuse() -> dict[str, Any]:
    """The columns of a write-back that was left behind by a run, whose order's id the shop has used for another order since."""
    return {"state": "replaced", "finished_at": utcnow(), "note": identity.USED_AGAIN}


def _send(lease: Lease, channel: Channel, sending: _Sending) -> ShipmentResult | None:
    """Send one write-back and store the shop's answer; None if it must not be sent."""
    with reading():
        integration = db.session.get_one(Integration, lease.integration_id)
        status = getattr(integration, SETTING[sending.event])
    cancelling = sending.event == "cancelled"
    if sending.cancel_unseen and not cancelling:
        raise OrderCalledOff("The shop has cancelled this order, so it was not marked as shipped there.")
    if not status:
        _fail(
            lease, sending, "no_status", "No status is set for this.", "Choose one in the integration's settings, then try again."
        )
        return None
    result = channel.put_shipment(
        sending.external_id, status=status, tracking_numbers=sending.tracking_numbers, cancelling=cancelling,
        same_order=called_off.compare_with(sending.order_id),
    )  # fmt: skip
    by_hand.keep(lease.shop_id, channel)
    with lease.page() as session:
        row = session.get_one(WriteBack, sending.id)
        row.state, row.finished_at, row.status = "done", utcnow(), status
        row.sent, row.answer, row.note = result.sent, result.shipping_status[:40], result.note
        row.error = row.error_code = row.advice = ""
        _store_status(session.get_one(Order, sending.order_id, with_for_update=True), result)
        if by_hand.note_on_shipments(sending.order_id, result):
            lease.warn(f"Order {sending.number}: the shop takes no tracking numbers. {by_hand.ADVICE}")
        # The note may quote tracking numbers: it stays with the order, where it is hidden and erased with its customer.
        _item(lease, sending, "sent" if result.sent else "skipped", "See the note in its time-line." if result.note else "")
        lease.done += 1
        lease.count("sent" if result.sent else "there_already")
    return result


def _store_status(order: Order, result: ShipmentResult) -> None:
    """Store the status that this write-back caused, so that the next download does not take it for a change made in the
    shop. If the status means more than was shipped here, the download applies it."""
    if order.erased_at is None:
        order.tracking_numbers = list(result.tracking_numbers)
    rules = holds.rules_for_shop(order.shop_id)
    if rules is None or not result.shipping_status:
        return
    was_back, is_back = (rules.puts_back(order.payment_status, code) for code in (order.shipping_status, result.shipping_status))
    if was_back is None or was_back != is_back:
        # The shop may have moved its stock: the next download compares it.
        return
    stage = rules.stage(order.payment_status, result.shipping_status)
    if stage == "open" or (stage == "shipped" and order.state == "shipped"):
        order.shipping_status = result.shipping_status


def _back(lease: Lease, sending: _Sending, wait: float) -> None:
    """Nothing was sent: the write-back waits again. Without the lease the next run finds it unchanged."""
    with writing():
        ours = (WriteBack.state == "sending", WriteBack.run_id == lease.run_id)
        values = {**_waiting_or_replaced(sending.order_id), "due_at": utcnow() + timedelta(seconds=wait)}
        change_if(WriteBack, sending.id, *ours, **values)


def _waiting_or_replaced(order_id: int) -> dict[str, Any]:
    """The columns of a write-back that is to be tried again. An order has one waiting write-back: where another has come meanwhile,
    it says the same and more."""
    other = db.session.scalar(select(WriteBack.id).where(WriteBack.order_id == order_id, WriteBack.state == "waiting"))
    return {"state": "waiting"} if other is None else {"state": "replaced", "replaced_by": other}


def _note_trouble(lease: Lease, sending: _Sending, trouble: ChannelError) -> bool:
    """A passing problem with one order is tried again at growing intervals; any other needs a person. Whether an order is gone is
    for the next order run to find out (services/orders/deletions.py): one answer may be wrong. Once it has, nothing is tried again.

    Returns whether something is left to do about it. Nothing is for an order that is gone and was seen: the run that finds it is done."""
    with reading():
        query = select(WriteBack.tries, Order.gone_at, Order.gone_seen_at).join(Order, Order.id == WriteBack.order_id)
        tries, gone_at, gone_seen_at = db.session.execute(query.where(WriteBack.id == sending.id)).one()
    gone = trouble.code == GONE_CODE
    if gone and gone_seen_at is not None:
        _end(lease, sending, trouble)
        return False
    if gone and gone_at is not None:
        _fail(lease, sending, GONE_CODE, trouble.message, "It was deleted there. Mark this as seen on the order.")
    elif (trouble.retryable or gone) and tries < MOST_TRIES:
        _try_later(lease, sending, trouble, tries or 1)
    else:
        _fail(lease, sending, trouble.code, trouble.message, trouble.advice)
    return True


def _end(lease: Lease, sending: _Sending, trouble: ChannelError) -> None:
    """Send nothing more about an order that is gone, and ask no person about it."""
    with lease.page():
        change_if(WriteBack, sending.id, state="replaced", finished_at=utcnow(), note=trouble.message)
        _item(lease, sending, "skipped", f"{trouble.message} Nothing more is sent about it.")
        lease.done += 1
        lease.count("skipped")


def _try_later(lease: Lease, sending: _Sending, trouble: ChannelError, tries: int) -> None:
    with lease.page() as session:
        row = session.get_one(WriteBack, sending.id)
        for name, value in _waiting_or_replaced(sending.order_id).items():
            setattr(row, name, value)
        row.due_at = utcnow() + wait_for(tries, first=30, most=6 * 3600)
        row.error_code, row.error, row.advice = trouble.code, trouble.message, trouble.advice
        if trouble.code == GONE_CODE:
            called_off.ask_again_soon(session, sending.order_id, lease.integration_id)
        _item(lease, sending, "failed", trouble.message)
        lease.count("retrying")


def _fail(lease: Lease, sending: _Sending, code: str, error: str, advice: str) -> None:
    with lease.page() as session:
        row = session.get_one(WriteBack, sending.id)
        row.state, row.finished_at = "failed", utcnow()
        row.error_code, row.error, row.advice = code, error, advice
        if code == called_off.CODE:
            called_off.read_again_soon(session, sending.order_id, lease.integration_id)
        _item(lease, sending, "failed", f"{error} {advice}".strip())
        lease.done += 1
        lease.count("failed")


def _item(lease: Lease, sending: _Sending, result: str, reason: str) -> None:
    db.session.add(
        RunItem(run_id=lease.run_id, external_id=sending.external_id, sku=f"Order {sending.number}", result=result, reason=reason)
    )


def _plan_next(lease: Lease) -> None:
    """The next run is due when the first of those that wait is."""
    with lease.page() as session:
        session.get_one(Integration, lease.integration_id, with_for_update=True)
        first = select(func.min(WriteBack.due_at)).where(WriteBack.shop_id == lease.shop_id, WriteBack.state == "waiting")
        flows.plan(lease.integration_id, FlowKind.SHIPMENTS, session.scalar(first))


def are_waiting(integration_id: Any) -> ColumnElement[bool]:
    """Whether write-backs of an integration wait. ``integration_id`` may be a bound parameter."""
    waits = (
        select(WriteBack.id)
        .join(Integration, Integration.shop_id == WriteBack.shop_id)
        .where(Integration.id == integration_id, WriteBack.state.in_(("waiting", "sending")))
    )
    return waits.exists()


def due_again(integration_id: int) -> None:
    """Make the shipments flow due if write-backs wait: the integration was added again or given a new key. Call it inside
    ``writing()``."""
    flows.make_due(flows.of_integration(integration_id) & are_waiting(integration_id), FlowKind.SHIPMENTS)


def of_order(order_id: int) -> list[WriteBack]:
    """Oldest first."""
    return of_orders([order_id])


def of_orders(order_ids: Collection[int]) -> list[WriteBack]:
    """Oldest first; no query for no orders."""
    query = select(WriteBack).where(WriteBack.order_id.in_(order_ids)).order_by(WriteBack.id)
    return list(db.session.scalars(query)) if order_ids else []


def count_orders_not_sent(shop_id: int, without: CompoundSelect[*tuple[Any, ...]]) -> int:
    """How many orders have an update that their shop has not got yet, or could not take. Those in ``without`` are left out."""
    query = select(func.count(WriteBack.order_id.distinct())).where(
        WriteBack.shop_id == shop_id, WriteBack.state.in_(("waiting", "sending", "failed")), WriteBack.order_id.not_in(without)
    )
    return db.session.scalar(query) or 0
