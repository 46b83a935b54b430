"""Write-backs: what the shop is to be told about an order, kept in rows until the shop has taken it (design.md, rule 7).

A write-back is claimed by a conditional update and sent inside a run of kind ``shipments``, of which an integration has one at
a time. The channel reads the order first, so one that was sent before its worker died is found done and not sent again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, case, func, or_, select, update

from channels.base import Channel, ShipmentResult
from errors import ChannelError, Conflict, RunStopped
from extensions import db, writing
from models import Integration, Order, RunItem, Shipment, WriteBack
from models.types import utcnow
from services import holds
from services.runs import Lease

MOST_TRIES = 12
"""Tries, over about two days, after which a person is asked."""

CONCERNS_ALL = ("unreachable", "timeout", "busy", "maintenance", "firewall", "tls", "wrong_key", "read_only_key", "addon_missing",
                "address_refused", "moved", "not_xcart", "too_old")  # fmt: skip
"""Troubles of the shop, not of one order: what is left waits for the next run."""

SETTING = {"shipped": "processed_status", "part_shipped": "part_shipped_status", "cancelled": "cancelled_status"}
"""Which setting of the integration names the shop's status for an event."""

MANY_IN_A_ROW = 3


def integration_of(shop_id: int) -> Integration | None:
    """The integration a shop is connected by now; None where it was removed."""
    return db.session.scalar(select(Integration).where(Integration.shop_id == shop_id, Integration.removed_at.is_(None)))


def plan(order: Order, event: str, actor: str) -> WriteBack | None:
    """Note that the shop is to be told about an order; a write-back of the same order that still waits is replaced, because
    this one says as much and more. None where no status is set for such an event. Call it inside ``writing()``."""
    integration = integration_of(order.shop_id)
    if event != "shipped" and (integration is None or not getattr(integration, SETTING[event])):
        return None
    db.session.execute(
        update(WriteBack)
        .where(WriteBack.order_id == order.id, WriteBack.state == "waiting")
        .values(state="replaced", finished_at=utcnow())
        .execution_options(synchronize_session=False)
    )
    planned = WriteBack(
        order_id=order.id, shop_id=order.shop_id, event=event, actor=actor, tracking_numbers=tracking_numbers(order.id)
    )
    db.session.add(planned)
    if integration is not None:
        integration.shipments_due_at = utcnow()
    return planned


def tracking_numbers(order_id: int) -> list[str]:
    """All tracking numbers of an order's shipments, none twice, in the order they were entered."""
    query = select(Shipment.tracking_number).where(Shipment.order_id == order_id, Shipment.tracking_number != "")
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
    """Tell the shop everything that is due. Answers ``done``, ``partial`` (some could not be told) or ``pause``.

    Raises ChannelError for a trouble that concerns the whole shop, or RunStopped from the lease; what was not sent waits."""
    trouble_in_a_row = trouble_at_all = 0
    _count_total(lease)
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
            if trouble.code in CONCERNS_ALL:
                _back(lease, sending, wait=0)
                raise
            trouble_at_all += 1
            trouble_in_a_row += 1
            _note_trouble(lease, sending, trouble)
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


def _open(shop_id: int):
    """What was being sent by a run that died is due whatever its time says: a clock that was ahead may have written it."""
    return (
        WriteBack.shop_id == shop_id, WriteBack.state.in_(("waiting", "sending")),
        or_(WriteBack.state == "sending", WriteBack.due_at <= utcnow()),
    )  # fmt: skip


def _count_total(lease: Lease) -> None:
    lease.total = lease.done + (db.session.scalar(select(func.count()).where(*_open(lease.shop_id))) or 0)
    db.session.rollback()


