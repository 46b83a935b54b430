"""Stored orders, read: listed with filters, found by number, and as plain values for scripts.

Orders of a shop whose integration was removed stay stored and are not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import defer, selectinload

from errors import Conflict, NotFound
from extensions import db
from models import Integration, Order, OrderChange, OrderLine
from models.order import OPEN_STATES
from services.batches import in_batches, stamp
from services.money import plain

STATES = (*OPEN_STATES, "shipped", "cancelled")
WITHOUT_PAYLOAD = (
    defer(Order.raw, raiseload=True),
    defer(Order.digest, raiseload=True),
    defer(Order.surcharge_rows, raiseload=True),
)


def iter_orders(
    *, integration_id: int | None = None, state: str = "", since: datetime | None = None, limit: int | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Orders as ``order_object`` gives them, newest first, a batch at a time. ``since`` is the time they were placed."""
    ids = select(Order.id).where(Order.shop_id.in_(_shops(integration_id)))
    if state:
        ids = ids.where(Order.state == state)
    if since is not None:
        ids = ids.where(Order.placed_at >= since)
    return in_batches(ids.order_by(Order.placed_at.desc(), Order.id.desc()).limit(limit), _load)


def _shops(integration_id: int | None) -> Select[Any]:
    shops = select(Integration.shop_id).where(Integration.removed_at.is_(None))
    return shops if integration_id is None else shops.where(Integration.id == integration_id)


def _load(ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    names = _names()
    query = select(Order).where(Order.id.in_(ids)).options(selectinload(Order.lines), *WITHOUT_PAYLOAD)
    return {order.id: order_object(order, names[order.shop_id]) for order in db.session.scalars(query) if order.shop_id in names}


def _names() -> dict[int, str]:
    query = select(Integration.shop_id, Integration.name).where(Integration.removed_at.is_(None))
    return dict(db.session.execute(query).all())


def find_order(number: str, integration_id: int | None = None) -> Order:
    """By the number the merchant sees, or else by the shop's own id. Raises NotFound, or Conflict where several shops have it."""
    wanted = number.strip()
    query = select(Order).where(Order.shop_id.in_(_shops(integration_id))).options(selectinload(Order.lines), *WITHOUT_PAYLOAD)
    for column in (Order.number, Order.external_id):
        found = db.session.scalars(query.where(column == wanted).limit(10)).all() if wanted else []
        if len(found) > 1:
            names = _names()
            places = ", ".join(sorted(f"{names[order.shop_id]} (id {order.external_id})" for order in found))
            raise Conflict(f"There are several orders with the number {wanted}: in {places}.", "Choose one of them.")
        if found:
            return found[0]
    raise NotFound(f"There is no order with the number {number!r}.", "Orders are stored once they have been downloaded.")


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


def order_object(order: Order, integration: str | None = None) -> dict[str, Any]:
    """An order as plain values, money as text with its currency's decimals. ``integration`` is its integration's name,
    looked up where the caller does not say.

    items + shipping + items_tax + shipping_tax + discount + other + difference = total."""

    def money(amount: Decimal) -> str:
        return plain(amount, order.decimals)

    return {
        "integration": integration_name(order) if integration is None else integration,
        "external_id": order.external_id,
        "number": order.number,
        "placed_at": stamp(order.placed_at),
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
        "lines": [line_object(line, order.decimals) for line in order.lines],
    }


def line_object(line: OrderLine, decimals: int) -> dict[str, Any]:
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
