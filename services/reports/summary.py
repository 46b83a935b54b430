"""A sales report in sums: totals beside those of the period before, by shop, and as series of days, weeks or months.

Amounts of several currencies are never added up: each currency has its own sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from services.reports.periods import Period
from services.reports.sales import StepSales, known_since, sales_by_step

DAYS_AS_DAYS, DAYS_AS_WEEKS = 45, 370
"""The longest periods that are drawn by day and by week; longer ones are drawn by month."""


@dataclass(slots=True)
class Sums:
    """Orders, pieces, and the revenue of each currency with its decimals. ``nameless`` of the orders have no currency: their amounts are the
    revenue of the currency with the empty name."""

    orders: int = 0
    nameless: int = 0
    pieces: int = 0
    revenue: dict[str, Decimal] = field(default_factory=dict)
    decimals: dict[str, int] = field(default_factory=dict)

    def add(self, row: StepSales) -> None:
        self.orders += row.orders
        self.nameless += 0 if row.currency else row.orders
        self.pieces += row.pieces
        self.revenue[row.currency] = self.revenue.get(row.currency, Decimal(0)) + row.amount
        self.decimals[row.currency] = max(self.decimals.get(row.currency, 0), row.decimals)


@dataclass(frozen=True, slots=True)
class ShopSums:
    """One shop: its sums now and in the period before, and the day from which on its orders are known. ``integration_id`` is that of its newest
    integration, which has its colour."""

    shop_id: int
    integration_id: int
    name: str
    now: Sums
    before: Sums
    known_since: date


@dataclass(frozen=True, slots=True)
class Bucket:
    """One day, week or month of a period: shop id -> sums. The first and the last may be cut off by the period."""

    first: date
    last: date
    shops: dict[int, Sums] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """``currencies`` are those of the period or the one before, the one with the most orders first; ``unit`` is day, week or month."""

    period: Period
    now: Sums
    before: Sums
    currencies: list[str]
    shops: list[ShopSums]
    unit: str
    buckets: list[Bucket]

    def decimals(self, currency: str) -> int:
        return max(self.now.decimals.get(currency, 0), self.before.decimals.get(currency, 0))

    @property
    def unknown_before(self) -> list[ShopSums]:
        """The shops whose orders of the period before are not all known here, the one known for the shortest time first: beside days without
        orders any sum would have grown."""
        unknown = [shop for shop in self.shops if shop.known_since > self.period.before.first]
        return sorted(unknown, key=lambda shop: shop.known_since, reverse=True)


def summarise(period: Period, shop_id: int | None = None) -> Summary:
    """The sums of a period. One query reads them together with the period before."""
    unit = unit_of(period)
    buckets = _buckets(period, unit)
    rows = sales_by_step([period.before.first, *(bucket.first for bucket in buckets)], period.last, shop_id)
    now = [row for row in rows if row.first in period]
    before = [row for row in rows if row.first not in period]
    by_first = {bucket.first: bucket for bucket in buckets}
    for row in now:
        by_first[row.first].shops.setdefault(row.shop_id, Sums()).add(row)
    return Summary(
        period, _sums(now), _sums(before), _currencies(rows), _by_shop(now, before, known_since(shop_id)), unit, buckets
    )


def change(now: Decimal | int, before: Decimal | int) -> Decimal | None:
    """By which share something has changed: 0.25 for a quarter more. None if there was nothing before."""
    return (Decimal(now) - Decimal(before)) / Decimal(before) if before else None


def unit_of(period: Period) -> str:
    return "day" if period.days <= DAYS_AS_DAYS else "week" if period.days <= DAYS_AS_WEEKS else "month"


def _sums(rows: Iterable[StepSales]) -> Sums:
    found = Sums()
    for row in rows:
        found.add(row)
    return found


def _currencies(rows: Sequence[StepSales]) -> list[str]:
    orders: dict[str, int] = {}
    for row in rows:
        orders[row.currency] = orders.get(row.currency, 0) + row.orders
    return sorted(orders, key=lambda currency: (-orders[currency], currency))


def _by_shop(now: Sequence[StepSales], before: Sequence[StepSales], known: Mapping[int, date]) -> list[ShopSums]:
    """By name; shops that have sold something in one of the periods."""
    found: dict[int, ShopSums] = {}
    for row in (*now, *before):
        found.setdefault(row.shop_id, ShopSums(row.shop_id, row.integration_id, row.shop, Sums(), Sums(), known[row.shop_id]))
    for row in now:
        found[row.shop_id].now.add(row)
    for row in before:
        found[row.shop_id].before.add(row)
    return sorted(found.values(), key=lambda shop: (shop.name.casefold(), shop.shop_id))


NEXT: dict[str, Callable[[date], date]] = {
    "day": lambda day: day + timedelta(days=1),
    "week": lambda day: day + timedelta(days=7 - day.weekday()),
    "month": lambda day: (day.replace(day=1) + timedelta(days=32)).replace(day=1),
}
"""The first day of the next day, week (from Monday) or month."""


def _buckets(period: Period, unit: str) -> list[Bucket]:
    buckets, first = [], period.first
    while first <= period.last:
        following = NEXT[unit](first)
        buckets.append(Bucket(first, min(following - timedelta(days=1), period.last)))
        first = following
    return buckets
