"""What the orders pages show: a page of the list, and everything there is to know about one order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import selectinload

from errors import NotFound
from extensions import db
from models import Integration, LinePart, Order, OrderChange, OrderLine, Oversell, Shipment, StockItem, WriteBack
from models.order import OPEN_STATES
from models.types import utcnow
from services import catalogue, customers, order_list, shipments, write_backs
from services.batches import in_batches, stamp
from services.money import plain
from services.paging import Page, by_id, page_of

PAGE_SIZE = 50
AGES = {"1": 1, "7": 7, "30": 30, "90": 90}
SORTS: dict[str, Any] = {
    "newest": (Order.placed_at.desc(), Order.id.desc()), "oldest": (Order.placed_at, Order.id),
    "number": (Order.number, Order.id), "total": (Order.total.desc(), Order.id.desc()), "customer": (Order.customer, Order.id),
}  # fmt: skip
WITH_KITS = (selectinload(Order.lines).selectinload(OrderLine.parts).selectinload(LinePart.stock_item),)
SPECIAL = ("open", "cancel_unseen", "untold")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the list is filtered by. ``state`` is a state, or one of ``SPECIAL``: open, cancel_unseen (cancelled in the shop and
    not acknowledged), untold (the shop has not taken what it is told).

    ``customers`` says whether the reader may see who bought: without it no name is shown, searched or sorted by."""

    integration_id: int | None = None
    search: str = ""
    state: str = ""
    age: str = ""
    sort: str = "newest"
    customers: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    id: int
    number: str
    integration: str
    placed_at: datetime
    customer: str
    total: str
    currency: str
    pieces: int
    state: str
    held_reason: str
    note: str
    cancel_unseen: bool
    payment_status: str
    shipping_status: str


def list_page(wanted: Wanted, number: int = 1) -> Page[Row]:
    """One page of the orders of present integrations."""
    return page_of(_matching(wanted), number, PAGE_SIZE, by_id(lambda ids: _rows(ids, wanted.customers)))


def iter_rows(wanted: Wanted) -> Iterator[list[Row]]:
    """All of them, a batch at a time, for a file."""
    return in_batches(_matching(wanted), lambda ids: _rows(ids, wanted.customers))


def _matching(wanted: Wanted) -> Select[Any]:
    query = select(Order.id).where(_is_present())
    if wanted.integration_id is not None:
        one = select(Integration.shop_id).where(Integration.id == wanted.integration_id, Integration.removed_at.is_(None))
        query = select(Order.id).where(Order.shop_id == one.scalar_subquery())
    if wanted.search:
        query = query.where(_found_by(wanted.search, wanted.customers))
    if wanted.state == "open":
        query = query.where(Order.state.in_(OPEN_STATES))
    elif wanted.state == "cancel_unseen":
        query = query.where(Order.cancel_unseen)
    elif wanted.state == "untold":
        query = query.where(
            Order.id.in_(select(WriteBack.order_id).where(WriteBack.state.in_(("waiting", "sending", "failed"))))
        )  # fmt: skip
    elif wanted.state:
        query = query.where(Order.state == wanted.state)
    if wanted.age in AGES:
        query = query.where(Order.placed_at >= utcnow() - timedelta(days=AGES[wanted.age]))
    elif wanted.age == "older":
        query = query.where(Order.placed_at < utcnow() - timedelta(days=90))
    sort = "newest" if wanted.sort == "customer" and not wanted.customers else wanted.sort
    return query.order_by(*SORTS.get(sort, SORTS["newest"]))


def _found_by(search: str, with_customers: bool) -> ColumnElement[bool]:
    number = search.removeprefix("#")
    with_sku = select(OrderLine.order_id).where(OrderLine.sku.icontains(search, autoescape=True))
    found = [Order.number.icontains(number, autoescape=True), Order.external_id == number, Order.id.in_(with_sku)]
    if with_customers:
        found += [Order.customer.icontains(search, autoescape=True), Order.email.icontains(search, autoescape=True)]
    return or_(*found)


def _rows(ids: Sequence[int], with_customers: bool) -> dict[int, Row]:
    pieces = (
        select(func.coalesce(func.sum(OrderLine.quantity), 0))
        .where(OrderLine.order_id == Order.id)
        .correlate(Order)
        .scalar_subquery()
    )
    query = (
        select(
            Order.id, Order.number, Order.external_id, Integration.name, Order.placed_at, Order.customer, Order.email, Order.total,
            Order.decimals, Order.currency, pieces, Order.state, Order.held_reason, Order.note, Order.cancel_unseen,
            Order.payment_status, Order.shipping_status,
        )
        .join(Integration, and_(Integration.shop_id == Order.shop_id, Integration.removed_at.is_(None)))
        .where(Order.id.in_(ids))
    )  # fmt: skip
    return {
        row[0]: Row(
            row[0],
            row[1] or row[2],
            row[3],
            row[4],
            (row[5] or row[6]) if with_customers else "",
            plain(row[7], row[8]),
            row[9],
            int(row[10]),
            *row[11:],
        )  # fmt: skip
        for row in db.session.execute(query)
    }


