"""X-Cart payloads → the plain values of the channel contract.

An order's payload has one of three forms, which the name of its id tells apart: ``orderId`` (add-on, complex schema), ``order_id``
(add-on, default schema) and ``order_number`` beside ``id`` (API of 5.5). Each is first trimmed to what may be stored: without
customer profiles, where the shop puts password hashes, and without the products' descriptions, which are most of
its bulk and not part of the order. What is stored can be read again by the same functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from channels.base import Address, BadRow, Order, OrderLine, Outline, Surcharge
from channels.xcart.parsing.api_orders import from_api
from channels.xcart.parsing.lenient import read_as
from channels.xcart.parsing.limits import within_limits
from channels.xcart.parsing.parts import Charge, amount, charge_rows, moments, order_number, quantity
from channels.xcart.parsing.values import decimals_of, from_unix, listed, money, own_id, pairs, row_value, text, utc
from errors import ShopBroken

NOT_FINISHED = "NF"
"""Shipping status of a cart that a customer has left at the checkout (module NotFinishedOrders)."""

UNPRINTABLE = "cartlink_unprintable"
NOT_PRINTED = (
    "The shop answers with an error whenever Cartlink asks for this order; a line whose product was deleted does that. Its statuses "
    "are those of today, all else is as it was read last. Fix the order in the shop."
)

_NEVER_STORED = ("profile", "orig_profile", "events")
_BULK = ("description", "shortDescription")
_OF_ADDRESS = {
    "firstname", "lastname", "address", "city", "state", "country", "zipcode", "phone", "company", "street",
    "isDefaultShippingAddress", "isDefaultBillingAddress", "type",
}  # fmt: skip
"""The fields of every address: those that are read, and those that say nothing."""


class _ComplexItem(msgspec.Struct, gc=False):
    sku: str | None = None
    name: str | None = None
    quantity: int | None = None
    price: Decimal | None = None
    subtotal: Decimal | None = None
    productId: int | None = None
    attributes: Any = None


class _ComplexOrder(msgspec.Struct):
    """X-Cart 5.4, observed: ``_path=order&_schema=complex``."""

    orderId: int
    orderNumber: str | None = None
    total: Decimal | None = None
    shippingCost: Decimal | None = None
    discountValue: Decimal | None = None
    taxAmount: Decimal | None = None
    otherSurcharges: Any = None
    currency: str | None = None
    items: list[_ComplexItem] | None = None
    orderDate: datetime | None = None
    updateDate: datetime | None = None
    trackingNumber: str | None = None
    customerNotes: str | None = None
    adminNotes: str | None = None
    customerInfo: dict[str, Any] | None = None
    billingInfo: dict[str, Any] | None = None
    shippingInfo: dict[str, Any] | None = None
    paymentMethod: str | None = None
    paymentStatus: str | None = None
    shippingMethod: str | None = None
    shippingStatus: str | None = None


class _Code(msgspec.Struct, gc=False):
    id: int | None = None
    code: str | None = None


class _Tracking(msgspec.Struct, gc=False):
    value: str | None = None


class _Money(msgspec.Struct, gc=False):
    code: str | None = None
    e: int | None = None


class _DefaultItem(msgspec.Struct, gc=False):
    item_id: int | None = None
    name: str | None = None
    sku: str | None = None
    price: Decimal | None = None
    amount: int | None = None
    subtotal: Decimal | None = None
    object: dict[str, Any] | None = None
    variant: dict[str, Any] | None = None
    attributeValues: list[dict[str, Any]] | None = None


class DefaultOrder(msgspec.Struct):
    """X-Cart 5.4, observed: ``_path=order/N`` in the default schema, associations one level deep."""

    order_id: int
    orderNumber: str | None = None
    total: Decimal | None = None
    date: int | None = None
    lastRenewDate: int | None = None
    notes: str | None = None
    adminNotes: str | None = None
    shipping_method_name: str | None = None
    payment_method_name: str | None = None
    paymentStatus: _Code | None = None
    shippingStatus: _Code | None = None
    trackingNumbers: list[_Tracking] | None = None
    surcharges: list[Charge] | None = None
    items: list[_DefaultItem] | None = None
    currency: _Money | None = None
    customerInfo: dict[str, Any] | None = None

    @property
    def tracking(self) -> tuple[str, ...]:
        return tuple([each.value for each in self.trackingNumbers or () if each.value])


def is_cart(raw: Any) -> bool:
    """Whether a row is no placed order: a cart has no number, and one left at the checkout may have the status NF."""
    if not isinstance(raw, dict):
        return False
    number = raw.get("orderNumber", raw.get("order_number"))
    status = raw.get("shippingStatus", raw.get("shipping_status"))
    code = status.get("code") if isinstance(status, dict) else status
    return number is None or number == "" or code == NOT_FINISHED


def is_order(raw: dict[str, Any], external_id: str) -> bool:
    """Whether a single answer is about the order that was asked for. A proxy may answer 200 with another page, or with ``{}``: that says
    nothing about the order."""
    known = next((text(raw[name]) for name in ("orderId", "order_id", "id") if name in raw), "")
    return known == external_id


def order_row(row: msgspec.Raw) -> Order | BadRow | None:
    """One row of a page of orders; None for a cart."""
    problems: list[str] = []
    raw: Any = None
    try:
        raw = row_value(row, problems)
        if is_cart(raw):
            return None
        return read_order(raw, problems)
    except ValueError as exc:
        known = own_id(bytes(row), "orderId", "order_id", "id")
        return BadRow(known, f"The order cannot be read: {str(exc)[:200]}", trimmed(raw) if isinstance(raw, dict) else None)


def read_order(raw: dict[str, Any], problems: Sequence[str] = (), surcharges: Sequence[Surcharge] | None = None) -> Order:
    """An order from its payload, fresh or stored. Raises ValueError if its id or its number cannot be read."""
    found = list(problems)
    if not isinstance(raw, dict):
        raise ValueError("it is no object")
    if "orderId" in raw:
        order = _from_complex(trimmed(raw), found)
    elif "order_id" in raw:
        order = _from_default(trimmed(raw), found)
    elif "order_number" in raw:
        order = from_api(raw, found)
    else:
        raise ValueError("it has no id")
    if raw.get(UNPRINTABLE):
        order = replace(order, problems=(*order.problems, NOT_PRINTED))
    order = within_limits(order)
    return order if surcharges is None else replace(order, surcharges=tuple(surcharges))


def stored_order(raw: dict[str, Any], surcharges: Sequence[Surcharge] | None) -> Order:
    """As ``read_order`` for a payload out of the database. Raises ShopBroken if it cannot be read."""
    try:
        return read_order(raw, (), surcharges)
    except ValueError as exc:
        complaint = str(exc)[:200]
    raise ShopBroken(f"The stored order cannot be read: {complaint}")


def outlined_order(raw: dict[str, Any], outline: Outline) -> Order | None:
    """A stored order with the statuses the shop gives by themselves; what was read before stays. None for a payload without an
    order. The payload keeps a mark, so that the order stays held when it is read again from its stored copy."""
    marked = {**raw, UNPRINTABLE: True}
    for kind, code in (("payment", outline.payment_status), ("shipping", outline.shipping_status)):
        if code is None:
            continue
        name = f"{kind}_status"
        if name in raw:
            shown = raw[name] if isinstance(raw[name], dict) else {}
            marked[name] = {**shown, "code": code}
        elif f"{kind}Status" in raw:
            marked[f"{kind}Status"] = code
    try:
        return read_order(marked)
    except ValueError:
        return None


def trimmed(raw: dict[str, Any]) -> dict[str, Any]:
    """The payload as it may be stored. Works in place: a page of orders is read once and copied never."""
    if "profile" in raw:
        profile = raw["profile"] if isinstance(raw["profile"], dict) else {}
        raw.setdefault("customerInfo", {"email": text(profile.get("login"))})
    for name in _NEVER_STORED:
        raw.pop(name, None)
    for item in listed(raw.get("items")):
        if isinstance(item, dict):
            for name in _BULK:
                item.pop(name, None)
    return raw


def surcharges_of(raw: dict[str, Any]) -> tuple[Surcharge, ...]:
    """The single money rows of ``order/N`` in the default schema. Raises ValueError if they cannot be read."""
    problems: list[str] = []
    order = read_as(DefaultOrder, trimmed(raw), problems)
    if problems:
        raise ValueError(problems[0])
    return charge_rows(order.surcharges, _default_decimals(order), problems)


def _from_complex(raw: dict[str, Any], problems: list[str]) -> Order:
    row = read_as(_ComplexOrder, raw, problems)
    currency = (row.currency or "").upper()
    decimals = decimals_of(currency)
    customer = row.customerInfo or {}
    if not currency:
        problems.append("The shop does not say in which currency the order is.")
    lines = []
    for place, item in enumerate(row.items or (), 1):
        lines.append(
            OrderLine(
                item.sku or "",
                item.name or "",
                quantity(item.quantity, place, problems),
                amount(item.price, decimals, f"price of line {place}", problems),
                amount(item.subtotal, decimals, f"sum of line {place}", problems),
                pairs(item.attributes) if item.attributes else (),
                str(item.productId) if item.productId else "",
            )
        )
    placed, changed, change_known = moments(utc(row.orderDate), utc(row.updateDate), problems)
    return Order(
        external_id=str(row.orderId),
        number=order_number(row.orderNumber),
        placed_at=placed,
        changed_at=changed,
        change_known=change_known,
        currency=currency,
        decimals=decimals,
        total=amount(row.total, decimals, "total", problems),
        shipping=amount(row.shippingCost, decimals, "shipping cost", problems, none=True),
        discount=amount(row.discountValue, decimals, "discount", problems, none=True),
        tax=amount(row.taxAmount, decimals, "tax", problems, none=True),
        other=_other(row.otherSurcharges, decimals, problems) if row.otherSurcharges else (),
        lines=tuple(lines),
        payment_status=row.paymentStatus or "",
        shipping_status=row.shippingStatus or "",
        customer=f"{text(customer.get('firstname'))} {text(customer.get('lastname'))}".strip(),
        email=text(customer.get("email")) or text(customer.get("login")),
        billing_address=_address(row.billingInfo) if row.billingInfo else None,
        shipping_address=_address(row.shippingInfo) if row.shippingInfo else None,
        payment_method=row.paymentMethod or "",
        shipping_method=row.shippingMethod or "",
        customer_notes=row.customerNotes or "",
        admin_notes=row.adminNotes or "",
        tracking_numbers=(row.trackingNumber,) if row.trackingNumber else (),
        first_tracking_only=True,
        problems=tuple(problems),
        raw=raw,
    )


def _from_default(raw: dict[str, Any], problems: list[str]) -> Order:
    row = read_as(DefaultOrder, raw, problems)
    decimals = _default_decimals(row)
    customer = row.customerInfo or {}
    if row.currency is None or not row.currency.code:
        problems.append("The shop does not say in which currency the order is.")
    problems.append("The shop could not give this order in full: its addresses are missing, look them up in the shop.")
    lines = []
    for place, item in enumerate(row.items or (), 1):
        lines.append(
            OrderLine(
                item.sku or "",
                item.name or "",
                quantity(item.amount, place, problems),
                amount(item.price, decimals, f"price of line {place}", problems),
                amount(item.subtotal, decimals, f"sum of line {place}", problems),
                tuple([(text(each.get("name")), text(each.get("value"))) for each in item.attributeValues or ()]),
                text((item.object or {}).get("product_id")),
                text((item.variant or {}).get("id")),
                str(item.item_id) if item.item_id else "",
            )
        )
    charges = charge_rows(row.surcharges, decimals, problems)
    added = [each for each in charges if each.available and not each.included]
    zero = money(None, decimals)
    placed, changed, change_known = moments(from_unix(row.date), from_unix(row.lastRenewDate), problems)
    return Order(
        external_id=str(row.order_id),
        number=order_number(row.orderNumber),
        placed_at=placed,
        changed_at=changed,
        change_known=change_known,
        currency=((row.currency and row.currency.code) or "").upper(),
        decimals=decimals,
        total=amount(row.total, decimals, "total", problems),
        shipping=sum((each.amount for each in added if each.type == "shipping"), zero),
        discount=sum((each.amount for each in added if each.type == "discount"), zero),
        tax=sum((each.amount for each in charges if each.available and each.type == "tax"), zero),
        other=tuple([each for each in added if each.type not in ("shipping", "discount", "tax")]),
        lines=tuple(lines),
        payment_status=(row.paymentStatus and row.paymentStatus.code) or "",
        shipping_status=(row.shippingStatus and row.shippingStatus.code) or "",
        surcharges=charges,
        email=text(customer.get("email")),
        payment_method=row.payment_method_name or "",
        shipping_method=row.shipping_method_name or "",
        customer_notes=row.notes or "",
        admin_notes=row.adminNotes or "",
        tracking_numbers=row.tracking,
        problems=tuple(problems),
        raw=raw,
        partial=True,
    )


def _default_decimals(order: DefaultOrder) -> int:
    shown = order.currency
    if shown is not None and shown.e is not None and 0 <= shown.e <= 6:
        return shown.e
    return decimals_of((shown.code if shown is not None else "") or "")


def _other(value: Any, decimals: int, problems: list[str]) -> tuple[Surcharge, ...]:
    """The complex schema's ``otherSurcharges``: a map of code → name and value, a list where PHP took the codes for places."""
    named = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for code, row in named:
        row = row if isinstance(row, dict) else {"value": row}
        try:
            charged = money(msgspec.convert(row.get("value"), Decimal, strict=False), decimals)
        except (msgspec.ValidationError, ValueError):
            problems.append(f"The shop's value of the surcharge {code} cannot be read.")
            charged = money(None, decimals)
        found.append(Surcharge("other", str(code), text(row.get("name")), charged))
    return tuple(found)


def _address(fields: dict[str, Any]) -> Address:
    """X-Cart 5.4, observed: the shop's enabled address fields by service name; a merchant's own fields go to ``extra``."""
    own: Sequence[str] = () if fields.keys() <= _OF_ADDRESS else [name for name in fields if name not in _OF_ADDRESS]
    return Address(
        f"{text(fields.get('firstname'))} {text(fields.get('lastname'))}".strip(),
        text(fields.get("company")),
        text(fields.get("address")) or text(fields.get("street")),
        text(fields.get("city")),
        text(fields.get("state")),
        text(fields.get("zipcode")),
        text(fields.get("country")),
        text(fields.get("phone")),
        tuple([(name, said) for name in own if (said := text(fields[name]))]),
    )
