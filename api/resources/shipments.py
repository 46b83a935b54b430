"""``orders/{id}/shipments`` and ``shipments``: orders handed to a carrier, undone, voided and changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, structs
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from api.batches import Batch, RowAnswer, RowRefused, do_rows, summed_up
from api.decoding import refuse_body
from api.operations import Call, operation
from api.problems import Fault
from api.reply import Reply
from api.resources.order_versions import check_if_sent
from api.shapes import Body, Id, row_id
from errors import Conflict, InvalidInput
from extensions import db
from jobs.schedule import start_due_runs
from models import Order
from models import Shipment as Row
from services.shipping import by_hand, chosen_lines, shipments, undo, voiding
from services.stock import allocations


class ShippedLine(Struct):
    line_id: str | None
    sku: str
    name: str
    quantity: int


class Shipment(Struct, kw_only=True):
    """``enter_by_hand`` says that a person has to enter the tracking number in the shop. ``state`` is shipped, undone (before the shop could
    know of it) or voided. ``to_do_in_shop`` are sentences about what a person still has to do there. The fields from ``tracking_number`` on
    are left out without customers:read."""

    id: str
    order_id: str
    carrier: str
    shipped_at: datetime
    actor: str
    enter_by_hand: bool
    state: Literal["shipped", "undone", "voided"]
    voided_at: datetime | None
    lines: list[ShippedLine]
    tracking_number: str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    to_do_in_shop: list[str] | UnsetType = UNSET


class NewlyShipped(Shipment, kw_only=True):
    """``not_in_stock`` are the pieces that were shipped although they were not in stock: if they did not leave, undo the shipment and set
    ``in_stock_only``."""

    not_in_stock: list[ShippedLine]


class LineToShip(Body):
    """How many pieces of an order line are in the parcel."""

    line_id: Id
    quantity: Annotated[int, Meta(ge=1, le=2**31 - 1)]


Carrier = Annotated[str, Meta(max_length=shipments.MOST_CARRIER)]
TrackingNumber = Annotated[str, Meta(max_length=shipments.MOST_TRACKING)]


class NewShipment(Body):
    """Without ``lines``, all that is left of the order is shipped, in stock or not; with ``in_stock_only``, what is in stock. ``further_parcel``
    adds a tracking number to what has been shipped. The shop is not updated for ``undo_seconds``, so that the shipment can be undone."""

    carrier: Carrier = ""
    tracking_number: TrackingNumber = ""
    lines: Annotated[list[LineToShip], Meta(min_length=1, max_length=1000)] | None = None
    in_stock_only: bool = False
    further_parcel: bool = False
    undo_seconds: Annotated[int, Meta(ge=0, le=3600)] = 0


class ShipmentRow(NewShipment, kw_only=True):
    order_id: Id


class ShipmentBatch(Body):
    """With ``atomic``, all rows are done or none."""

    rows: Annotated[list[ShipmentRow], Meta(min_length=1, max_length=500)]
    atomic: bool = False


class ShipmentRowAnswer(RowAnswer, kw_only=True):
    """``not_in_stock`` is as in the answer to one shipment."""

    shipment_id: str | None = None
    order_id: str
    not_in_stock: list[ShippedLine] = []


@operation(
    "POST", "/orders/<int:order_id>/shipments", "Ship an order, some of its lines, or a further parcel", scope="shipments:write",
    role="manager", body=NewShipment, answers={201: NewlyShipped}, versioned=True,
)  # fmt: skip
def create_shipment(call: Call, order_id: int) -> Reply:
    _check(call.body, "")
    check_if_sent(order_id)
    with _named_fields():
        shipped = _ship(order_id, call.body, call.actor)
    # Without the tracking number: the answer is kept for the idempotency key.
    shown = next(each for each in shipments_of([order_id], False)[order_id] if each.id == str(shipped.shipment_id))
    made = NewlyShipped(**structs.asdict(shown), not_in_stock=_missing(shipped))
    return Reply(made, 201, {"Location": f"/api/v1/orders/{order_id}"}, after=_start)


@operation(
    "POST", "/shipments/batch", "Ship up to 500 orders", scope="shipments:write", role="manager", body=ShipmentBatch,
    answers={200: Batch[ShipmentRowAnswer]},
)  # fmt: skip
def create_shipments(call: Call) -> Reply:
    batch: ShipmentBatch = call.body
    for index, row in enumerate(batch.rows):
        _check(row, f"/rows/{index}")
    # All stock items are locked before the first order, in the order of their ids.
    allocations.load_items_of(Order.id.in_({row_id(row.order_id) for row in batch.rows}))

    def ship(row: ShipmentRow) -> shipments.Shipped:
        return _ship(row_id(row.order_id), row, call.actor)

    results = [
        ShipmentRowAnswer(index=index, status="failed", code=done.code, detail=done.sentence, order_id=row.order_id)
        if isinstance(done, RowRefused)
        else ShipmentRowAnswer(
            index=index, status="shipped", order_id=row.order_id, shipment_id=str(done.shipment_id), not_in_stock=_missing(done)
        )
        for index, (row, done) in enumerate(zip(batch.rows, do_rows(batch.rows, ship), strict=True))
    ]
    return Reply(summed_up(results, atomic=batch.atomic), after=_start)


class NewTracking(Body):
    """The carrier and tracking number that a shipment gets."""

    carrier: Carrier
    tracking_number: TrackingNumber


@operation(
    "POST", "/shipments/<int:shipment_id>/undo", "Undo a shipment that no shop can know of yet", scope="shipments:write",
    role="manager", answers={200: Shipment},
)  # fmt: skip
def undo_shipment(call: Call, shipment_id: int) -> Reply:
    return _changed(undo.undo(shipment_id, call.actor), shipment_id)


@operation(
    "POST", "/shipments/<int:shipment_id>/void", "Void a shipment here; the shop keeps its status", scope="shipments:write",
    role="manager", answers={200: Shipment},
)  # fmt: skip
def void_shipment(call: Call, shipment_id: int) -> Reply:
    return _changed(voiding.void(shipment_id, call.actor).order_id, shipment_id)


@operation(
    "POST", "/shipments/<int:shipment_id>/tracking", "Change the carrier and tracking number of a shipment", scope="shipments:write",
    role="manager", body=NewTracking, answers={200: Shipment},
)  # fmt: skip
def change_tracking(call: Call, shipment_id: int) -> Reply:
    wanted: NewTracking = call.body
    with _named_fields():
        changed = voiding.edit_tracking(shipment_id, call.actor, carrier=wanted.carrier, tracking_number=wanted.tracking_number)
    return _changed(changed.order_id, shipment_id)


def _changed(order_id: int, shipment_id: int) -> Reply:
    """A shipment as acts answer with it, without its tracking number: the answer is kept for the idempotency key."""
    db.session.expire_all()
    shown = next(each for each in shipments_of([order_id], False)[order_id] if each.id == str(shipment_id))
    return Reply(shown, after=_start)


def _missing(shipped: shipments.Shipped) -> list[ShippedLine]:
    return [ShippedLine(str(each.line_id), each.sku, each.name, each.pieces) for each in shipped.missing]


def _ship(order_id: int, wanted: NewShipment, actor: str) -> shipments.Shipped:
    """Raises NotFound, InvalidInput or Conflict."""
    together = shipments.Together(timedelta(seconds=wanted.undo_seconds))
    if wanted.further_parcel:
        return shipments.add_parcel(
            order_id, actor, carrier=wanted.carrier, tracking_number=wanted.tracking_number, together=together
        )
    quantities: shipments.Quantities = chosen_lines.in_stock if wanted.in_stock_only else None
    if wanted.lines is not None:
        quantities = {row_id(line.line_id): line.quantity for line in wanted.lines}
    try:
        return shipments.ship(
            order_id, actor, carrier=wanted.carrier, tracking_number=wanted.tracking_number, quantities=quantities, together=together,
        )  # fmt: skip
    except shipments.ShippedAlready as wrong:
        raise Conflict(wrong.message, "To send a further parcel, set further_parcel and give its tracking number.") from None


def _check(wanted: NewShipment, pointer: str) -> None:
    """What the types cannot say. Raises Problem 422."""
    faults = []
    ids = [line.line_id for line in wanted.lines or ()]
    if len(set(ids)) < len(ids):
        faults.append(Fault("repeated", "A line is given more than once.", f"{pointer}/lines"))
    if wanted.in_stock_only and (wanted.lines is not None or wanted.further_parcel):
        faults.append(
            Fault("not_together", "Name lines or a further parcel, or ship what is in stock.", f"{pointer}/in_stock_only")
        )
    if wanted.further_parcel and wanted.lines is not None:
        faults.append(Fault("not_together", "A further parcel has no lines.", f"{pointer}/lines"))
    if wanted.further_parcel and not wanted.tracking_number.strip():
        faults.append(Fault("required", "A further parcel needs a tracking number.", f"{pointer}/tracking_number"))
    if faults:
        raise refuse_body(faults)


@contextmanager
def _named_fields() -> Iterator[None]:
    """The service's field names, as the API calls them."""
    try:
        yield
    except InvalidInput as error:
        error.field = "tracking_number" if error.field == "tracking" else error.field
        raise


