"""Read a new shop's statuses, last orders and variants, and suggest answers for the options.

A worker reads this once and stores it in the draft, so that pages need no further requests to the shop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from channels.base import Channel, Order, Surcharge
from errors import ChannelError
from models.types import utcnow
from services.order_basics.columns import surcharge_columns
from services.order_basics.money import UNITS, MoneyRules, break_down
from services.shops.kinds import status_rows

LOOKED_AT = 25
"""Orders that are analysed. One page, newest change first."""
SHOWN = 3
ROWS_READ = 6
"""Orders whose single money rows are read: one request each."""
ROWS_SECONDS = 60.0
"""The most time for reading money rows while the user waits."""
VARIANTS_COUNTED = 20
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
LIKE_SHIPPING = ("ship", "deliver", "post", "freight", "courier", "carriage", "versand", "livraison", "envío", "envio", "доставк")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A suggested answer and its reason."""

    value: Any
    reason: str


def gather(channel: Channel, say: Callable[[str], None]) -> tuple[dict[str, Any], list[Order]]:
    """Read the shop's data for the set-up. Returns plain values, and the orders that were read, newest first.

    ``say`` gets what is being read. What cannot be read is left out and noted; only if the statuses
    cannot be read, it raises ChannelError."""
    notes: list[str] = []
    say("Reading the shop's order statuses")
    statuses = status_rows(channel.statuses())
    say("Reading the last orders")
    orders = last_orders(channel, notes)
    rows = _money_rows(channel, orders, notes)
    say("Looking for product variants")
    variants, more = _count_variants(channel, notes)
    found = {
        "statuses": statuses,
        "orders": [{"raw": order.raw, "rows": _plain_rows(rows.get(order.external_id))} for order in orders[:SHOWN]],
        "facts": {**_count_signs(orders, rows, channel.facts.back_ordered), "variants": variants, "more_variants": more},
        "notes": notes,
        "read_at": utcnow().isoformat(),
    }
    return found, orders


def last_orders(channel: Channel, notes: list[str]) -> list[Order]:
    """The orders that were changed last, newest first; none, and a note, if they cannot be read."""
    try:
        page = next(iter(channel.iter_changed_orders(changed_since=BEGINNING, page_size=LOOKED_AT)), None)
    except ChannelError as trouble:
        notes.append(f"The last orders could not be read: {trouble.sentence()}")
        return []
    orders = list(page.orders) if page else []
    return sorted(orders, key=lambda order: order.placed_at, reverse=True)


def _money_rows(channel: Channel, orders: Sequence[Order], notes: list[str]) -> dict[str, tuple[Surcharge, ...]]:
    with_money = [order for order in orders if order.tax or order.other]
    # Those that are shown come first, then others with taxes or surcharges.
    chosen = [order for order in orders[:SHOWN] if order in with_money]
    chosen += [order for order in with_money if order not in chosen]
    rows: dict[str, tuple[Surcharge, ...]] = {}
    until = time.monotonic() + ROWS_SECONDS
    for order in chosen[:ROWS_READ]:
        if order.surcharges is not None:
            rows[order.external_id] = order.surcharges
            continue
        if time.monotonic() > until:
            continue
        try:
            rows[order.external_id] = channel.read_surcharges(order.external_id)
        except ChannelError as trouble:
            notes.append(f"The taxes of order {order.number} could not be read: {trouble.message}")
    return rows


def _plain_rows(rows: Sequence[Surcharge] | None) -> list[list[Any]] | None:
    return None if rows is None else [surcharge_columns(row) for row in rows]


def _count_variants(channel: Channel, notes: list[str]) -> tuple[int | None, bool]:
    """The number of variants, and whether there are more than were counted; None if they cannot be read."""
    counted = 0
    try:
        for page in channel.iter_listings(start="variant:0", page_size=VARIANTS_COUNTED):
            counted += sum(listing.kind == "variant" for listing in page.listings)
            if page.last or counted >= VARIANTS_COUNTED:
                return counted, not page.last
    except ChannelError:
        return None, False
    return counted, False


def _count_signs(
    orders: Sequence[Order], rows: dict[str, tuple[Surcharge, ...]], back_ordered: frozenset[str]
) -> dict[str, Any]:  # fmt: skip
    votes = [vote for order in orders if (vote := shipping_is_taxed(order, rows.get(order.external_id))) is not None]
    taxed = [order for order in orders if order.tax]
    taxes = {order.number: _taxes(rows[order.external_id]) for order in orders if order.external_id in rows}
    most = max(taxes.items(), key=lambda entry: len(entry[1]), default=("", []))
    return {
        "orders": len(orders),
        "options": sum(any(line.options for line in order.lines) for order in orders),
        "discounts": sum(bool(order.discount) for order in orders),
        "notes": sum(bool(order.customer_notes or order.admin_notes) for order in orders),
        "back_orders": sum(order.shipping_status in back_ordered for order in orders),
        "taxed": len(taxed),
        "taxed_example": _amount(taxed[0].tax, taxed[0]) if taxed else "",
        "taxed_number": taxed[0].number if taxed else "",
        "shipping_taxed": sum(votes),
        "shipping_untaxed": len(votes) - sum(votes),
        "most_taxes": len(most[1]),
        "most_taxes_number": most[0],
        "surcharges": _surcharges(orders),
    }


