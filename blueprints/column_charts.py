"""A chart with a column for each day, week or month, stacked by shop, drawn by the server.

templates/macros/charts.html has the markup: the columns are items of a list that take the focus and contain their values as text, so that
keyboard, touch and screen readers reach what a mouse sees. Each column is its own SVG, because its labels must not shrink on a phone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from babel.dates import format_date, format_skeleton

from blueprints.formats import reader_locale
from services.reports.summary import Bucket, ShopSums

HEIGHT = 1000
"""Units of a column's height in its SVG."""
STEPS = 4
LABELS = 6
"""The most labels on the axis of time."""
NUMBERS_OF_SHOPS = 8
"""Colours of shops in the style sheets: ``shop-0`` to ``shop-7``."""

Words = Callable[[Decimal], str]
Measure = Callable[[Bucket, int], Decimal]
"""The value of a shop in a bucket."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one shop adds to a column: its colour, and place and height in units."""

    colour: int
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Column:
    """``values`` are a shop's colour, name and value in words. ``label`` is empty for columns without one on the axis;
    ``minor`` labels are left out on a phone, ``late`` ones stand to the left of their column."""

    title: str
    total: str
    values: list[tuple[int, str, str]]
    pieces: list[Piece]
    label: str
    minor: bool
    late: bool


@dataclass(frozen=True, slots=True)
class ColumnChart:
    """``ticks`` are the values of the axis in words, from the top down to zero."""

    columns: list[Column]
    ticks: list[str]


def draw_columns(
    buckets: Sequence[Bucket], unit: str, shops: Sequence[ShopSums], measure: Measure, words: Words, ticks: Words
) -> ColumnChart:
    """The values of ``measure`` as columns, ``words`` being a value in full and ``ticks`` one on the axis."""
    tops = [sum((max(measure(bucket, shop.shop_id), Decimal(0)) for shop in shops), Decimal(0)) for bucket in buckets]
    step = tick_step(max(tops, default=Decimal(0)))
    every = -(-len(buckets) // LABELS)
    columns = []
    for place, bucket in enumerate(buckets):
        values = [(shop, measure(bucket, shop.shop_id)) for shop in shops]
        columns.append(
            Column(
                title=bucket_title(bucket, unit),
                total=words(sum((value for _, value in values), Decimal(0))),
                values=[(shop.integration_id % NUMBERS_OF_SHOPS, shop.name, words(value)) for shop, value in values if value],
                pieces=_pieces(values, step * STEPS),
                label=_short(bucket, unit) if place % every == 0 else "",
                minor=place // every % 2 == 1,
                late=place > len(buckets) * 0.85,
            )
        )
    return ColumnChart(columns, [ticks(step * number) for number in range(STEPS, -1, -1)])


def tick_step(most: Decimal) -> Decimal:
    """A round distance between two lines of the axis: 1, 2, 2.5 or 5 times a power of ten, so that STEPS of them reach ``most``."""
    if most <= 0:
        return Decimal(1)
    size = Decimal(10) ** (most / STEPS).adjusted()
    return next(size * Decimal(factor) for factor in ("1", "2", "2.5", "5", "10") if size * Decimal(factor) * STEPS >= most)


def _pieces(values: Sequence[tuple[ShopSums, Decimal]], top: Decimal) -> list[Piece]:
    pieces: list[Piece] = []
    floor = HEIGHT
    for shop, value in values:
        if value <= 0:
            continue
        height = max(6, round(value / top * HEIGHT))
        floor -= height
        pieces.append(Piece(shop.integration_id % NUMBERS_OF_SHOPS, floor, height))
    return pieces


def bucket_title(bucket: Bucket, unit: str) -> str:
    """``Mon, 2 Nov 2026``; of a week its first and last day; of a month its name."""
    locale = reader_locale()
    if unit == "day":
        return format_skeleton("yMMMEd", bucket.first, locale=locale)
    if unit == "month":
        return format_skeleton("yMMMM", bucket.first, locale=locale)
    return f"{format_date(bucket.first, locale=locale)} – {format_date(bucket.last, locale=locale)}"


def _short(bucket: Bucket, unit: str) -> str:
    return format_skeleton("yMMM" if unit == "month" else "MMMd", bucket.first, locale=reader_locale())
