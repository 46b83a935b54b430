"""``orders``: listed with filters, one by one, and what is done with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import Select, Text, cast, select

from api.decoding import refuse_parameter
from api.operations import Call, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.resources.order_notes import Note, notes_of
from api.resources.order_versions import check_if_sent, version_of
from api.resources.shipments import Shipment, shipments_of
from api.resources.write_backs import WriteBack, write_backs_of
from api.shapes import Amount, Body, Code, Id, Sku, row_id, some_of
from errors import NotFound
from extensions import db
from jobs.schedule import start_due_runs
from models import Integration, OrderChange, OrderLine
from models import Order as Row
from models.sku_key import sku_key
from services.order_basics import numbers
from services.order_basics.columns import WITHOUT_CUSTOMER
from services.order_basics.identity import placed_of
from services.orders import held, queries, redaction, rereading, seen, tags
from services.shipping import shipments

EXPANSIONS = ("changes", "notes", "shipments", "write_backs")
State = Literal[
    "awaiting_payment", "on_hold", "ready", "part_shipped", "shipped", "cancelled", "open", "cancel_unseen", "not_sent", "by_hand",
    "superseded", "gone",
]  # fmt: skip
Expand = Annotated[str, some_of(EXPANSIONS, "Names of `changes`, `notes`, `shipments`, `write_backs`, separated by commas.", 100)]
Moment = Annotated[datetime, Meta(tz=True)]


class Line(Struct, omit_defaults=False):
    """``price`` is for one piece. ``options`` are left out without customers:read."""

    id: str
    sku: str
    name: str
    quantity: int
    price: Amount
    total: Amount
    tax: Amount
    reserved: int
    shipped: int
    options: dict[str, str] | UnsetType = UNSET


class Change(Struct):
    """What the shop changed: for each field the value before and after."""

    seen_at: datetime
    fields: dict[str, Any]


class Order(Struct, kw_only=True):
    """items + shipping + items_tax + shipping_tax + discount + other + difference = total. ``version`` changes with what acts can change:
    the state, the holds, and what is shipped. ``placed_at`` is null where the shop did not say. The fields from ``customer`` on are left
    out without customers:read; ``changes``, ``shipments`` and ``write_backs`` unless ``expand`` names them."""

    id: str
    integration_id: str | None
    integration: str
    external_id: str
    number: str
    placed_at: datetime | None
    changed_at: datetime
    updated_at: datetime
    currency: str
    total: Amount
    items: Amount
    shipping: Amount
    items_tax: Amount
    shipping_tax: Amount
    discount: Amount
    other: Amount
    difference: Amount
    tax_lines: list[list[str]] | None
    payment_status: str
    shipping_status: str
    payment_method: str
    shipping_method: str
    state: str
    mark: str
    held_codes: list[str]
    held_reason: str
    note: str
    cancel_unseen: bool
    tags: list[str]
    version: str
    lines: list[Line]
    customer: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    billing_address: dict[str, Any] | None | UnsetType = UNSET
    shipping_address: dict[str, Any] | None | UnsetType = UNSET
    customer_notes: str | UnsetType = UNSET
    admin_notes: str | UnsetType = UNSET
    tracking_numbers: list[str] | UnsetType = UNSET
    notes: list[Note] | UnsetType = UNSET
    changes: list[Change] | UnsetType = UNSET
    shipments: list[Shipment] | UnsetType = UNSET
    write_backs: list[WriteBack] | UnsetType = UNSET


class OneQuery(Struct, kw_only=True):
    expand: Expand = ""


class OrdersQuery(ListQuery, kw_only=True):
    """With ``changed_since``, orders come in the order in which Cartlink changed them, else the newest first."""

    integration: Id | None = None
    state: State | None = None
    number: Annotated[str, Meta(max_length=64)] | None = None
    external_id: Annotated[str, Meta(max_length=64)] | None = None
    sku: Sku | None = None
    hold: Code | None = None
    tag: Annotated[str, Meta(max_length=40)] | None = None
    placed_from: Moment | None = None
    placed_to: Moment | None = None
    changed_since: Moment | None = None
    expand: Expand = ""


@operation("GET", "/orders", "List orders", scope="orders:read", query=OrdersQuery, answers={200: Page[Order]})
def list_orders(call: Call) -> Reply:
    wanted: OrdersQuery = call.query
    expand = _expansions(wanted.expand)
    since = wanted.changed_since
    keys = [Row.placed_at, Row.id] if since is None else [Row.updated_at, Row.id]
    return list_page(
        call, _matching(wanted), keys, lambda ids: load_orders(ids, call.sees_customers, expand), newest=since is None
    )


@operation("GET", "/orders/<int:order_id>", "Get an order", scope="orders:read", query=OneQuery, answers={200: Order})
def get_order(call: Call, order_id: int) -> Order:
    return one_order(order_id, call.sees_customers, _expansions(call.query.expand))


@operation(
    "POST", "/orders/<int:order_id>/evaluate", "Check the stored copy of an order again", scope="orders:write", role="manager",
    answers={200: Order},
)  # fmt: skip
def evaluate_order(call: Call, order_id: int) -> Order:
    after_act(order_id)
    rereading.evaluate_orders([order_id], call.actor)
    return after_act(order_id)


@operation(
    "POST", "/orders/<int:order_id>/cancel", "Cancel an order here: what it reserves is free again", scope="orders:write",
    role="manager", answers={200: Order}, versioned=True,
)  # fmt: skip
def cancel_order(call: Call, order_id: int) -> Reply:
    check_if_sent(order_id)
    shipments.cancel_order(order_id, call.actor)
    return Reply(after_act(order_id), after=start_runs)


@operation(
    "POST", "/orders/<int:order_id>/mark-seen", "Mark as seen that the shop cancelled or deleted an order", scope="orders:write",
    role="manager", answers={200: Order},
)  # fmt: skip
def mark_order_seen(call: Call, order_id: int) -> Reply:
    after_act(order_id)
    seen.mark_seen([order_id], call.actor)
    return Reply(after_act(order_id), after=start_runs)


class ShippedPieces(Body):
    """How many pieces of an order line were shipped."""

    line_id: Id
    quantity: Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Acceptance(Body):
    """``code`` is one of the order's ``held_codes`` that a person may accept. With the code ``lines``, ``shipped`` says how many pieces of each
    line were shipped; without it the shipments are counted on its lines as is most likely."""

    code: Code
    shipped: Annotated[list[ShippedPieces], Meta(min_length=1, max_length=1000)] | None = None


@operation(
    "POST", "/orders/<int:order_id>/accept", "Accept what holds an order as it is", scope="orders:write", role="manager",
    body=Acceptance, answers={200: Order}, versioned=True,
)  # fmt: skip
def accept_order(call: Call, order_id: int) -> Reply:
    after_act(order_id)
    check_if_sent(order_id)
    shipped = call.body.shipped
    pieces = None if shipped is None else {row_id(each.line_id): each.quantity for each in shipped}
    held.accept(call.body.code, [order_id], call.actor, pieces)
    return Reply(after_act(order_id), after=start_runs)


@operation(
    "POST", "/orders/<int:order_id>/read-again", "Read an order from its shop again, with the next order run", scope="orders:write",
    role="manager", answers={202: Order},
)  # fmt: skip
def read_order_again(call: Call, order_id: int) -> Reply:
    if not rereading.ask_again([order_id]).orders:
        raise NotFound("There is no such order, or it cannot be read: its shop was removed, or uses its id for another order.")
    return Reply(after_act(order_id), 202, {"Location": f"/api/v1/orders/{order_id}"}, after=start_runs)


def start_runs() -> None:
    start_due_runs()


def after_act(order_id: int) -> Order:
    """An order as acts answer with it: without its customer, because answers are kept for the idempotency key. Raises NotFound."""
    db.session.expire_all()
    return one_order(order_id, False)


def one_order(order_id: int, with_customers: bool, expand: Sequence[str] = ()) -> Order:
    """Raises NotFound."""
    found = load_orders([order_id], with_customers, expand).get(order_id)
    if found is None:
        raise NotFound("There is no such order.")
    return found


def _expansions(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    unknown = sorted(set(names) - set(EXPANSIONS))
    if unknown:
        raise refuse_parameter("expand", f"{unknown[0][:40]!r} cannot be expanded; use {', '.join(EXPANSIONS)}.")
    return names


def _matching(wanted: OrdersQuery) -> Select[Any]:
    shops = select(Integration.shop_id).where(Integration.removed_at.is_(None))
    if wanted.integration is not None:
        shops = shops.where(Integration.id == row_id(wanted.integration))
    query = select(Row.id).where(Row.shop_id.in_(shops))
    if wanted.state is not None:
        query = query.where(queries.in_state(wanted.state))
    if wanted.number is not None:
        named = numbers.parse(wanted.number)
        query = query.where(Row.number.in_(named.numbers) if named.numbers else Row.external_id == named.external_id)
    if wanted.external_id is not None:
        query = query.where(Row.external_id == wanted.external_id)
    if wanted.sku is not None:
        query = query.where(Row.id.in_(select(OrderLine.order_id).where(OrderLine.sku_key == sku_key(wanted.sku))))
    if wanted.hold is not None:
        query = query.where(Row.held, cast(Row.held_codes, Text).contains(f'"{wanted.hold}"', autoescape=True))
    if wanted.tag is not None:
        query = query.where(Row.id.in_(tags.orders_with(tags.find_tag(wanted.tag), everything=True)))
    if wanted.placed_from is not None:
        query = query.where(Row.placed_at >= wanted.placed_from)
    if wanted.placed_to is not None:
        query = query.where(Row.placed_at < wanted.placed_to)
    if wanted.changed_since is not None:
        query = query.where(Row.updated_at >= wanted.changed_since)
    return query


def load_orders(ids: Sequence[int], with_customers: bool, expand: Sequence[str]) -> dict[int, Order]:
    """Orders with what is expanded, in as many statements as for one."""
    rows = queries.rows_with_lines(ids)
    present = select(Integration.shop_id, Integration.id, Integration.name).where(Integration.removed_at.is_(None))
    names = {shop_id: (str(row_id), name) for shop_id, row_id, name in db.session.execute(present)}
    more: dict[str, dict[int, list[Any]]] = {"tags": dict(tags.of_orders(ids))}
    if "changes" in expand:
        more["changes"] = _changes_of(ids, with_customers)
    if "notes" in expand and with_customers:
        more["notes"] = notes_of(ids)
    if "shipments" in expand:
        more["shipments"] = shipments_of(ids, with_customers)
    if "write_backs" in expand:
        more["write_backs"] = write_backs_of(ids, with_customers)
    return {
        row.id: _shown(
            row,
            lines,
            names.get(row.shop_id, (None, "")),
            with_customers,
            {name: found.get(row.id, []) for name, found in more.items()},
        )
        for row, lines in rows
    }


def _shown(
    row: Any, lines: Sequence[Any], integration: tuple[str | None, str], with_customers: bool, more: dict[str, Any]
) -> Order:
    values = queries.order_object(row, integration[1], lines)
    values |= {
        "id": str(row.id), "integration_id": integration[0], "placed_at": placed_of(row), "changed_at": row.changed_at,
        "updated_at": row.updated_at, "cancel_unseen": row.cancel_unseen, "version": version_of(row, lines),
        "lines": [_line(line, shown, with_customers) for line, shown in zip(lines, values["lines"], strict=True)],
    }  # fmt: skip
    if not with_customers:
        values = {name: value for name, value in values.items() if name not in WITHOUT_CUSTOMER}
    return Order(**values, **more)


def _line(line: Any, values: dict[str, Any], with_options: bool) -> Line:
    if not with_options:
        del values["options"]
    return Line(id=str(line.id), **values)


def _changes_of(ids: Sequence[int], with_customers: bool) -> dict[int, list[Change]]:
    found: dict[int, list[Change]] = defaultdict(list)
    for change in db.session.scalars(select(OrderChange).where(OrderChange.order_id.in_(ids)).order_by(OrderChange.id)):
        fields = change.fields if with_customers else redaction.without_customer(change.fields)
        found[change.order_id].append(Change(change.seen_at, dict(fields)))
    return found
