"""What the sales report shows: its sums in words, beside those of the period before, and its charts."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from decimal import Decimal

from blueprints.column_charts import ColumnChart, Series, draw_columns, with_rest
from blueprints.formats import money, number, reader_locale
from services.order_basics.money import plain
from services.reports.summary import ShopSums, Summary, Sums, change

COLOURS_OF_SHOPS = 8
"""Colours of shops in the style sheets: ``shop-0`` to ``shop-7``."""
MOST_TIMES = 10
"""From so many times as much on, a percentage says nothing."""


@dataclass(frozen=True, slots=True)
class Total:
    """One sum: now and in the period before, in words, and the change between them (``tone``: good, bad or idle). ``before`` is empty where
    the orders of the period before are not all known."""

    label: str
    now: str
    before: str
    change: str
    tone: str


@dataclass(frozen=True, slots=True)
class ShopLine:
    """A shop with its colour, and its sums in words; ``revenue`` are (amount, change) for each currency it sold in."""

    colour: str
    name: str
    orders: str
    pieces: str
    revenue: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TitledChart:
    title: str
    chart: ColumnChart


def totals_of(seen: Summary) -> list[Total]:
    """Revenue and the average order of each currency, orders, and pieces."""
    found = [_money_total(seen, f"Revenue{_of(seen, currency)}", currency, _revenue(seen.now, currency), _revenue(seen.before, currency))
             for currency in seen.currencies]  # fmt: skip
    found.append(
        _total("Orders", number(seen.now.orders), number(seen.before.orders), change(seen.now.orders, seen.before.orders))
    )
    if len(seen.currencies) == 1 and seen.now.orders:
        currency, before = seen.currencies[0], seen.before.orders
        average = _revenue(seen.now, currency) / seen.now.orders
        found.append(
            _money_total(
                seen, "Average order", currency, average, _revenue(seen.before, currency) / before if before else Decimal(0)
            )
        )
    found.append(
        _total("Pieces", number(seen.now.pieces), number(seen.before.pieces), change(seen.now.pieces, seen.before.pieces))
    )
    return [replace(total, before="", change="", tone="idle") for total in found] if seen.unknown_before else found


def charts_of(seen: Summary) -> list[TitledChart]:
    """The revenue of each currency that was sold in, and the orders; none where nothing was sold."""
    if not seen.now.orders:
        return []
    charts = [TitledChart(f"Revenue{_of(seen, currency)}", _revenue_chart(seen, currency)) for currency in seen.now.revenue]
    orders = draw_columns(
        seen.buckets, seen.unit, _series(seen, lambda sums: Decimal(sums.orders)), lambda value: number(int(value)), _whole
    )
    return [*charts, TitledChart("Orders", orders)]


def shops_of(seen: Summary) -> list[ShopLine]:
    unknown = seen.unknown_before
    return [
        ShopLine(
            _colour(shop), shop.name, number(shop.now.orders), number(shop.now.pieces),
            [(_money(seen, currency, amount), "" if shop in unknown else _percent(change(amount, _revenue(shop.before, currency))))
             for currency, amount in sorted(shop.now.revenue.items())],
        )
        for shop in seen.shops
    ]  # fmt: skip


def _revenue_chart(seen: Summary, currency: str) -> ColumnChart:
    def tick(value: Decimal) -> str:
        whole = value == value.to_integral_value()
        return money(str(int(value)), currency) if whole else _money(seen, currency, value)

    revenue = _series(seen, lambda sums: _revenue(sums, currency))
    return draw_columns(seen.buckets, seen.unit, revenue, lambda value: _money(seen, currency, value), tick)


def _series(seen: Summary, measure: Callable[[Sums], Decimal]) -> list[Series]:
    """The values of each shop, those of the smaller ones together."""
    nothing = Sums()
    return with_rest(
        [
            Series(_colour(shop), shop.name, [measure(bucket.shops.get(shop.shop_id, nothing)) for bucket in seen.buckets])
            for shop in seen.shops
        ]
    )


def _colour(shop: ShopSums) -> str:
    return str(shop.integration_id % COLOURS_OF_SHOPS)


def _revenue(sums: Sums, currency: str) -> Decimal:
    return sums.revenue.get(currency, Decimal(0))


def _of(seen: Summary, currency: str) -> str:
    """Behind a label, where there are several currencies, or none is known."""
    if not currency:
        return " without a currency"
    return f" in {currency}" if len(seen.currencies) > 1 else ""


def _money(seen: Summary, currency: str, amount: Decimal) -> str:
    return money(plain(amount, seen.decimals(currency)), currency)


def _money_total(seen: Summary, label: str, currency: str, now: Decimal, before: Decimal) -> Total:
    return _total(label, _money(seen, currency, now), _money(seen, currency, before), change(now, before))


def _total(label: str, now: str, before: str, share: Decimal | None) -> Total:
    return Total(label, now, before, _percent(share), "idle" if not share else "good" if share > 0 else "bad")


def _percent(share: Decimal | None) -> str:
    """``+12.5%``; empty if there is nothing, or next to nothing, to compare with."""
    if share is None or share >= MOST_TIMES:
        return ""
    locale = reader_locale()
    pattern = copy(locale.percent_formats[None])
    pattern.frac_prec = (0, 0) if abs(share) >= 1 else (0, 1)
    return ("+" if share > 0 else "−" if share < 0 else "±") + str(pattern.apply(abs(share), locale))


def _whole(value: Decimal) -> str:
    return number(int(value)) if value == value.to_integral_value() else ""
