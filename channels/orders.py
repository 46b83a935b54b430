"""One order as a shop states it. Part of the contract in ``channels/base.py``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

NO_TIME = "The shop does not say when the order was placed."
"""A problem of an order whose ``placed_at`` is a placeholder."""


@dataclass(frozen=True, slots=True)
class Surcharge:
    """One money row of an order: ``type`` is shipping, discount, tax or another word of the shop; ``included`` rows are
    already in the item prices, rows not ``available`` do not count."""

    type: str
    code: str
    name: str
    amount: Decimal
    included: bool = False
    available: bool = True


@dataclass(slots=True)
class OrderLine:
    """``price`` is per unit and ``subtotal`` for the quantity, both as the shop states them before order-level tax. ``item_id`` is the
    shop's own id of the line, empty if it gives none (the complex schema of X-Cart 5.4)."""

    sku: str
    name: str
    quantity: int
    price: Decimal
    subtotal: Decimal
    options: tuple[tuple[str, str], ...] = ()
    product_id: str = ""
    variant_id: str = ""
    item_id: str = ""


@dataclass(slots=True)
class Address:
    name: str = ""
    company: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""
    phone: str = ""
    extra: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Order:
    """An order as the shop states it.

    ``change_known`` is False where the shop gives no usable time of the last change: ``changed_at`` is then when it was placed.
    ``shipping``, ``discount`` (negative), ``tax`` and ``other`` are the shop's sums. ``tax`` counts added and contained
    tax alike. ``surcharges`` are the single rows where they are known, else ``None`` (the add-on's complex schema gives
    sums only; ``read_surcharges`` gives the rows for one more request). ``raw`` is the payload without customer profiles.
    ``problems`` are sentences on fields that could not be read: the order then has to be held. ``partial``: the shop
    could not give all of it. ``first_tracking_only``: further tracking numbers are not shown."""

    external_id: str
    number: str
    placed_at: datetime
    changed_at: datetime
    currency: str
    decimals: int
    total: Decimal
    shipping: Decimal
    discount: Decimal
    tax: Decimal
    other: tuple[Surcharge, ...]
    lines: tuple[OrderLine, ...]
    payment_status: str
    shipping_status: str
    surcharges: tuple[Surcharge, ...] | None = None
    customer: str = ""
    email: str = ""
    billing_address: Address | None = None
    shipping_address: Address | None = None
    payment_method: str = ""
    shipping_method: str = ""
    customer_notes: str = ""
    admin_notes: str = ""
    tracking_numbers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    raw: dict[str, Any] = field(default_factory=dict, repr=False)
    partial: bool = False
    first_tracking_only: bool = False
    change_known: bool = True


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read at all. ``external_id`` is empty if not even that is known; ``raw`` may be None."""

    external_id: str
    reason: str
    raw: dict[str, Any] | None = field(default=None, repr=False)
