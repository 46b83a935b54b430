"""What was delivered of saved exports, and when: the record, and what a person does about a file in it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, delete, func, insert, literal, or_, select, update

from errors import Conflict, NotFound
from extensions import db, writing
from models import ExportDelivery, ExportDeliveryOrder, ExportDeliveryPart, ExportTarget, Integration, Order, OrderExport
from models.export_delivery import LIVE_STATES
from models.types import utcnow
from services.common.batches import delete_in_batches
from services.common.paging import Page, page_of
from services.security import audit
from services.security.audit import About, record_change
from services.shops.finding import newest_id_of

ASKED = audit.kind("order_export.sent", "Export sent by hand")
REPEATED = audit.kind("order_export.repeated", "File of an export sent again")
DROPPED = audit.kind("order_export.dropped", "File of an export dropped")
STATES = ("waiting", "failing", "done", "dropped", "empty")
PAGE_SIZE, ORDERS_SIZE = 25, 50
NEEDS_A_PERSON = timedelta(hours=1)
"""How long an export fails before people are asked to look."""
IS_LIVE = ExportDelivery.state.in_(LIVE_STATES)


@dataclass(frozen=True, slots=True)
class InFile:
    """An order that a file held. ``number`` is its own, or else the shop's id."""

    order_id: int
    number: str
    state: str
    shop: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """A file that an order was in, for the order's history."""

    delivery_id: int
    name: str
    at: datetime
    place: str
    repeats: bool


def list_page(place: str = "", *, export_id: int | None = None, state: str = "") -> Page[ExportDelivery]:
    """Deliveries, the newest first; of one export, or of all."""
    query = select(ExportDelivery.id)
    if export_id is not None:
        query = query.where(ExportDelivery.export_id == export_id)
    if state:
        query = query.where(ExportDelivery.state == state)

    def load(rows: Sequence[Sequence[int]]) -> list[ExportDelivery]:
        ids = [row[0] for row in rows]
        found = {each.id: each for each in db.session.scalars(select(ExportDelivery).where(ExportDelivery.id.in_(ids)))}
        return [found[delivery_id] for delivery_id in ids if delivery_id in found]

    return page_of(query, (ExportDelivery.id.desc(),), place, PAGE_SIZE, load)


def get_delivery(delivery_id: int) -> ExportDelivery:
    """Raises NotFound."""
    found = db.session.get(ExportDelivery, delivery_id, populate_existing=True)
    if found is None:
        raise NotFound("There is no such delivery of an export.", "It may have been deleted after some time.")
    return found


def orders_page(delivery_id: int, place: str = "") -> Page[InFile]:
    """The orders of a file, in its order."""
    shop = select(Integration.name).where(Integration.id == newest_id_of(Order)).correlate(Order).scalar_subquery()
    query = (
        select(ExportDeliveryOrder.position, Order.id, Order.number, Order.external_id, Order.state, shop)
        .join(Order, Order.id == ExportDeliveryOrder.order_id)
        .where(ExportDeliveryOrder.delivery_id == delivery_id)
    )
    return page_of(
        query, (ExportDeliveryOrder.position,), place, ORDERS_SIZE,
        lambda rows: [InFile(row[1], row[2] or row[3], row[4], row[5] or "") for row in rows],
    )  # fmt: skip


def ids_of(delivery_id: int) -> Select[int]:
    """The ids of the orders of a file, in its order."""
    return (
        select(ExportDeliveryOrder.order_id)
        .where(ExportDeliveryOrder.delivery_id == delivery_id)
        .order_by(ExportDeliveryOrder.position)
    )


def of_order(order_id: int) -> list[Delivered]:
    """The files that an order was in, and that were delivered, oldest first."""
    query = (
        select(ExportDelivery)
        .join(ExportDeliveryOrder, ExportDeliveryOrder.delivery_id == ExportDelivery.id)
        .where(ExportDeliveryOrder.order_id == order_id, ExportDelivery.state == "done")
        .order_by(ExportDelivery.id)
    )
    return [
        Delivered(each.id, each.name, each.finished_at or each.created_at, each.place, each.repeats is not None)
        for each in db.session.scalars(query)
    ]


def last_done(export_ids: Sequence[int]) -> dict[int, datetime]:
    """When a file of each of these exports was delivered the last time."""
    query = (
        select(ExportDelivery.export_id, func.max(ExportDelivery.finished_at))
        .where(ExportDelivery.export_id.in_(export_ids), ExportDelivery.state == "done")
        .group_by(ExportDelivery.export_id)
    )
    return {export_id: at for export_id, at in db.session.execute(query) if export_id is not None and at is not None}


def need_a_person(now: datetime) -> list[tuple[int, str]]:
    """Id and name of the exports that a person should look at: failing for an hour, or waiting for a host key to be confirmed."""
    long = ExportTarget.failing_since <= now - NEEDS_A_PERSON
    query = (
        select(OrderExport.id, OrderExport.name)
        .join(ExportTarget, ExportTarget.export_id == OrderExport.id)
        .where(ExportTarget.failing_since.is_not(None), or_(long, ExportTarget.offered_key != ""))
        .order_by(OrderExport.name_key)
    )
    return [(row[0], row[1]) for row in db.session.execute(query)]


