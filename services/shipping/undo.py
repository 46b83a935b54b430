"""Undo a shipment while its shop cannot know of it.

People ship with a wait: the write-back is due WAIT later (services/shipping/shipments.py). Until a run has claimed it, everything
can be taken back: the write-back is not sent, the one it replaced waits again, the units come back on hand and their order reserves
them. Once it has been claimed nobody knows what the shop has seen: then a shipment can only be voided (services/shipping/voiding.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, func, select, update

from errors import AppError, Conflict
from extensions import db, reading, writing
from models import Flow, FlowKind, Order, Shipment, WriteBack
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.order_basics import holds
from services.order_basics.holds import Rules
from services.shipping import reversal, write_backs
from services.shops import flows

WAIT = timedelta(seconds=30)
"""How long a person has to undo a shipment before the shop is updated."""
WHILE_UNDOING = timedelta(minutes=10)
"""How long the write-backs of a batch are held back so that none is sent while the batch is undone."""


class AlreadySent(Conflict):
    """A shipment that can no longer be undone, because the shop may know of it."""

    code = "already_sent"


@dataclass(frozen=True, slots=True)
class Kept:
    """A shipment of a batch that could not be undone, and why."""

    order_id: int
    number: str
    reason: str


@retry_on_deadlock
def undo(shipment_id: int, actor: str, beside: Callable[[], None] = lambda: None) -> int:
    """Undo a shipment; returns the id of its order. ``beside`` is called in the same transaction.

    Raises NotFound, AlreadySent, or Conflict where it was taken back already or a later shipment of the order comes first."""
    with writing() as session:
        opened = reversal.open_shipment(shipment_id)
        shipment, order = opened.shipment, opened.order
        later = _since(shipment)
        _refuse(shipment, order, later)
        _cancel(order, later)
        reversal.take_back(opened, actor, "undone")
        session.flush()
        _revive(order, {row.id for row in later})
        write_backs.plan_unsent(order, actor)
        _plan_next(order.shop_id)
        beside()
        return order.id


def undo_batch(batch: str, actor: str) -> tuple[int, list[Kept]]:
    """Undo all shipments of a batch that can be undone; returns how many, and those that could not."""
    hold_back(batch)
    done, kept = 0, []
    for shipment_id, order_id, number in of_batch(batch):
        try:
            undo(shipment_id, actor)
            done += 1
        except AppError as trouble:
            kept.append(Kept(order_id, number, trouble.sentence()))
    return done, kept


def of_batch(batch: str) -> list[tuple[int, int, str]]:
    """(shipment id, order id, order's number) of what is left of a batch, the newest first: a later parcel is undone before an earlier."""
    query = select(Shipment.id, Order.id, Order.number, Order.external_id).join(Order, Order.id == Shipment.order_id)
    with reading() as session:
        rows = session.execute(query.where(_in(batch), Shipment.voided_at.is_(None)).order_by(Shipment.id.desc()))
        return [(shipment_id, order_id, number or external_id) for shipment_id, order_id, number, external_id in rows]


def _in(batch: str) -> ColumnElement[bool]:
    return (Shipment.batch == batch) & (Shipment.batch != "")


def possible(order: Order, sent: Sequence[Shipment], updates: Sequence[WriteBack], rules: Rules | None) -> Shipment | None:
    """The shipment of an order that could be undone now: the newest, if its shop cannot know of it. ``sent`` and ``updates`` are all of the
    order's, oldest first, and ``rules`` those of its shop."""
    shipment = next((each for each in reversed(sent) if each.voided_at is None), None)
    if shipment is None or (rules is not None and rules.stage_of(order) == "shipped"):
        return None
    since = (row for row in updates if row.id > (shipment.after_write_back_id or 0))
    return None if any(_may_have_arrived(row) for row in since) else shipment


@retry_on_deadlock
def hold_back(batch: str, wait: timedelta = WHILE_UNDOING) -> None:
    """Let what a batch has to send, and no run has tried, wait from now on: all of it has the same time to be undone."""
    with writing() as session:
        mine = (
            select(Shipment.id)
            .where(_in(batch), Shipment.voided_at.is_(None), Shipment.order_id == WriteBack.order_id,
                   WriteBack.id > func.coalesce(Shipment.after_write_back_id, 0))
        )  # fmt: skip
        session.execute(
            update(WriteBack)
            .where(WriteBack.state == "waiting", WriteBack.tried_at.is_(None), mine.exists())
            .values(due_at=utcnow() + wait)
            .execution_options(synchronize_session=False)
        )
        for shop_id in session.scalars(select(Order.shop_id).join(Shipment).where(_in(batch)).distinct()).all():
            _plan_next(shop_id)


def _refuse(shipment: Shipment, order: Order, since: Sequence[WriteBack]) -> None:
    """Raises Conflict for a shipment that cannot be undone. ``since`` are the write-backs that may say what is in it."""
    later = select(Shipment.id).where(
        Shipment.order_id == order.id, Shipment.id > shipment.id, Shipment.voided_at.is_(None)
    )  # fmt: skip
    if db.session.scalar(later.limit(1)) is not None:
        raise Conflict(f"There is a later parcel of order {order.number}.", "Undo that one first.")
    if any(_may_have_arrived(row) for row in since):
        raise _already_sent(order)
    rules = holds.rules_for_shop(order.shop_id)
    if rules is not None and rules.stage_of(order) == "shipped":
        raise AlreadySent(f"The shop shows order {order.number} as shipped already.", "Void the shipment instead.")


def _already_sent(order: Order) -> AlreadySent:
    return AlreadySent(f"Already sent: the shop may show order {order.number} as shipped.", "Void the shipment instead.")


def _since(shipment: Shipment) -> list[WriteBack]:
    """The write-backs that may say what is in a shipment."""
    query = select(WriteBack).where(
        WriteBack.order_id == shipment.order_id, WriteBack.id > (shipment.after_write_back_id or 0)
    )  # fmt: skip
    return list(db.session.scalars(query.order_by(WriteBack.id).execution_options(populate_existing=True)))


def _may_have_arrived(row: WriteBack) -> bool:
    """One that was never tried has failed because the shop no longer has its order."""
    return row.tried_at is not None or row.state in ("sending", "done")


def _cancel(order: Order, rows: Sequence[WriteBack]) -> None:
    """Have the write-back of a shipment not sent. Raises AlreadySent where a run claims one of them at this very moment."""
    for row in rows:
        # One statement decides against a run that claims it at this moment.
        if row.state in ("waiting", "failed") and not write_backs.cancel_untried(row.id):
            raise _already_sent(order)
        db.session.expire(row)


def _revive(order: Order, ids: set[int]) -> None:
    """Have the write-back that one of these replaced wait again, with the tracking numbers of today."""
    query = select(WriteBack).where(
        WriteBack.order_id == order.id, WriteBack.state == "replaced", WriteBack.replaced_by.in_(ids), WriteBack.id.not_in(ids)
    )  # fmt: skip
    row = db.session.scalar(query.order_by(WriteBack.id.desc()).limit(1))
    if row is not None and order.superseded_at is None:
        row.state, row.finished_at, row.replaced_by = "waiting", None, None
        row.tracking_numbers = write_backs.tracking_numbers(order.id)
        db.session.flush()
        flows.make_due_by(flows.of_shops([order.shop_id]), FlowKind.SHIPMENTS, row.due_at)


def _plan_next(shop_id: int) -> None:
    """Let the next run of a shop start when the first of what is left is due, so that none starts for nothing. A flow that fails keeps
    its own time."""
    first = select(func.min(WriteBack.due_at)).where(WriteBack.shop_id == shop_id, WriteBack.state.in_(("waiting", "sending")))
    db.session.execute(
        update(Flow)
        .where(flows.of_shops([shop_id]), Flow.kind == FlowKind.SHIPMENTS, Flow.failing_since.is_(None), Flow.due_at > utcnow())
        .values(due_at=first.scalar_subquery())
        .execution_options(synchronize_session="fetch")
    )
