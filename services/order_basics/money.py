"""The money of an order, read under an integration's settings: items + shipping + items_tax + shipping_tax + discount + other.

Pure arithmetic on what the channel states. Amounts are ``Decimal`` in the order's currency; the difference to the shop's
total is kept beside them, so that an order that does not add up is seen and not bent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from channels.base import Order, Surcharge
from models import Integration

ZERO = Decimal(0)
UNITS = tuple(Decimal(1).scaleb(-places) for places in range(7))


@dataclass(frozen=True, slots=True)
class MoneyRules:
    """The settings of an integration that an order's money is read under."""

    use_tax: bool = False
    use_shipping_tax: bool = False
    surcharge_name: str = ""
    with_discounts: bool = True
    with_tax_lines: bool = False

    @classmethod
    def of(cls, integration: Integration) -> MoneyRules:
        return cls(
            integration.use_tax, integration.use_shipping_tax, fold(integration.surcharge_name),
            integration.with_discounts, integration.with_tax_lines,
        )  # fmt: skip


class LineMoney(NamedTuple):
    price: Decimal
    total: Decimal
    tax: Decimal


class Breakdown(NamedTuple):
    """``difference`` is total less the sum of the six parts: 0 for a sound order. ``tax_lines`` are (name, amount) pairs."""

    items: Decimal
    shipping: Decimal
    items_tax: Decimal
    shipping_tax: Decimal
    discount: Decimal
    other: Decimal
    difference: Decimal
    lines: tuple[LineMoney, ...]
    tax_lines: tuple[tuple[str, Decimal], ...] | None = None


def fold(name: str) -> str:
    """How surcharge names are compared: without regard to case and outer blanks."""
    return name.strip().casefold()


def plain(amount: Decimal, decimals: int) -> str:
    """An amount as text with its currency's decimals (``12.50``)."""
    return f"{amount:.{decimals}f}"


class _Facts(NamedTuple):
    items: Decimal
    shipping: Decimal
    discount: Decimal
    other: Decimal
    added: Decimal
    contained: Decimal
    sure: bool


@dataclass
class KnownRates:
    """Tax rates, in tenths of a percent, that a reading of the rows has shown to be contained in a shop's prices.

    Tax that is contained and tax that is not applied look alike in the complex schema. A sum that fits a known rate to
    the cent is taken for contained, so that a shop with value added tax does not cost one more request an order."""

    per_mille: set[Decimal] = field(default_factory=set)

    def learn(self, gross: Decimal, tax: Decimal, decimals: int) -> None:
        if tax > 0 and gross > tax:
            rate = (tax / (gross - tax) * 1000).to_integral_value(ROUND_HALF_UP)
            if abs(_contained(gross, rate) - tax) <= UNITS[decimals]:
                self.per_mille.add(rate)

    def explain(self, gross: Decimal, tax: Decimal, decimals: int) -> bool:
        return any(abs(_contained(gross, rate) - tax) <= UNITS[decimals] for rate in self.per_mille)


def _contained(gross: Decimal, per_mille: Decimal) -> Decimal:
    return gross * per_mille / (1000 + per_mille)


def needs_rows(order: Order, rules: MoneyRules, known: KnownRates) -> bool:
    """Whether one more request for the order's single money rows is needed to read its money under these rules."""
    if order.surcharges is not None:
        return False
    if order.tax and rules.with_tax_lines:
        return True
    facts = _facts_from_sums(order, rules)
    if not facts.sure:
        return True
    if not facts.contained or not (rules.use_tax or rules.use_shipping_tax):
        return False
    return not any(known.explain(gross, facts.contained, order.decimals) for gross in _gross(facts))


def learn_rates(order: Order, rules: MoneyRules, rows: Sequence[Surcharge], known: KnownRates) -> None:
    """Remember what the rows of one order show about contained tax."""
    facts = _facts_from_rows(order, rules, rows)
    for gross in _gross(facts):
        known.learn(gross, facts.contained, order.decimals)


def _gross(facts: _Facts) -> tuple[Decimal, ...]:
    after_discount = facts.items + facts.discount
    return (after_discount, after_discount + facts.shipping, facts.items)


