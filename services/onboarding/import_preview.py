"""Real orders as they would come in under given answers, without storing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import select

import channels
from channels.base import Credentials, Order, Surcharge
from errors import ChannelError
from extensions import db
from models import Integration
from models import Order as StoredOrder
from services.onboarding.suggestions import SHOWN
from services.order_basics.columns import stored_surcharges
from services.order_basics.holds import Rules
from services.order_basics.money import Breakdown, MoneyRules, break_down, fold


@dataclass(frozen=True, slots=True)
class PreviewLine:
    sku: str
    name: str
    quantity: int
    price: Decimal
    total: Decimal
    tax: Decimal
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PreviewOrder:
    """``becomes`` is work, awaiting_payment, shipped or cancelled. ``others`` names what counts as other."""

    number: str
    placed_at: datetime
    currency: str
    decimals: int
    customer: str
    payment_status: str
    shipping_status: str
    becomes: str
    lines: tuple[PreviewLine, ...]
    money: Breakdown
    others: str
    total: Decimal
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    tax: Decimal

    @property
    def of_which(self) -> Sequence[tuple[str, Decimal]]:
        """The taxes in the total, besides what the sums show: by name, or one sum where the sums do not show any tax."""
        if self.money.tax_lines:
            return self.money.tax_lines
        shown = self.money.items_tax or self.money.shipping_tax
        return [("tax", self.tax)] if self.tax and not shown else []


def preview_orders(kind: str, orders: Sequence[dict[str, Any]], answers: dict[str, Any]) -> list[PreviewOrder]:
    """Show how orders would be imported. ``orders`` are the payload and money rows that services.onboarding.suggestions stores. Unreadable ones are
    left out. ``answers`` are by the names of columns of models.Integration."""
    parser = channels.open_channel(kind, Credentials("https://shop.invalid", ""))
    names = _status_names(answers.get("statuses") or [])
    previews = []
    for each in orders:
        rows = stored_surcharges(each["rows"])
        try:
            order = parser.parse_stored(each["raw"], rows)
        except ChannelError:
            continue
        previews.append(_preview(kind, order, rows, answers, names))
    return previews


def _preview(
    kind: str, order: Order, rows: Sequence[Surcharge] | None, answers: dict[str, Any], names: dict[tuple[str, str], str]
) -> PreviewOrder:
    rules = MoneyRules(
        bool(answers.get("use_tax")), bool(answers.get("use_shipping_tax")), fold(answers.get("surcharge_name") or ""),
        bool(answers.get("with_discounts", True)), bool(answers.get("with_tax_lines")),
    )  # fmt: skip
    money = break_down(order, rules, rows)
    with_options = answers.get("with_options", True)
    lines = tuple(
        PreviewLine(line.sku, line.name, line.quantity, part.price, part.total, part.tax, line.options if with_options else ())
        for line, part in zip(order.lines, money.lines, strict=True)
    )
    others = ", ".join(row.name for row in order.other if row.amount and fold(row.name) != rules.surcharge_name)
    notes = (order.customer_notes, order.admin_notes) if answers.get("with_notes", True) else ()
    return PreviewOrder(
        number=order.number, placed_at=order.placed_at, currency=order.currency, decimals=order.decimals, customer=order.customer,
        payment_status=names.get(("payment", order.payment_status), order.payment_status),
        shipping_status=names.get(("shipping", order.shipping_status), order.shipping_status),
        becomes=_becomes(kind, order, answers), lines=lines, money=money, others=others, total=order.total,
        notes=tuple(note for note in notes if note), problems=order.problems,
        tax=order.tax,
    )  # fmt: skip


def _becomes(kind: str, order: Order, answers: dict[str, Any]) -> str:
    pairs = tuple((pair[0].upper(), pair[1].upper()) for pair in answers.get("work_statuses") or ())
    rules = Rules(kind, pairs, bool(answers.get("with_back_orders", True)))
    stage = rules.stage(order.payment_status, order.shipping_status)
    if stage != "open":
        return stage
    return "work" if rules.is_work(order.payment_status, order.shipping_status) else "awaiting_payment"


def _status_names(statuses: Sequence[Sequence[str]]) -> dict[tuple[str, str], str]:
    return {(kind, code): name for kind, _, code, name in statuses if code}


def stored_orders(integration: Integration) -> list[dict[str, Any]]:
    """The last orders of a connected shop, in the form that ``preview_orders`` takes."""
    query = (
        select(StoredOrder.raw, StoredOrder.surcharge_rows)
        .where(StoredOrder.shop_id == integration.shop_id, StoredOrder.number != "", StoredOrder.raw != b"")
        .order_by(StoredOrder.placed_at.desc())
        .limit(SHOWN)
    )
    return [{"raw": msgspec.json.decode(raw), "rows": rows} for raw, rows in db.session.execute(query)]