def _start() -> None:
    start_due_runs()


def shipments_of(order_ids: Sequence[int], with_customers: bool) -> dict[int, list[Shipment]]:
    """The shipments of orders, oldest first, by order."""
    query = select(Row).where(Row.order_id.in_(order_ids)).options(selectinload(Row.lines)).order_by(Row.id)
    found: dict[int, list[Shipment]] = defaultdict(list)
    to_do = by_hand.sentences(order_ids) if with_customers else {}
    for row in db.session.scalars(query):
        found[row.order_id].append(_shown(row, with_customers, to_do.get(row.id, [])))
    return found


def _shown(row: Row, with_customers: bool, to_do: list[str]) -> Shipment:
    lines = [
        ShippedLine(None if line.order_line_id is None else str(line.order_line_id), line.sku, line.name, line.quantity)
        for line in row.lines
    ]
    shown = Shipment(
        id=str(row.id), order_id=str(row.order_id), carrier=row.carrier, shipped_at=row.shipped_at, actor=row.actor,
        enter_by_hand=row.by_hand and row.entered_at is None, lines=lines, voided_at=row.voided_at,
        state="shipped" if row.voided_at is None else "undone" if row.undone else "voided",
    )  # fmt: skip
    if with_customers:
        shown.tracking_number, shown.note, shown.to_do_in_shop = row.tracking_number, row.note, to_do
    return shown
