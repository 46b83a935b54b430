"""Stored orders, read: listed with filters, found by number, and as plain values for scripts.

Orders of a shop whose integration was removed stay stored and are not shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    func,
    select,
    union,
    union_all,
)
from sqlalchemy.orm import defer, selectinload

from errors import Conflict, NotFound
from extensions import db
from models import Allocation, Integration, Order, OrderChange, OrderLine, WriteBack
from models.order import OPEN_STATES, mark_of
from models.shipment import FAILED, OPEN
from services.common.batches import in_batches, stamp
from services.order_basics import numbers
from services.order_basics.identity import placed_of
from services.order_basics.money import plain
from services.orders import tags
from services.shipping import by_hand, called_off

STATES = (*OPEN_STATES, "shipped", "cancelled")
SPECIAL = ("open", "cancel_unseen", "not_sent", "by_hand", "superseded", "gone")
"""More that lists can be filtered by: open, cancel_unseen (the shop has cancelled, declined or refunded the order and nobody has marked that as seen),
not_sent (the shop has not taken what it is sent), by_hand (a tracking number is to be entered in the shop), superseded (the shop uses
the id for another order), gone (deleted in the shop and not marked as seen)."""
HELD_FOR = "on_hold."
WITHOUT_PAYLOAD = (
    defer(Order.raw, raiseload=True),
    defer(Order.digest, raiseload=True),
    defer(Order.surcharge_rows, raiseload=True),
)


def iter_orders(
    *, integration_id: int | None = None, state: str = "", tag: str | None = None, since: datetime | None = None,
    limit: int | None = None,
) -> Iterator[list[dict[str, Any]]]:  # fmt: skip
    """Orders as ``order_object`` gives them, newest first, a batch at a time. ``since`` is the time they were placed."""
    ids = select(Order.id).where(Order.shop_id.in_(_shops(integration_id)))
    if state:
        ids = ids.where(in_state(state))
    if tag is not None:
        ids = ids.where(Order.id.in_(tags.orders_with(tags.find_tag(tag), everything=True)))
    if since is not None:
        ids = ids.where(Order.placed_at >= since)
    return in_batches(ids.order_by(Order.placed_at.desc(), Order.id.desc()).limit(limit), _load)


def in_state(state: str) -> ColumnElement[bool]:
    """The condition on Order that a word of ``STATES`` or ``SPECIAL`` stands for, or HELD_FOR and the code of a cause."""
    if state.startswith(HELD_FOR):
        return and_(Order.held, cast(Order.held_codes, Text).contains(f'"{state.removeprefix(HELD_FOR)}"', autoescape=True))
    if state == "open":
        return Order.state.in_(OPEN_STATES)
    if state == "cancel_unseen":
        return Order.id.in_(to_decide())
    if state == "not_sent":
        # In two parts, each the condition of an index: few write-backs are unfinished, and all others are not read.
        return Order.id.in_(union_all(*(select(WriteBack.order_id).where(each) for each in (OPEN, FAILED))))
    if state == "by_hand":
        return Order.id.in_(waits_by_hand())
    if state == "superseded":
        return Order.superseded_at.is_not(None)
    if state == "gone":
        return and_(Order.gone_at.is_not(None), Order.gone_seen_at.is_(None), Order.superseded_at.is_(None))
    return Order.state == state


def to_decide() -> CompoundSelect[*tuple[Any, ...]]:
    """The ids of orders that the shop has called off and nobody has marked as seen."""
    return union(select(Order.id).where(Order.cancel_unseen), select(WriteBack.order_id).where(called_off.is_blocking()))


def waits_by_hand() -> CompoundSelect[*tuple[Any, ...]]:
    """The ids of orders about which there is something to do in the shop by hand."""
    return by_hand.orders_to_do()


def _shops(integration_id: int | None) -> Select[*tuple[Any, ...]]:
    shops = select(Integration.shop_id).where(Integration.removed_at.is_(None))
    return shops if integration_id is None else shops.where(Integration.id == integration_id)


def _load(ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    names = _names()
    query = (
        select(Order, Order.id.in_(waits_by_hand())).where(Order.id.in_(ids)).options(selectinload(Order.lines), *WITHOUT_PAYLOAD)
    )
    return {
        order.id: {**order_object(order, names[order.shop_id]), "enter_by_hand": waits}
        for order, waits in db.session.execute(query)
        if order.shop_id in names
    }


def _names() -> dict[int, str]:
    query = select(Integration.shop_id, Integration.name).where(Integration.removed_at.is_(None))
    return dict(db.session.execute(query).all())


def find_order(number: str, integration_id: int | None = None, *, external_id: str | None = None) -> Order:
    """By the number the merchant sees, or else by the shop's own id. ``id:123`` as number, or ``external_id``, means the shop's
    own id alone. Raises NotFound, or Conflict where several orders fit; it names their ids. An ``external_id`` of an order that has
    another number is refused: one of the two was mistyped."""
    named = asked = numbers.parse(number)
    if external_id is not None:
        named = numbers.Named((), external_id.strip())
    wanted = [(Order.external_id, named.external_id)] if not named.numbers else []
    wanted += [(column, spelling) for column in (Order.number, Order.external_id) for spelling in named.numbers]
    query = select(Order).where(Order.shop_id.in_(_shops(integration_id))).options(selectinload(Order.lines), *WITHOUT_PAYLOAD)
    for column, spelling in wanted:
        # An order that the shop has replaced under its id is found only where there is no other.
        found = db.session.scalars(
            query.where(column == spelling).order_by(Order.superseded_at.is_not(None), Order.id).limit(10)
        ).all()
        current = [order for order in found if order.superseded_at is None] or found
        if external_id is not None:
            fitting = [order for order in current if _is_called(order, asked)]
            if current and not fitting:
                raise Conflict(
                    f"The order with the id {external_id.strip()} has the number {current[0].number}, not {number.strip()}.",
                    "Correct one of the two.",
                )
            current = fitting
        if len(current) > 1:
            raise _several(number.strip(), current)
        if current:
            return current[0]
    raise NotFound(f"There is no order with the number {number!r}.", "Orders are stored once they have been downloaded.")


def _is_called(order: Order, asked: numbers.Named) -> bool:
    """Whether a person could mean an order by what they typed; an order that the shop cannot print may have no number."""
    names = {name.casefold() for name in (order.number, order.external_id) if name}
    return not order.number or any(name.casefold() in names for name in (*asked.numbers, asked.external_id) if name)


def _several(wanted: str, found: Sequence[Order]) -> Conflict:
    """What to say where several orders fit: ids distinguish orders of one shop, integrations those of several."""
    names = _names()
    places = sorted((names.get(order.shop_id, ""), order.external_id) for order in found)
    listed = ", ".join(f"{name} (id {external_id})" for name, external_id in places)
    advice = []
    if len({name for name, _ in places}) > 1:
        advice.append("Choose one with --integration NAME.")
    if len({external_id for _, external_id in places}) > 1:
        advice.append(f"Give the shop's id: id:{places[0][1]} instead of the number, or --id {places[0][1]}.")
    return Conflict(f"There are several orders with the number {wanted}: in {listed}.", " ".join(advice))


def integration_name(order: Order) -> str:
    """The name of the integration an order came through; empty where it was removed."""
    present = select(Integration.name).where(Integration.shop_id == order.shop_id, Integration.removed_at.is_(None))
    return db.session.scalar(present) or ""


def list_changes(order_id: int) -> list[dict[str, Any]]:
    """What the shop changed of an order after it was first stored, oldest first."""
    query = select(OrderChange).where(OrderChange.order_id == order_id).order_by(OrderChange.id)
    return [{"seen_at": stamp(change.seen_at), "fields": change.fields} for change in db.session.scalars(query)]


def count_by_state(shop_id: int) -> dict[str, int]:
    """How many orders of a shop are in each state."""
    query = select(Order.state, func.count()).where(Order.shop_id == shop_id).group_by(Order.state)
    return dict(db.session.execute(query).all())


UNREAD = ("raw", "digest", "surcharge_rows", "email_digest")
_order, _line, _allocation = Order.__table__.c, OrderLine.__table__.c, Allocation.__table__.c
IDS: BindParameter[Any] = bindparam("ids", expanding=True)
ROWS = select(*(column for column in _order if column.name not in UNREAD)).where(_order.id.in_(IDS))
"""Orders as rows of their table: for many, objects of the ORM cost as much as all the rest of a list."""
PIECES = func.coalesce(func.min(_allocation.reserved // _allocation.units), 0)
RESERVED = select(PIECES).where(_allocation.order_line_id == _line.id).scalar_subquery()
"""Whole pieces that are reserved of a line, as models.order has it."""
LINES = (
    select(OrderLine.__table__, RESERVED.label("reserved")).where(_line.order_id.in_(IDS))
    .order_by(_line.order_id, _line.position, _line.id)
)  # fmt: skip


def rows_with_lines(ids: Sequence[int]) -> list[tuple[Any, list[Any]]]:
    """Orders with their lines, as rows that ``order_object`` takes, in no order."""
    lines: dict[int, list[Any]] = defaultdict(list)
    for line in db.session.execute(LINES, {"ids": ids}):
        lines[line.order_id].append(line)
    return [(row, lines[row.id]) for row in db.session.execute(ROWS, {"ids": ids})]


def order_object(order: Any, integration: str | None = None, lines: Sequence[Any] | None = None) -> dict[str, Any]:
    """An order as plain values, money as text with its currency's decimals. ``integration`` is its integration's name,
    looked up where the caller does not say. ``order`` is an Order, or a row of its table with its ``lines``.

    items + shipping + items_tax + shipping_tax + discount + other + difference = total."""

    def money(amount: Decimal) -> str:
        return plain(amount, order.decimals)

    return {
        "integration": integration_name(order) if integration is None else integration,
        "external_id": order.external_id,
        "number": order.number,
        "placed_at": stamp(placed_of(order)),
        "changed_at": stamp(order.changed_at),
        "currency": order.currency,
        "total": money(order.total),
        "items": money(order.items),
        "shipping": money(order.shipping),
        "items_tax": money(order.items_tax),
        "shipping_tax": money(order.shipping_tax),
        "discount": money(order.discount),
        "other": money(order.other),
        "difference": money(order.difference),
        "tax_lines": order.tax_lines,
        "payment_status": order.payment_status,
        "shipping_status": order.shipping_status,
        "state": order.state,
        "mark": mark_of(order.superseded_at, order.gone_at),
        "held_codes": order.held_codes,
        "held_reason": order.held_reason,
        "note": order.note,
        "customer": order.customer,
        "email": order.email,
        "billing_address": order.billing_address,
        "shipping_address": order.shipping_address,
        "payment_method": order.payment_method,
        "shipping_method": order.shipping_method,
        "customer_notes": order.customer_notes,
        "admin_notes": order.admin_notes,
        "tracking_numbers": order.tracking_numbers,
        "lines": [line_object(line, order.decimals) for line in (order.lines if lines is None else lines)],
    }


def line_object(line: Any, decimals: int) -> dict[str, Any]:
    """``price`` is per unit; where tax or a discount was folded in it may have more decimals than the currency."""
    return {
        "sku": line.sku,
        "name": line.name,
        "quantity": line.quantity,
        "price": unit_price(line.price, decimals),
        "total": plain(line.total, decimals),
        "tax": plain(line.tax, decimals),
        "options": options_object(line.options),
        "reserved": line.reserved,
        "shipped": line.shipped,
    }


def unit_price(price: Decimal, decimals: int) -> str:
    return plain(price, decimals) if price == round(price, decimals) else plain(price, 4).rstrip("0")


def options_object(options: Sequence[Sequence[str]]) -> dict[str, str]:
    """Name -> value; an option that was chosen more than once keeps all its values."""
    chosen: dict[str, str] = {}
    for name, value in options:
        chosen[name] = f"{chosen[name]}, {value}" if name in chosen else value
    return chosen