def _taxes(rows: Sequence[Surcharge]) -> list[Surcharge]:
    return [row for row in rows if row.type == "tax" and row.available]


def _surcharges(orders: Sequence[Order]) -> list[dict[str, str]]:
    """The surcharges that are neither tax nor discount, by name, each with the newest order that has it."""
    found: dict[str, dict[str, str]] = {}
    for order in orders:
        for row in order.other:
            if row.name and row.name not in found:
                found[row.name] = {"name": row.name, "amount": _amount(row.amount, order), "number": order.number}
    return list(found.values())[:5]


def _amount(amount: Decimal, order: Order) -> str:
    return f"{amount:.{order.decimals}f} {order.currency}".strip()


def shipping_is_taxed(order: Order, rows: Sequence[Surcharge] | None) -> bool | None:
    """Whether an order's tax includes tax on shipping: the one of the two sums that gives a round rate decides.
    None if that is not conclusive."""
    money = break_down(order, MoneyRules(), rows)
    if not order.tax or not order.shipping or rows is None or money.difference:
        return None
    taxes = _taxes(rows)
    tax = sum((row.amount for row in taxes), Decimal(0))
    contained = sum((row.amount for row in taxes if row.included), Decimal(0))
    goods = sum((line.subtotal for line in order.lines), Decimal(0)) + order.discount - contained
    unit = UNITS[order.decimals]
    without, with_shipping = (_round_rate(tax, base, unit) for base in (goods, goods + order.shipping))
    return None if without == with_shipping else with_shipping


def _round_rate(tax: Decimal, base: Decimal, unit: Decimal) -> bool:
    """Whether a tax is some whole or half percentage of a sum, to the cent."""
    if base <= 0 or tax <= 0:
        return False
    rate = (tax / base * 200).to_integral_value() / 200
    return bool(rate) and abs(base * rate - tax) <= unit


def propose(found: dict[str, Any], write: Callable[[str], str] = str) -> dict[str, Proposal]:
    """A suggested answer for each question of the set-up, with its reason. ``write`` writes an amount for anyone who reads the reason."""
    facts = found.get("facts", {})
    seen = facts.get("orders", 0)
    return {
        "with_variants": _propose_variants(facts),
        "with_options": _by_count(facts.get("options", 0), seen, "has chosen options", "have chosen options"),
        "with_discounts": _by_count(facts.get("discounts", 0), seen, "has a discount or coupon", "have a discount or coupon"),
        "with_tax_lines": _propose_tax_lines(facts),
        "with_notes": _by_count(facts.get("notes", 0), seen, "has a note", "have a note"),
        "with_back_orders": _propose_back_orders(facts),
        **_propose_money(facts, write),
    }


def _propose_variants(facts: dict[str, Any]) -> Proposal:
    variants = facts.get("variants")
    if variants is None:
        return Proposal(True, "The shop did not say whether it has variants.")
    if not variants:
        return Proposal(False, "Found no variants.")
    if facts.get("more_variants"):
        return Proposal(True, f"Found {variants} variants or more.")
    return Proposal(True, f"Found {variants} variant{'' if variants == 1 else 's'}.")


def _by_count(number: int, seen: int, one: str, many: str) -> Proposal:
    if not seen:
        return Proposal(True, "The shop has no orders yet.")
    last = "The last order" if seen == 1 else f"{number or 'None'} of the last {seen} orders"
    if seen == 1 and not number:
        return Proposal(False, f"Not so in the shop's only order ({one}).")
    return Proposal(bool(number), f"{last} {one if number <= 1 else many}.")


def _propose_tax_lines(facts: dict[str, Any]) -> Proposal:
    if facts.get("most_taxes", 0) > 1:
        return Proposal(True, f"Order {facts['most_taxes_number']} has {facts['most_taxes']} taxes.")
    if not facts.get("taxed"):
        return Proposal(False, "No tax in the last orders.")
    return Proposal(False, "None of the last orders has more than one tax.")


def _propose_back_orders(facts: dict[str, Any]) -> Proposal:
    number = facts.get("back_orders", 0)
    if number:
        return Proposal(
            True, f"{number} of the last {facts['orders']} orders {'is a back order' if number == 1 else 'are back orders'}."
        )
    # What is short is held then, and a person sees it: nobody has said that it may be sold.
    return Proposal(False, "No back orders were found. With No, an order for more than is in stock is put on hold.")


def _propose_money(facts: dict[str, Any], write: Callable[[str], str]) -> dict[str, Proposal]:
    proposals = {}
    if facts.get("taxed"):
        proposals["use_tax"] = Proposal(True, f"Order {facts['taxed_number']} has {write(facts['taxed_example'])} of tax.")
        with_it, without_it = facts.get("shipping_taxed", 0), facts.get("shipping_untaxed", 0)
        if with_it or without_it:
            word = "includes" if with_it > without_it else "leaves out"
            proposals["use_shipping_tax"] = Proposal(with_it > without_it, f"The tax of the last orders {word} shipping.")
    elif facts.get("orders"):
        proposals["use_tax"] = Proposal(False, "No tax in the last orders.")
    for surcharge in facts.get("surcharges", ()):
        if any(word in surcharge["name"].casefold() for word in LIKE_SHIPPING):
            reason = f"Order {surcharge['number']} has ‘{surcharge['name']}’ of {write(surcharge['amount'])}."
            proposals["surcharge_name"] = Proposal(surcharge["name"], reason)
            break
    return proposals
