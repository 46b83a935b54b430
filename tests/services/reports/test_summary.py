"""Sums of a sales report: totals, the period before, by shop and as series."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, timedelta
from decimal import Decimal

import pytest

from errors import InvalidInput
from extensions import writing
from models import SalesOfDay
from services.reports import sales, summary
from services.reports.periods import Period, between, last_days
from tests.support.rows import make_integration

D = Decimal
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))

pytestmark = pytest.mark.usefixtures("db")


def add_sales(shop_id: int, sold: Iterable[tuple[date, str, int, object]]) -> None:
    with writing() as session:
        session.add_all(
            SalesOfDay(
                shop_id=shop_id, day=day, currency=currency, orders=orders, pieces=2 * orders, total=D(str(total)), decimals=2
            )
            for day, currency, orders, total in sold
        )


def test_totals_stand_beside_those_of_as_many_days_before():
    garden = make_integration("Garden")
    days = [date(2026, 9, 30), date(2026, 10, 2), date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 30), date(2026, 12, 1)]
    add_sales(garden.shop_id, ((day, "USD", number + 1, 10 * (number + 1)) for number, day in enumerate(days)))
    seen = summary.summarise(NOVEMBER)
    assert (seen.now.orders, seen.now.pieces, seen.now.revenue) == (9, 18, {"USD": D(90)})
    assert (seen.before.orders, seen.before.revenue) == (5, {"USD": D(50)})
    assert seen.period.before == Period(date(2026, 10, 2), date(2026, 10, 31))
    assert sorted(row.day for row in sales.sales_by_day(NOVEMBER)) == days[3:5]
    assert summary.change(D(90), D(50)) == D("0.8")
    assert summary.change(3, 0) is None


def test_currencies_are_never_added_up():
    garden, toys = make_integration("Garden"), make_integration("Toys")
    add_sales(garden.shop_id, [(date(2026, 11, 3), "USD", 1, "5942.38"), (date(2026, 11, 3), "EUR", 4, "7.50")])
    add_sales(toys.shop_id, [(date(2026, 11, 4), "EUR", 1, "2.50"), (date(2026, 10, 20), "JPY", 1, "900")])
    seen = summary.summarise(NOVEMBER)
    assert seen.now.revenue == {"USD": D("5942.38"), "EUR": D(10)}
    assert seen.currencies == ["EUR", "JPY", "USD"]
    assert [(shop.name, shop.now.revenue) for shop in seen.shops] == [
        ("Garden", {"USD": D("5942.38"), "EUR": D("7.50")}), ("Toys", {"EUR": D("2.50")}),
    ]  # fmt: skip
    only = summary.summarise(NOVEMBER, toys.shop_id)
    assert (only.now.revenue, only.before.revenue) == ({"EUR": D("2.50")}, {"JPY": D(900)})


@pytest.mark.parametrize(
    ("days", "unit", "number", "second"),
    [
        (7, "day", 7, date(2026, 1, 2)),
        (45, "day", 45, date(2026, 1, 2)),
        (90, "week", 14, date(2026, 1, 5)),
        (400, "month", 14, date(2026, 2, 1)),
    ],
)
def test_a_longer_period_is_drawn_in_longer_steps_without_a_gap(days, unit, number, second):
    garden = make_integration("Garden")
    period = Period(date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=days - 1))
    add_sales(garden.shop_id, ((period.first + timedelta(days=back), "USD", 1, 1) for back in range(days)))
    seen = summary.summarise(period)
    assert (seen.unit, len(seen.buckets), seen.buckets[1].first) == (unit, number, second)
    assert (seen.buckets[0].first, seen.buckets[-1].last) == (period.first, period.last)
    for one, other in zip(seen.buckets, seen.buckets[1:], strict=False):
        assert other.first == one.last + timedelta(days=1)
    assert sum(bucket.shops[garden.shop_id].orders for bucket in seen.buckets) == days


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("", ("Garden", 5), ("Toys", 1)),
        ("oldest", ("Garden", 1), ("Toys", 5)),
        ("shop", ("Garden", 5), ("Toys", 1)),
        ("pieces", ("Garden", 1), ("Toys", 5)),
        ("total", ("Toys", 1), ("Garden", 5)),
    ],
)
def test_days_are_sorted_page_by_page(sort, first, last):
    for name, each in (("Toys", 2), ("Garden", 1)):
        add_sales(
            make_integration(name).shop_id, ((date(2026, 11, day), "USD", 6 - day, each * (6 - day)) for day in range(1, 6))
        )
    pages = [sales.day_page(NOVEMBER, None, sort, number, 4) for number in (1, 2, 3)]
    rows = [row for page in pages for row in page.rows]
    assert rows == sales.sales_by_day(NOVEMBER, None, sort)
    assert [(row.shop, row.day.day) for row in (rows[0], rows[-1])] == [first, last]
    assert [(page.total, page.pages, page.goes_on) for page in pages] == [(10, 3, True), (10, 3, True), (10, 3, False)]
    assert sales.day_page(NOVEMBER, None, sort, 9, 4).number == 3


def test_periods():
    assert last_days(7, UTC).days == 7
    assert between("2026-11-01", "2026-11-30", UTC) == NOVEMBER
    assert between("2026-11-01", "2026-11-01", UTC).days == 1
    for first, last, field in (("2026-11-02", "2026-11-01", "last"), ("soon", "", "first"), ("2026-11-02", "x", "last"),
                               ("0001-01-01", "2026-11-01", "first"), ("1990-01-01", "2026-11-01", "first")):  # fmt: skip
        with pytest.raises(InvalidInput) as caught:
            between(first, last, UTC)
        assert caught.value.field == field