def has_live(export_id: int) -> bool:
    return db.session.scalar(select(ExportDelivery.id).where(ExportDelivery.export_id == export_id, IS_LIVE).limit(1)) is not None


def send_again(delivery_id: int, actor: str) -> int:
    """Send the orders of a file once more, as they are now, as a file of another name; returns its id. Raises NotFound, or Conflict where that
    is not possible."""
    with writing() as session:
        old = get_delivery(delivery_id)
        if old.state != "done":
            raise Conflict("Only a file that was delivered can be sent again.", "A file that failed is tried again by itself.")
        export = None if old.export_id is None else session.get(OrderExport, old.export_id)
        if export is None or session.scalar(select(ExportTarget.id).where(ExportTarget.export_id == export.id)) is None:
            raise Conflict(f"{old.name} is no longer delivered anywhere.", "Download the file instead.")
        new = ExportDelivery(
            export_id=export.id, name=old.name, by=old.by, format=old.format, columns=old.columns, key=str(uuid.uuid4()), trigger="person",
            actor=actor, orders=old.orders, repeats=old.id,
        )  # fmt: skip
        session.add(new)
        session.flush()
        new.file_name = name_file(new)
        rows = select(literal(new.id), ExportDeliveryOrder.position, ExportDeliveryOrder.order_id).where(
            ExportDeliveryOrder.delivery_id == old.id
        )
        session.execute(insert(ExportDeliveryOrder).from_select(["delivery_id", "position", "order_id"], rows))
        # The target may wait for its next try; what a person asks for does not.
        _target(export.id, retry_at=None)
        record_change(REPEATED, About(export.id, export.name), {"file": (old.file_name, new.file_name)}, actor)
        return new.id


def name_file(delivery: ExportDelivery) -> str:
    """The name of a file: that of its export, when it was made, and its id."""
    words = "-".join(
        part for part in "".join(sign if sign.isascii() and sign.isalnum() else " " for sign in delivery.name.lower()).split()
    )
    return f"{words[:60] or 'orders'}-{delivery.created_at or utcnow():%Y%m%d-%H%M}-{delivery.id}.{delivery.format}"


def drop(delivery_id: int, actor: str) -> None:
    """Give up a file that is not delivered yet; its orders are in the next one. Raises NotFound or Conflict."""
    with writing() as session:
        delivery = get_delivery(delivery_id)
        if not delivery.live:
            raise Conflict("That file does not wait to be sent any more.", "Look at what has become of it.")
        record_change(DROPPED, About(delivery.export_id, delivery.name), {"file": (delivery.file_name, None)}, actor)
        _drop(ExportDelivery.id == delivery_id)
        if delivery.export_id is not None and not has_live(delivery.export_id):
            _target(delivery.export_id, failing_since=None, failures=0, error_code="", error="", advice="", retry_at=None)
        session.expire_all()


def drop_live(export_id: int) -> None:
    """Give up all files of an export that are not delivered yet. Call it inside ``writing()``."""
    _drop((ExportDelivery.export_id == export_id) & IS_LIVE)


def _drop(which: ColumnElement[bool]) -> None:
    session = db.session
    ids = list(session.scalars(select(ExportDelivery.id).where(which)))
    free_orders(ids)
    session.execute(
        update(ExportDelivery).where(ExportDelivery.id.in_(ids)).values(state="dropped", finished_at=utcnow())
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    forget_content(ids)


def free_orders(delivery_ids: Sequence[int]) -> None:
    """Let the orders of these files be in the next one. Call it inside ``writing()``."""
    rows = ExportDeliveryOrder
    db.session.execute(
        update(rows).where(rows.delivery_id.in_(delivery_ids)).values(once_for=None).execution_options(synchronize_session=False)
    )


def forget_content(delivery_ids: Sequence[int]) -> None:
    """Delete what is kept of the content of files. One that still waits is made again. Call it inside ``writing()``."""
    part = ExportDeliveryPart
    db.session.execute(delete(part).where(part.delivery_id.in_(delivery_ids)).execution_options(synchronize_session=False))


def forget_customers(order_ids: Sequence[int]) -> None:
    """Delete the content of files that wait and hold one of these orders: their customers are erased. Call it inside ``writing()``."""
    rows = ExportDeliveryOrder
    holding = select(rows.delivery_id).where(rows.order_id.in_(order_ids))
    forget_content(list(db.session.scalars(select(ExportDelivery.id).where(IS_LIVE, ExportDelivery.id.in_(holding)))))


def forget_before(moment: datetime) -> int:
    """Delete records that nothing depends on: of files that were dropped, of those that held nothing, and of exports that send all orders each
    time. The others stay, because they say which orders need not be sent any more. Returns how many."""
    rows = ExportDeliveryOrder
    needed = select(rows.delivery_id).where(rows.delivery_id == ExportDelivery.id, rows.once_for.is_not(None)).exists()
    return delete_in_batches(ExportDelivery, ExportDelivery.finished_at < moment, ~IS_LIVE, ~needed)


def _target(export_id: int, **values: object) -> None:
    db.session.execute(
        update(ExportTarget)
        .where(ExportTarget.export_id == export_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