def _claim(lease: Lease) -> _Sending | None:
    """Take the oldest write-back that is due. One that is ``sending`` was left behind by a run whose worker died."""
    with lease.page() as session:
        found = session.execute(
            select(WriteBack.id, WriteBack.state, WriteBack.order_id, WriteBack.event, WriteBack.tracking_numbers,
                   Order.external_id, Order.number, Order.cancel_unseen)
            .join(Order, Order.id == WriteBack.order_id)
            .where(*_open(lease.shop_id))
            .order_by(WriteBack.id)
            .limit(1)
        ).one_or_none()  # fmt: skip
        if found is None:
            return None
        claimed = session.execute(
            update(WriteBack)
            .where(WriteBack.id == found.id, WriteBack.state == found.state)
            .values(state="sending", run_id=lease.run_id, tries=WriteBack.tries + 1)
            .execution_options(synchronize_session=False)
        )
        if claimed.rowcount != 1:
            # It was replaced at this very moment; what replaced it is due as well.
            return _Sending(0, found.order_id, "", "", "", [], False)
    return _Sending(
        found.id, found.order_id, found.external_id, found.number, found.event, list(found.tracking_numbers), found.cancel_unseen
    )


def _send(lease: Lease, channel: Channel, sending: _Sending) -> ShipmentResult | None:
    """Send one and write down what the shop answered; None where it was not to be sent at all."""
    integration = db.session.get_one(Integration, lease.integration_id)
    status = getattr(integration, SETTING[sending.event])
    db.session.rollback()
    if sending.cancel_unseen and sending.event != "cancelled":
        _fail(
            lease,
            sending,
            "cancelled",
            "The shop has cancelled the order since.",
            "Acknowledge that on the order, then try again.",
        )
        return None
    if not status:
        _fail(
            lease, sending, "no_status", "No status is set for this.", "Choose one in the integration's settings, then try again."
        )
        return None
    result = channel.put_shipment(sending.external_id, status=status, tracking_numbers=sending.tracking_numbers)
    with lease.page() as session:
        row = session.get_one(WriteBack, sending.id)
        row.state, row.finished_at, row.status = "done", utcnow(), status
        row.sent, row.answer, row.note = result.sent, result.shipping_status[:40], result.note
        row.error = row.error_code = row.advice = ""
        _take_over(session.get_one(Order, sending.order_id, with_for_update=True), result)
        _note_on_shipments(sending, result)
        # The note may quote tracking numbers: it stays with the order, where it is hidden and erased with its customer.
        _item(lease, sending, "sent" if result.sent else "skipped", "See the note in its time-line." if result.note else "")
        lease.done += 1
        lease.count("told" if result.sent else "there_already")
    return result


def _take_over(order: Order, result: ShipmentResult) -> None:
    """What the shop now says of the order is our own doing: the next download must not take it for a change made there. Where
    the status means more than was shipped here, the download books it."""
    if order.erased_at is None:
        order.tracking_numbers = list(result.tracking_numbers)
    rules = holds.rules_for_shop(order.shop_id)
    if rules is None or not result.shipping_status:
        return
    stage = rules.stage(order.payment_status, result.shipping_status)
    if stage == "open" or (stage == "shipped" and order.state == "shipped"):
        order.shipping_status = result.shipping_status


def _note_on_shipments(sending: _Sending, result: ShipmentResult) -> None:
    """Tracking numbers that the shop could not be given are said on their shipments; those it has need no note any more."""
    for shipment in db.session.scalars(select(Shipment).where(Shipment.order_id == sending.order_id)):
        missing = shipment.tracking_number and shipment.tracking_number not in result.tracking_numbers
        shipment.note = (result.note or "The shop did not take the tracking number.") if missing else ""


def _back(lease: Lease, sending: _Sending, wait: float) -> None:
    """Nothing was sent: it waits again. Without the lease the next run finds it as it is."""
    with writing() as session:
        session.execute(
            update(WriteBack)
            .where(WriteBack.id == sending.id, WriteBack.state == "sending", WriteBack.run_id == lease.run_id)
            .values(state=_waiting_or_replaced(sending.order_id), due_at=utcnow() + timedelta(seconds=wait))
            .execution_options(synchronize_session=False)
        )


