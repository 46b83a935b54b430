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
from services.reports.summary import Bucket

HEIGHT = 1000
"""Units of a column's height in its SVG."""
STEPS = 4
LABELS = 6
"""The most labels on the axis of time."""
SERIES = 8
"""The most series of one chart: nobody can distinguish more pieces in a column."""
REST = "rest"
"""The colour of what several shops have in common, beside the colours ``0`` to ``7`` of shops in the style sheets (``shop-0``)."""

Words = Callable[[Decimal], str]


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one shop, or of several together: one for each column."""

    colour: str
    name: str
    values: Sequence[Decimal]


@dataclass(frozen=True, slots=True)
class Piece:
    """What one series adds to a column: its colour, and place and height in units."""

    colour: str
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Column:
    """``values`` are a series' colour, name and value in words. ``label`` is empty for columns without one on the axis;
    ``minor`` labels are left out on a phone, ``late`` ones stand to the left of their column."""

    title: str
    total: str
    values: list[tuple[str, str, str]]
    pieces: list[Piece]
    label: str
    minor: bool
    late: bool


@dataclass(frozen=True, slots=True)
class ColumnChart:
    """``ticks`` are the values of the axis in words, from the top down to zero."""

    columns: list[Column]
    ticks: list[str]


def draw_columns(buckets: Sequence[Bucket], unit: str, series: Sequence[Series], words: Words, ticks: Words) -> ColumnChart:
    """The values of ``series``, stacked, in a column for each bucket: ``words`` writes a value in full, ``ticks`` one on the axis."""
    tops = [sum((max(each.values[place], Decimal(0)) for each in series), Decimal(0)) for place in range(len(buckets))]
    step = tick_step(max(tops, default=Decimal(0)))
    every = -(-len(buckets) // LABELS)
    columns = []
    for place, bucket in enumerate(buckets):
        values = [(each, each.values[place]) for each in series]
        columns.append(
            Column(
                title=bucket_title(bucket, unit),
                total=words(sum((value for _, value in values), Decimal(0))),
                values=[(each.colour, each.name, words(value)) for each, value in values if value],
                pieces=_pieces(values, step * STEPS),
                label=_short(bucket, unit) if place % every == 0 else "",
                minor=place // every % 2 == 1,
                late=place > len(buckets) * 0.85,
            )
        )
    return ColumnChart(columns, [ticks(step * number) for number in range(STEPS, -1, -1)])


def with_rest(series: Sequence[Series]) -> list[Series]:
    """At most ``SERIES`` of them: those with the largest sums in their order, and what the other shops have together as the last one."""
    if len(series) <= SERIES:
        return list(series)
    by_sum = sorted(range(len(series)), key=lambda place: -sum(series[place].values))
    leading, others = sorted(by_sum[: SERIES - 1]), by_sum[SERIES - 1 :]
    together = [sum(values, Decimal(0)) for values in zip(*(series[place].values for place in others), strict=True)]
    return [*(series[place] for place in leading), Series(REST, f"{len(others)} other shops", together)]


def tick_step(most: Decimal) -> Decimal:
    """A round distance between two lines of the axis: 1, 2, 2.5 or 5 times a power of ten, so that STEPS of them reach ``most``."""
    if most <= 0:
        return Decimal(1)
    size = Decimal(10) ** (most / STEPS).adjusted()
    return next(size * Decimal(factor) for factor in ("1", "2", "2.5", "5", "10") if size * Decimal(factor) * STEPS >= most)


def _pieces(values: Sequence[tuple[Series, Decimal]], top: Decimal) -> list[Piece]:
    pieces: list[Piece] = []
    floor = HEIGHT
    for series, value in values:
        if value <= 0:
            continue
        height = max(6, round(value / top * HEIGHT))
        floor -= height
        pieces.append(Piece(series.colour, floor, height))
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
