"""``order-exports``: saved exports of orders and where they are delivered; ``export-deliveries``: the files that were delivered."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct
from sqlalchemy import select

from api.operations import Call, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.shapes import Id, row_id
from errors import NotFound, QueueAway
from extensions import db
from jobs.exports import enqueue_export
from models import ExportDelivery as DeliveryRow
from models import ExportDeliveryOrder, ExportTarget, OrderExport
from services.common import timetable
from services.orders import export_records, export_targets


class Target(Struct):
    """Where an export is delivered. ``method`` is email, sftp or https, ``place`` says where without what is secret, ``plan`` when in words, empty
    where only a person or program sends it. ``failing_since`` and what follows say what is wrong."""

    method: str
    place: str
    plan: str
    enabled: bool
    only_new: bool
    next_at: datetime | None
    failing_since: datetime | None
    error: str
    advice: str


class SavedExport(Struct):
    """``by`` is what a row is: order or line. ``columns`` are names, as `flask orders export --columns help` lists them. ``delivery`` is null where it is
    only downloaded by hand."""

    id: str
    name: str
    by: str
    columns: list[str]
    format: str
    changed_at: datetime
    delivery: Target | None


class ExportFile(Struct):
    """One file of an export. ``state`` is waiting, failing (it is tried again), done, dropped (its orders are in the next one) or empty (nothing was
    new). ``export_id`` is null if the export was removed; ``repeats`` is the file whose orders were sent again."""

    id: str
    export_id: str | None
    export: str
    file_name: str
    state: str
    orders: int
    place: str
    trigger: str
    repeats: str | None
    error: str
    advice: str
    created_at: datetime
    finished_at: datetime | None


class OrderInFile(Struct):
    order_id: str


class DeliveriesQuery(ListQuery, kw_only=True):
    export: Id | None = None
    state: Literal["waiting", "failing", "done", "dropped", "empty"] | None = None


@operation(
    "GET",
    "/order-exports",
    "List saved exports of orders",
    scope="orders:read",
    query=ListQuery,
    answers={200: Page[SavedExport]},
)
def list_order_exports(call: Call) -> Reply:
    return list_page(call, select(OrderExport.id), [OrderExport.id], _load, newest=False)


@operation(
    "GET", "/order-exports/<int:export_id>", "Get a saved export of orders", scope="orders:read", answers={200: SavedExport}
)
def get_order_export(call: Call, export_id: int) -> SavedExport:
    found = _load([export_id]).get(export_id)
    if found is None:
        raise NotFound("There is no such export.")
    return found


@operation(
    "POST", "/order-exports/<int:export_id>/deliver", "Deliver a saved export now", scope="orders:write", role="manager",
    answers={202: SavedExport},
)  # fmt: skip
def deliver_order_export(call: Call, export_id: int) -> Reply:
    export_targets.send_now(export_id, call.actor)
    headers = {"Location": f"/api/v1/export-deliveries?export={export_id}"}
    return Reply(_load([export_id])[export_id], 202, headers, after=_start(export_id))


@operation(
    "GET", "/export-deliveries", "List the files of saved exports, newest first", scope="orders:read", query=DeliveriesQuery,
    answers={200: Page[ExportFile]},
)  # fmt: skip
def list_export_deliveries(call: Call) -> Reply:
    wanted: DeliveriesQuery = call.query
    query = select(DeliveryRow.id)
    if wanted.export is not None:
        query = query.where(DeliveryRow.export_id == row_id(wanted.export))
    if wanted.state is not None:
        query = query.where(DeliveryRow.state == wanted.state)
    return list_page(call, query, [DeliveryRow.id], _load_files, newest=True)


@operation(
    "GET",
    "/export-deliveries/<int:export_delivery_id>",
    "Get a file of a saved export",
    scope="orders:read",
    answers={200: ExportFile},
)
def get_export_delivery(call: Call, export_delivery_id: int) -> ExportFile:
    return _shown(export_records.get_delivery(export_delivery_id))


@operation(
    "GET", "/export-deliveries/<int:export_delivery_id>/orders", "List the orders that a file of a saved export held", scope="orders:read",
    query=ListQuery, answers={200: Page[OrderInFile]},
)  # fmt: skip
def list_orders_of_export_delivery(call: Call, export_delivery_id: int) -> Reply:
    export_records.get_delivery(export_delivery_id)
    row = ExportDeliveryOrder
    query = select(row.order_id).where(row.delivery_id == export_delivery_id)
    return list_page(
        call, query, [row.position], lambda ids: {order_id: OrderInFile(str(order_id)) for order_id in ids}, newest=False
    )


@operation(
    "POST", "/export-deliveries/<int:export_delivery_id>/send-again", "Send the orders of a file once more, as a file of another name",
    scope="orders:write", role="manager", answers={202: ExportFile},
)  # fmt: skip
def send_export_delivery_again(call: Call, export_delivery_id: int) -> Reply:
    made = export_records.get_delivery(export_records.send_again(export_delivery_id, call.actor))
    headers = {"Location": f"/api/v1/export-deliveries/{made.id}"}
    return Reply(_shown(made), 202, headers, after=_start(made.export_id or 0))


@operation(
    "POST", "/export-deliveries/<int:export_delivery_id>/drop", "Give up a file that is not delivered yet; its orders are in the next one",
    scope="orders:write", role="manager", answers={200: ExportFile},
)  # fmt: skip
def drop_export_delivery(call: Call, export_delivery_id: int) -> ExportFile:
    export_records.drop(export_delivery_id, call.actor)
    return _shown(export_records.get_delivery(export_delivery_id))


def _start(export_id: int) -> Callable[[], None]:
    def start() -> None:
        with contextlib.suppress(QueueAway):  # A tick enqueues it later.
            enqueue_export(export_id)

    return start


def _load(ids: Sequence[int]) -> dict[int, SavedExport]:
    targets = {row.export_id: row for row in db.session.scalars(select(ExportTarget).where(ExportTarget.export_id.in_(ids)))}
    return {
        row.id: SavedExport(
            str(row.id),
            row.name,
            row.by,
            row.columns,
            row.format,
            row.changed_at,
            _target(targets[row.id]) if row.id in targets else None,
        )
        for row in db.session.scalars(select(OrderExport).where(OrderExport.id.in_(ids)))
    }


def _target(row: ExportTarget) -> Target:
    plan = timetable.of_row(row)
    return Target(
        row.method, export_targets.place_in_words(row), "" if plan is None else timetable.in_words(plan), row.enabled, row.only_new,
        export_targets.next_file_at(row), row.failing_since, row.error, row.advice,
    )  # fmt: skip


def _load_files(ids: Sequence[int]) -> dict[int, ExportFile]:
    return {row.id: _shown(row) for row in db.session.scalars(select(DeliveryRow).where(DeliveryRow.id.in_(ids)))}


def _shown(row: DeliveryRow) -> ExportFile:
    return ExportFile(
        str(row.id), None if row.export_id is None else str(row.export_id), row.name, row.file_name, row.state, row.orders, row.place,
        row.trigger, None if row.repeats is None else str(row.repeats), row.error if row.live else "", row.advice if row.live else "",
        row.created_at, row.finished_at,
    )  # fmt: skip
