"""An order as X-Cart 5.5's own API prints it → the channel contract. List and single have the same form (5.5.0.29, observed)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from channels.base import Address, Order, OrderLine
from channels.xcart.parsing.lenient import read_as
from channels.xcart.parsing.parts import amount, charge_rows, moments, order_number, quantity
from channels.xcart.parsing.values import decimals_of, listed, money, text, utc


class _Status(msgspec.Struct, gc=False):
    id: int | None = None
    code: str | None = None
    name: str | None = None


class _Item(msgspec.Struct, gc=False):
    id: int | None = None
    sku: str | None = None
    name: str | None = None
    amount: int | None = None
    price: Decimal | None = None
    item_net_price: Decimal | None = None
    product_id: int | None = None
    variant: int | None = None


class _Tracking(msgspec.Struct, gc=False):
    value: str | None = None


class ApiOrder(msgspec.Struct):
    id: int
    order_number: str | None = None
    total: Decimal | None = None
    email: str | None = None
    items: list[_Item] | None = None
    billing_address: dict[str, Any] | None = None
    shipping_address: dict[str, Any] | None = None
    create_date: datetime | None = None
    update_date: datetime | None = None
    payment_status: _Status | None = None
    shipping_status: _Status | None = None
    shipping_method_name: str | None = None
    notes: str | None = None
    admin_notes: str | None = None
    currency: str | None = None
    surcharges: Any = None
    tracking_numbers: list[_Tracking] | None = None

    @property
    def tracking(self) -> tuple[str, ...]:
        return tuple([each.value for each in self.tracking_numbers or () if each.value])


def from_api(raw: dict[str, Any], problems: list[str]) -> Order:
    """Raises ValueError if id or number cannot be read. Chosen options and the payment method are not given."""
    row = read_as(ApiOrder, raw, problems)
    currency = (row.currency or "").upper()
    decimals = decimals_of(currency)
    if not currency:
        problems.append("The shop does not say in which currency the order is.")
    lines = []
    for place, item in enumerate(row.items or (), 1):
        count = quantity(item.amount, place, problems)
        net = amount(item.item_net_price, decimals, f"net price of line {place}", problems, exact=True)
        lines.append(
            OrderLine(
                item.sku or "",
                item.name or "",
                count,
                amount(item.price, decimals, f"price of line {place}", problems),
                amount(net * count, decimals, f"sum of line {place}", problems),
                (),
                str(item.product_id) if item.product_id else "",
                str(item.variant) if item.variant else "",
                str(item.id) if item.id else "",
            )
        )
    charges = charge_rows(row.surcharges, decimals, problems)
    added = [each for each in charges if each.available and not each.included]
    zero = money(None, decimals)
    placed, changed, change_known = moments(utc(row.create_date), utc(row.update_date), problems)
    billing = _address(row.billing_address)
    return Order(
        external_id=str(row.id),
        number=order_number(row.order_number),
        placed_at=placed,
        changed_at=changed,
        change_known=change_known,
        currency=currency,
        decimals=decimals,
        total=amount(row.total, decimals, "total", problems),
        shipping=sum((each.amount for each in added if each.type == "shipping"), zero),
        discount=sum((each.amount for each in added if each.type == "discount"), zero),
        tax=sum((each.amount for each in charges if each.available and each.type == "tax"), zero),
        other=tuple([each for each in added if each.type not in ("shipping", "discount", "tax")]),
        lines=tuple(lines),
        payment_status=(row.payment_status and row.payment_status.code) or "",
        shipping_status=(row.shipping_status and row.shipping_status.code) or "",
        surcharges=charges,
        customer=billing.name if billing else "",
        email=row.email or "",
        billing_address=billing,
        shipping_address=_address(row.shipping_address),
        shipping_method=row.shipping_method_name or "",
        customer_notes=row.notes or "",
        admin_notes=row.admin_notes or "",
        tracking_numbers=row.tracking,
        problems=tuple(problems),
        raw=raw,
    )


def _address(fields: dict[str, Any] | None) -> Address | None:
    """``state`` is an internal number of the shop's; the name is what people know."""
    if not fields:
        return None
    rows = [each for each in listed(fields.get("custom_fields")) if isinstance(each, dict)]
    extra = [(text(each.get("name")), text(each.get("value"))) for each in rows]
    company = next((value for name, value in extra if name.lower() == "company"), "")
    return Address(
        f"{text(fields.get('firstname'))} {text(fields.get('lastname'))}".strip(),
        company,
        text(fields.get("street")),
        text(fields.get("city")),
        text(fields.get("state_name")),
        text(fields.get("zipcode")),
        text(fields.get("country_code")),
        text(fields.get("phone")),
        tuple([pair for pair in extra if pair[1] and pair[0].lower() != "company"]),
    )