def _is_present() -> ColumnElement[bool]:
    """Whether an order's shop is connected. Asked order by order: a list of shops would have the database sort all their orders
    where the newest fifty are wanted."""
    return select(Integration.id).where(Integration.shop_id == Order.shop_id, Integration.removed_at.is_(None)).exists()


def counts() -> dict[str, int]:
    """How many orders of present integrations are in each open state, with those whose cancelling nobody has acknowledged.
    Those that are over are not counted: an old shop has a hundred thousand."""
    query = select(Order.state, func.count()).where(Order.state.in_(OPEN_STATES), _is_present()).group_by(Order.state)
    found = dict(db.session.execute(query).all())
    present = select(Integration.shop_id).where(Integration.removed_at.is_(None))
    unseen = select(func.count()).select_from(Order).where(Order.shop_id.in_(present), Order.cancel_unseen)
    return {**found, "cancel_unseen": db.session.scalar(unseen) or 0}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an order's time-line. ``fields`` are (name, before, after)."""

    at: datetime
    title: str
    text: str = ""
    tone: str = "idle"
    fields: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OrderPage:
    """``money`` are (label, amount) that add up to ``total``; ``refusal`` says why it may not be shipped, empty where it may.
    Where ``customers`` is False, all that is about a person has been taken out of the other values."""

    customers: bool
    order: Order
    integration: Integration
    payment: str
    shipping: str
    money: list[tuple[str, str]]
    total: str
    difference: str
    lines: list[dict[str, Any]]
    shipments: list[Shipment]
    write_backs: list[WriteBack]
    timeline: list[Event]
    oversold: list[str]
    refusal: str
    warn_mail: bool


def order_page(order_id: int, *, with_customers: bool) -> OrderPage:
    """Raises NotFound, also for an order whose integration was removed."""
    order = db.session.scalar(select(Order).where(Order.id == order_id).options(*WITH_KITS, *order_list.WITHOUT_PAYLOAD))
    integration = write_backs.integration_of(order.shop_id) if order is not None else None
    if order is None or integration is None:
        raise NotFound("There is no such order.", "Its shop may have been removed.")
    names = {(status.kind, status.code or status.external_id): status.name for status in catalogue.statuses_of(integration)}
    told, sent = write_backs.of_order(order.id), shipments.of_order(order.id)
    lines = [_line(line, order.decimals, with_customers) for line in order.lines]
    if not with_customers:
        customers.hide(order, sent, told)
    return OrderPage(
        with_customers, order, integration, names.get(("payment", order.payment_status), order.payment_status),
        names.get(("shipping", order.shipping_status), order.shipping_status), _money(order), plain(order.total, order.decimals),
        plain(order.difference, order.decimals) if order.difference else "", lines,
        sent, told, _timeline(order, told, sent, with_customers, names), oversold(order.id), shipments.refusal(order), integration.mail_told_at is None,
    )  # fmt: skip


def _money(order: Order) -> list[tuple[str, str]]:
    parts: list[tuple[str, Decimal]] = [
        ("Items", order.items), ("Tax on items", order.items_tax), ("Shipping", order.shipping),
        ("Tax on shipping", order.shipping_tax), ("Discount", order.discount), ("Other", order.other),
    ]  # fmt: skip
    return [(label, plain(amount, order.decimals)) for label, amount in parts if amount or label == "Items"]


def _line(line: OrderLine, decimals: int, with_options: bool) -> dict[str, Any]:
    return {
        "id": line.id, "position": line.position, "sku": line.sku, "name": line.name, "quantity": line.quantity,
        "price": order_list.unit_price(line.price, decimals), "total": plain(line.total, decimals),
        "options": list(order_list.options_object(line.options).items()) if with_options else [], "reserved": line.reserved, "shipped": line.shipped,
        "left": max(0, line.quantity - line.shipped), "stock_item_id": line.stock_item_id,
        "kit": [] if line.stock_item_id is not None else [(part.stock_item.sku, part.units) for part in line.parts],
    }  # fmt: skip