def break_down(order: Order, rules: MoneyRules, rows: Sequence[Surcharge] | None = None) -> Breakdown:
    """Read an order's money. ``rows`` are the single surcharges where they were read (``channel.read_surcharges``);
    an order that carries them itself (``order.surcharges``) needs none."""
    if rows is None:
        rows = order.surcharges
    facts = _facts_from_sums(order, rules) if rows is None else _facts_from_rows(order, rules, rows)
    unit = UNITS[order.decimals]
    subtotals = [line.subtotal for line in order.lines]
    items, shipping = facts.items, facts.shipping
    line_totals = list(subtotals)
    line_tax = [ZERO] * len(subtotals)
    items_tax = shipping_tax = ZERO
    if facts.added or facts.contained:
        # The shop states tax per tax, not per line: it is spread in proportion, the last taking the rounding.
        base = [*subtotals, shipping] if rules.use_shipping_tax else subtotals
        added = spread(facts.added, base, unit)
        contained = spread(facts.contained, base, unit)
        if rules.use_shipping_tax:
            shipping_tax = added[-1] + contained[-1]
            shipping -= contained[-1]
            added, contained = added[:-1], contained[:-1]
        if rules.use_tax:
            line_tax = [one + two for one, two in zip(added, contained, strict=True)]
            line_totals = [total - part for total, part in zip(line_totals, contained, strict=True)]
            items_tax = sum(line_tax, ZERO)
            items -= sum(contained, ZERO)
        else:
            line_totals = [total + part for total, part in zip(line_totals, added, strict=True)]
            items += sum(added, ZERO)
    discount = facts.discount
    if discount and not rules.with_discounts:
        line_totals = [total + part for total, part in zip(line_totals, spread(discount, subtotals, unit), strict=True)]
        if line_totals:
            items, discount = items + discount, ZERO
    difference = order.total - (items + shipping + items_tax + shipping_tax + discount + facts.other)
    return Breakdown(
        items, shipping, items_tax, shipping_tax, discount, facts.other, difference,
        tuple(
            LineMoney(_unit_price(line.price, line.quantity, line.subtotal, total), total, tax)
            for line, total, tax in zip(order.lines, line_totals, line_tax, strict=True)
        ),
        _tax_lines(rows, rules),
    )  # fmt: skip


def _unit_price(price: Decimal, quantity: int, subtotal: Decimal, total: Decimal) -> Decimal:
    if total == subtotal and price * quantity == subtotal:
        return price
    return (total / quantity).quantize(UNITS[4], ROUND_HALF_UP) if quantity else total


def _tax_lines(rows: Sequence[Surcharge] | None, rules: MoneyRules) -> tuple[tuple[str, Decimal], ...] | None:
    if not rules.with_tax_lines or rows is None:
        return None
    return tuple((row.name or row.code, row.amount) for row in rows if row.type == "tax" and row.available)


def spread(amount: Decimal, weights: Sequence[Decimal], unit: Decimal) -> list[Decimal]:
    """Divide an amount in proportion to ``weights``, to the currency's ``unit``; the last part with a weight takes the
    rounding. Without any weight the last part takes everything; without parts the answer is empty."""
    parts = [ZERO] * len(weights)
    if not weights or not amount:
        return parts
    whole = sum(weights, ZERO)
    if whole <= 0:
        parts[-1] = amount
        return parts
    last = max(index for index, weight in enumerate(weights) if weight)
    left = amount
    for index in range(last):
        parts[index] = (amount * weights[index] / whole).quantize(unit, ROUND_HALF_UP)
        left -= parts[index]
    parts[last] = left
    return parts


def _facts_from_sums(order: Order, rules: MoneyRules) -> _Facts:
    """What arithmetic on the shop's sums shows (X-Cart 5.4, observed): tax that is added makes the total larger; what is left
    of the tax sum is contained or not applied. ``sure`` is False where the sums leave more than that open."""
    items = sum((line.subtotal for line in order.lines), ZERO)
    shipping, other = order.shipping, ZERO
    for row in order.other:
        if rules.surcharge_name and fold(row.name) == rules.surcharge_name:
            shipping += row.amount
        else:
            other += row.amount
    added = order.total - items - shipping - order.discount - other
    if not order.tax and not added:
        return _Facts(items, shipping, order.discount, other, ZERO, ZERO, True)
    if added in (ZERO, order.tax):
        return _Facts(items, shipping, order.discount, other, added, order.tax - added, True)
    if ZERO < added < order.tax:
        return _Facts(items, shipping, order.discount, other, added, order.tax - added, False)
    return _Facts(items, shipping, order.discount, other, ZERO, ZERO, False)


def _facts_from_rows(order: Order, rules: MoneyRules, rows: Sequence[Surcharge]) -> _Facts:
    """The same from the single rows: those not available do not count, those included are in the prices already."""
    items = sum((line.subtotal for line in order.lines), ZERO)
    shipping = discount = other = added = contained = ZERO
    for row in rows:
        if not row.available:
            continue
        if row.type == "tax":
            added, contained = (added, contained + row.amount) if row.included else (added + row.amount, contained)
        elif row.included:
            continue
        elif row.type == "shipping" or (
            rules.surcharge_name and row.type != "discount" and fold(row.name) == rules.surcharge_name
        ):
            shipping += row.amount
        elif row.type == "discount":
            discount += row.amount
        else:
            other += row.amount
    return _Facts(items, shipping, discount, other, added, contained, True)
