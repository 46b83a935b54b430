"""The money of an order under every setting: always to the cent, or the difference said."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Order, OrderLine, Surcharge
from services.order_basics.money import KnownRates, MoneyRules, break_down, learn_rates, needs_rows, plain, spread

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def D(text: str) -> Decimal:
    return Decimal(text)


def order(*, lines, total, tax="0", shipping="0", discount="0", other=(), surcharges=None, decimals=2) -> Order:
    """``lines`` are (quantity, subtotal) pairs, ``other`` (name, amount) pairs."""
    return Order(
        external_id="1", number="1", placed_at=NOW, changed_at=NOW, currency="USD", decimals=decimals, total=D(total), shipping=D(shipping),
        discount=D(discount), tax=D(tax), other=tuple(Surcharge("handling", name.upper(), name, D(amount)) for name, amount in other),
        lines=tuple(OrderLine(f"SKU{n}", "Cup", quantity, D(subtotal) / quantity, D(subtotal)) for n, (quantity, subtotal) in enumerate(lines)),
        payment_status="P", shipping_status="N", surcharges=surcharges,
    )  # fmt: skip


def parts(breakdown) -> dict[str, Decimal]:
    names = ("items", "shipping", "items_tax", "shipping_tax", "discount", "other", "difference")
    return {name: getattr(breakdown, name) for name in names if getattr(breakdown, name)}


def row(kind: str, amount: str, *, included: bool = False, available: bool = True, name: str = "") -> Surcharge:
    return Surcharge(kind, kind.upper(), name or kind, D(amount), included, available)


SALES_TAX = order(lines=[(1, "349.23")], tax="8", total="357.23")
VAT = order(lines=[(1, "128.86")], tax="5.83", total="128.86")
HANDLING = order(lines=[(1, "173.42")], other=[("Packing fee", "2.5")], total="175.92")
TWO_TAXES = order(lines=[(1, "119.25")], tax="4.44", other=[("Handling", "4")], total="127.69")
COUPON = order(lines=[(1, "187.97")], tax="2", discount="-5", total="182.97")
NOT_AVAILABLE = order(lines=[(1, "248.70")], tax="9.99", total="248.70")


@pytest.mark.parametrize(
    ("one", "rules", "rows", "expected"),
    [
        (SALES_TAX, MoneyRules(use_tax=True), None, {"items": "349.23", "items_tax": "8"}),
        (SALES_TAX, MoneyRules(), None, {"items": "357.23"}),
        (VAT, MoneyRules(use_tax=True), [row("tax", "5.83", included=True)], {"items": "123.03", "items_tax": "5.83"}),
        (VAT, MoneyRules(), None, {"items": "128.86"}),
        (HANDLING, MoneyRules(), None, {"items": "173.42", "other": "2.5"}),
        (HANDLING, MoneyRules(surcharge_name="packing fee"), None, {"items": "173.42", "shipping": "2.5"}),
        (TWO_TAXES, MoneyRules(use_tax=True), None, {"items": "119.25", "items_tax": "4.44", "other": "4"}),
        (COUPON, MoneyRules(), None, {"items": "187.97", "discount": "-5"}),
        (COUPON, MoneyRules(use_tax=True), [row("tax", "2", included=True), row("discount", "-5")],
         {"items": "185.97", "items_tax": "2", "discount": "-5"}),
        (COUPON, MoneyRules(with_discounts=False), None, {"items": "182.97"}),
        (NOT_AVAILABLE, MoneyRules(use_tax=True), [row("tax", "9.99", available=False)], {"items": "248.70"}),
        (NOT_AVAILABLE, MoneyRules(), None, {"items": "248.70"}),
    ],
)  # fmt: skip
def test_orders_a_real_shop_showed(one, rules, rows, expected):
    """X-Cart 5.4, observed: the table under "Surcharges and tax"."""
    assert parts(break_down(one, rules, rows)) == {name: D(amount) for name, amount in expected.items()}


def test_shipping_takes_its_share_of_tax_when_the_shops_tax_is_used_for_shipping():
    one = order(lines=[(1, "80"), (2, "10")], shipping="10", tax="20", total="120")
    breakdown = break_down(one, MoneyRules(use_tax=True, use_shipping_tax=True))
    assert parts(breakdown) == {"items": D("90"), "shipping": D("10"), "items_tax": D("18"), "shipping_tax": D("2")}
    assert [line.tax for line in breakdown.lines] == [D("16"), D("2")]


def test_without_tax_settings_added_tax_is_folded_into_the_lines():
    breakdown = break_down(order(lines=[(1, "80"), (4, "20")], tax="10", total="110"), MoneyRules())
    assert [(line.price, line.total, line.tax) for line in breakdown.lines] == [(D("88"), D("88"), 0), (D("5.5"), D("22"), 0)]


def test_a_sum_that_does_not_add_up_is_kept_as_a_difference():
    rows = [row("tax", "1")]
    breakdown = break_down(order(lines=[(1, "10")], tax="1", total="11.01"), MoneyRules(use_tax=True), rows)
    assert breakdown.difference == D("0.01")


def test_rows_are_asked_for_only_where_arithmetic_leaves_something_open():
    known = KnownRates()
    assert not needs_rows(SALES_TAX, MoneyRules(use_tax=True), known)
    assert not needs_rows(VAT, MoneyRules(), known)
    assert needs_rows(VAT, MoneyRules(use_tax=True), known)
    assert needs_rows(NOT_AVAILABLE, MoneyRules(use_tax=True), known)
    assert needs_rows(SALES_TAX, MoneyRules(with_tax_lines=True), known)
    assert needs_rows(order(lines=[(1, "10")], total="11"), MoneyRules(), known)
    assert not needs_rows(order(lines=[(1, "10")], total="11", surcharges=()), MoneyRules(), known)


def test_a_rate_seen_contained_once_saves_the_request_for_the_next_order():
    known, rules = KnownRates(), MoneyRules(use_tax=True)
    first = order(lines=[(1, "120")], tax="20", total="120")
    assert needs_rows(first, rules, known)
    learn_rates(first, rules, [row("tax", "20", included=True)], known)
    assert not needs_rows(order(lines=[(3, "59.97")], tax="10", total="59.97"), rules, known)
    assert needs_rows(NOT_AVAILABLE, rules, known)


def test_each_tax_is_kept_by_name_when_asked_for():
    rows = [row("tax", "4", name="State"), row("tax", "3.33", name="City"), row("tax", "9", name="None", available=False)]
    one = order(lines=[(1, "100")], tax="7.33", total="107.33")
    assert break_down(one, MoneyRules(use_tax=True, with_tax_lines=True), rows).tax_lines == (
        ("State", D("4")),
        ("City", D("3.33")),
    )


def test_amounts_are_written_with_their_currencys_decimals():
    assert (plain(D("12.5"), 2), plain(D("1200"), 0), plain(D("-0.0001"), 3)) == ("12.50", "1200", "-0.000")


amounts = st.integers(0, 500_000).map(lambda cents: Decimal(cents) / 100)


@settings(max_examples=300, deadline=None)
@given(
    subtotals=st.lists(amounts, min_size=1, max_size=6), shipping=amounts, tax=amounts, discount=amounts, added=st.booleans(),
    rules=st.builds(MoneyRules, use_tax=st.booleans(), use_shipping_tax=st.booleans(), with_discounts=st.booleans()),
)  # fmt: skip
def test_the_parts_always_add_up_to_the_total(subtotals, shipping, tax, discount, added, rules):
    items = sum(subtotals, Decimal(0))
    contained = Decimal(0) if added else min(tax, items)
    total = items + shipping - discount + (tax if added else 0)
    one = order(lines=[(1, str(s)) for s in subtotals], shipping=str(shipping), tax=str(tax if added else contained),
                discount=str(-discount), total=str(total))  # fmt: skip
    rows = [
        row("tax", str(tax if added else contained), included=not added),
        row("shipping", str(shipping)),
        row("discount", str(-discount)),
    ]
    for given_rows in (rows, None) if added else (rows,):
        made = break_down(one, rules, given_rows)
        assert made.difference == 0
        assert made.items + made.shipping + made.items_tax + made.shipping_tax + made.discount + made.other == total
        assert sum((line.total for line in made.lines), Decimal(0)) == made.items
        assert sum((line.tax for line in made.lines), Decimal(0)) == made.items_tax


@given(amount=amounts, weights=st.lists(amounts, min_size=1, max_size=8))
def test_spreading_loses_nothing(amount, weights):
    assert sum(spread(amount, weights, Decimal("0.01")), Decimal(0)) == amount
