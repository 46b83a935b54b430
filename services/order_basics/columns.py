"""How what a shop says of an order becomes the columns of its row and of its lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import bindparam, select

from channels.base import Address, Surcharge
from channels.base import Order as ShopOrder
from channels.base import OrderLine as ShopLine
from models import Integration
from models.sku_key import sku_key
from models.types import indexable
from services.order_basics import holds
from services.order_basics.line_matching import options_digest
from services.order_basics.money import Breakdown, LineMoney, MoneyRules

SETTINGS = (
    "use_tax", "use_shipping_tax", "surcharge_name", "with_discounts", "with_tax_lines", "with_back_orders", "work_statuses",
    "with_options", "with_notes",
)  # fmt: skip
"""The settings that stored orders are read under."""

READ_UNDER = select(*(Integration.__table__.c[name] for name in SETTINGS)).where(
    Integration.__table__.c.id == bindparam("integration_id")
)

WITHOUT_CUSTOMER: dict[str, Any] = {
    "customer": "", "email": "", "billing_address": None, "shipping_address": None, "customer_notes": "", "admin_notes": "",
    "tracking_numbers": [],
}  # fmt: skip
"""The columns of an order that are about a person, and what they are once that person's data is erased."""


NAME, NOTE = 1000, 10_000
"""The longest name and note that is stored in a column, in characters; the payload keeps them whole."""


@dataclass(frozen=True, slots=True)
class Storing:
    """The shop whose orders are stored, its settings, and who stores them. ``identity_key`` is that of the shop's digests
    (services/order_basics/identity.py), set inside the transaction that stores."""

    shop_id: int
    since: datetime
    money: MoneyRules
    holds: holds.Rules
    with_options: bool
    with_notes: bool
    actor: str
    run_id: int | None
    settings: tuple[Any, ...]
    identity_key: bytes = b""

    @classmethod
    def of(cls, integration: Integration, actor: str, run_id: int | None) -> Storing:
        return cls(
            integration.shop_id, integration.orders_since, MoneyRules.of(integration), holds.Rules.of(integration),
            integration.with_options, integration.with_notes, actor, run_id,
            tuple(getattr(integration, name) for name in SETTINGS),
        )  # fmt: skip


def columns(storing: Storing, order: ShopOrder, money: Breakdown, rows: Sequence[Surcharge] | None) -> dict[str, Any]:
    """The columns of an order that come from the shop and the money rules, without its keys and its state."""
    return {
        "number": order.number[:64], "placed_at": order.placed_at, "changed_at": order.changed_at, "currency": order.currency[:10],
        "decimals": order.decimals, "total": order.total, "items": money.items, "shipping": money.shipping,
        "items_tax": money.items_tax, "shipping_tax": money.shipping_tax, "discount": money.discount, "other": money.other,
        "difference": money.difference,
        "tax_lines": [[name, str(amount)] for name, amount in money.tax_lines] if money.tax_lines is not None else None,
        "payment_status": order.payment_status[:40], "shipping_status": order.shipping_status[:40], "customer": indexable(order.customer[:NAME]),
        "email": order.email[:NAME],
        "billing_address": address_columns(order.billing_address), "shipping_address": address_columns(order.shipping_address),
        "payment_method": order.payment_method[:NAME], "shipping_method": order.shipping_method[:NAME],
        "customer_notes": order.customer_notes[:NOTE] if storing.with_notes else "",
        "admin_notes": order.admin_notes[:NOTE] if storing.with_notes else "",
        "tracking_numbers": [number[:NAME] for number in order.tracking_numbers], "problems": list(order.problems),
        "surcharge_rows": [surcharge_columns(row) for row in rows] if rows is not None else None,
    }  # fmt: skip


def address_columns(address: Address | None) -> dict[str, Any] | None:
    """As it comes out of the database again, so that the two can be compared: JSON has lists, no tuples."""
    if address is None:
        return None
    fields: dict[str, Any] = msgspec.to_builtins(address)
    fields["extra"] = [list(pair) for pair in address.extra]
    return fields


def surcharge_columns(row: Surcharge) -> list[Any]:
    return [row.type, row.code, row.name, str(row.amount), row.included, row.available]


def stored_surcharges(rows: Sequence[Sequence[Any]] | None) -> tuple[Surcharge, ...] | None:
    """What ``surcharge_columns`` wrote, read again."""
    if rows is None:
        return None
    return tuple(
        Surcharge(kind, code, name, Decimal(amount), included, available)
        for kind, code, name, amount, included, available in rows
    )


def line_columns(storing: Storing, line: ShopLine, money: LineMoney) -> dict[str, Any]:
    return {
        "sku": line.sku[:255], "sku_key": sku_key(line.sku), "name": line.name[:NAME], "quantity": line.quantity, "price": money.price, "total": money.total,
        "tax": money.tax, "options": [list(pair) for pair in line.options] if storing.with_options else [],
        "product_id": line.product_id[:64], "variant_id": line.variant_id[:64], "item_id": line.item_id[:64], "shop_price": line.price,
        "options_digest": options_digest(storing.identity_key, line.options),
    }  # fmt: skip