def _waiting_or_replaced(order_id: int):
    """An order has one waiting write-back: where another has come meanwhile, it says the same and more."""
    other = db.session.scalar(select(WriteBack.id).where(WriteBack.order_id == order_id, WriteBack.state == "waiting"))
    return "replaced" if other is not None else "waiting"


def _note_trouble(lease: Lease, sending: _Sending, trouble: ChannelError) -> None:
    """A passing trouble with one order is tried again later and later; any other asks a person."""
    tries = db.session.scalar(select(WriteBack.tries).where(WriteBack.id == sending.id)) or 1
    db.session.rollback()
    if not trouble.retryable or tries >= MOST_TRIES:
        _fail(lease, sending, trouble.code, trouble.message, trouble.advice)
        return
    wait = min(6 * 3600.0, 30.0 * 2 ** (tries - 1)) * random.uniform(0.8, 1.2)
    with lease.page() as session:
        row = session.get_one(WriteBack, sending.id)
        row.state, row.due_at = _waiting_or_replaced(sending.order_id), utcnow() + timedelta(seconds=wait)
        row.error_code, row.error, row.advice = trouble.code, trouble.message, trouble.advice
        _item(lease, sending, "failed", trouble.message)
        lease.count("retrying")


def _fail(lease: Lease, sending: _Sending, code: str, error: str, advice: str) -> None:
    with lease.page() as session:
        row = session.get_one(WriteBack, sending.id)
        row.state, row.finished_at = "failed", utcnow()
        row.error_code, row.error, row.advice = code, error, advice
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
        integration = session.get_one(Integration, lease.integration_id, with_for_update=True)
        integration.shipments_due_at = session.scalar(
            select(func.min(WriteBack.due_at)).where(WriteBack.shop_id == lease.shop_id, WriteBack.state == "waiting")
        )


_integration, _told = Integration.__table__.c, WriteBack.__table__.c
DUE_AGAIN = (
    update(Integration.__table__)
    .where(
        _integration.id == bindparam("integration_id"),
        select(_told.id).where(_told.shop_id == _integration.shop_id, _told.state.in_(("waiting", "sending")))
        .correlate(Integration.__table__).exists(),
    )
    .values(shipments_due_at=bindparam("now"))
)  # fmt: skip


def due_again(integration_id: int) -> None:
    """After an integration was enabled, added again or given a new key. Call it inside ``writing()``."""
    db.session.execute(DUE_AGAIN, {"integration_id": integration_id, "now": utcnow()})


def try_again(ids: Sequence[int], actor: str) -> int:
    """Put failed and waiting write-backs in the queue again, due at once; answers with how many. Raises Conflict where none is."""
    with writing() as session:
        rows = session.scalars(
            select(WriteBack).where(WriteBack.id.in_(ids), WriteBack.state.in_(("failed", "waiting"))).with_for_update()
        ).all()
        if not rows:
            raise Conflict("None of these waits for another try.")
        for row in rows:
            newer = session.scalar(select(WriteBack.id).where(WriteBack.order_id == row.order_id, WriteBack.id > row.id).limit(1))
            if row.state == "failed" and newer is not None:
                row.state = "replaced"
                continue
            row.state, row.due_at, row.finished_at, row.tries, row.actor = "waiting", utcnow(), None, 0, actor
            session.flush()
            integration = integration_of(row.shop_id)
            if integration is not None:
                integration.shipments_due_at = utcnow()
        return len(rows)


def of_order(order_id: int) -> list[WriteBack]:
    """Oldest first."""
    return list(db.session.scalars(select(WriteBack).where(WriteBack.order_id == order_id).order_by(WriteBack.id)))


def count_by_state(shop_id: int) -> tuple[int, int]:
    """(open, failed) write-backs of a shop."""
    query = select(
        func.coalesce(func.sum(case((WriteBack.state.in_(("waiting", "sending")), 1), else_=0)), 0),
        func.coalesce(func.sum(case((WriteBack.state == "failed", 1), else_=0)), 0),
    ).where(WriteBack.shop_id == shop_id)
    waiting, failed = db.session.execute(query).one()
    return int(waiting), int(failed)