def _timeline(
    order: Order, told: Sequence[WriteBack], sent: Sequence[Shipment], with_customers: bool, names: Mapping[tuple[str, str], str]
) -> list[Event]:
    """Newest first. ``names`` are those of statuses, by kind and code."""
    events = [
        Event(order.placed_at, "Placed in the shop"),
        Event(order.first_seen_at, "Imported"),
    ]
    changes = db.session.scalars(select(OrderChange).where(OrderChange.order_id == order.id).order_by(OrderChange.id))
    for change in changes:
        noted = change.fields if with_customers else customers.without_customer(change.fields)
        fields = [
            (name.replace("_", " "), *(_said(names.get((name.removesuffix("_status"), str(value)), value)) for value in values))
            for name, values in noted.items()
        ]
        events.append(Event(change.seen_at, "Changed in the shop", "", "warn", fields))
    for shipment in sent:
        what = ", ".join(f"{line.quantity} × {line.sku or line.name}" for line in shipment.lines)
        by = " ".join(part for part in (shipment.carrier, shipment.tracking_number) if part)
        events.append(Event(shipment.shipped_at, f"Shipped by {shipment.actor.partition(':')[2] or shipment.actor}",
                            f"{what}{' with ' + by if by else ''}. {shipment.note}".strip(), "good"))  # fmt: skip
    for row in told:
        events.append(_told_event(row, names))
    if order.called_off_at is not None:
        events.append(Event(order.called_off_at, "Cancelled here", "", "bad"))
    return sorted(events, key=lambda event: event.at, reverse=True)


def _told_event(row: WriteBack, names: Mapping[tuple[str, str], str]) -> Event:
    what = {"shipped": "shipped", "part_shipped": "shipped in part", "cancelled": "cancelled"}[row.event]
    tracking = f" Tracking: {', '.join(row.tracking_numbers)}." if row.tracking_numbers else ""
    if row.state == "done":
        title = f"The shop was told: {what}" if row.sent else "The shop knew already"
        return Event(
            row.finished_at or row.created_at,
            title,
            f"It answered with status {names.get(('shipping', row.answer), row.answer) or '–'}.{tracking} {row.note}".strip(),
            "good",
        )
    if row.state == "failed":
        return Event(row.finished_at or row.created_at, "The shop could not be told", f"{row.error} {row.advice}".strip(), "bad")
    if row.state == "replaced":
        return Event(row.finished_at or row.created_at, f"To tell the shop: {what}", "Replaced by a later one.")
    tries = f" Tried {row.tries} times: {row.error}" if row.error else ""
    return Event(row.created_at, f"To tell the shop: {what}", f"Waiting.{tracking}{tries}", "busy")


def _said(value: Any) -> str:
    """A stored value in words."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, dict):
        return ", ".join(str(part) for key, part in value.items() if part and key != "extra")
    if isinstance(value, list):
        return ", ".join(" × ".join(str(part) for part in reversed(one)) if isinstance(one, list) else str(one) for one in value)
    return str(value)


def oversold(order_id: int) -> list[str]:
    """What this order and one of another shop both sold, when there was not enough for both; a sentence each."""
    lacks = Oversell.order_id == order_id
    query = (
        select(Oversell.units, lacks, StockItem.sku, Order.number, Integration.name)
        .join(StockItem, StockItem.id == Oversell.stock_item_id)
        .join(Order, Order.id == case((lacks, Oversell.other_order_id), else_=Oversell.order_id))
        .outerjoin(Integration, and_(Integration.shop_id == Order.shop_id, Integration.removed_at.is_(None)))
        .where(or_(lacks, Oversell.other_order_id == order_id))
        .order_by(Oversell.id)
    )
    sentences = []
    for units, is_lacking, sku, number, name in db.session.execute(query):
        are, place = "is" if units == 1 else "are", f"order {number} of {name or 'a removed shop'}"
        if is_lacking:
            sentences.append(f"{sku}: {units} {are} missing, because {place} took the last.")
        else:
            sentences.append(f"{sku}: this order took the last; {place} sold {units} that {are} not there.")
    return sentences


def raw_payload(order_id: int) -> str:
    """What the shop sent, as indented JSON. Raises NotFound."""
    raw = db.session.scalar(select(Order.raw).where(Order.id == order_id))
    if raw is None:
        raise NotFound("There is no such order.")
    return msgspec.json.format(raw or b"{}", indent=2).decode()


def row_for_file(row: Row) -> tuple[Any, ...]:
    return (
        row.number, row.integration, stamp(row.placed_at), row.customer, row.pieces, row.total, row.currency, row.payment_status,
        row.shipping_status, row.state, row.held_reason, row.note,
    )  # fmt: skip


HEADER = ("number", "integration", "placed_at", "customer", "pieces", "total", "currency", "payment_status", "shipping_status",
          "state", "held_because", "note")  # fmt: skip
