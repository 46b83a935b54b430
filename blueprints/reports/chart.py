"""A chart of the days of a report, drawn by the server as SVG: a bar for each day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.reports import DaySales

WIDTH, HEIGHT, FOOT = 720, 140, 1


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """``summary`` says in words what the drawing shows."""

    bars: list[Bar]
    width: int
    height: int
    floor: int
    most: int
    summary: str
    first: str
    last: str


def draw(rows: Sequence[DaySales], days: int, today: date) -> Chart:
    """Orders by day, all shops together."""
    counts: dict[date, int] = {}
    for row in rows:
        counts[row.day] = counts.get(row.day, 0) + row.orders
    most = max(counts.values(), default=0)
    step = WIDTH / days
    bars = []
    for place in range(days):
        day = today - timedelta(days=days - 1 - place)
        orders = counts.get(day, 0)
        height = max(2.0, HEIGHT * orders / most) if orders else 0.0
        width = max(1.0, step * 0.8)
        title = f"{_name(day)}: {orders} {'order' if orders == 1 else 'orders'}"
        bars.append(Bar(round(place * step, 2), round(HEIGHT - height, 2), round(width, 2), round(height, 2), title))
    total = sum(counts.values())
    summary = f"{total:,} {'order' if total == 1 else 'orders'} in {days} days, at most {most} a day."
    return Chart(bars, WIDTH, HEIGHT + FOOT, HEIGHT, most, summary, _name(today - timedelta(days=days - 1)), _name(today))


def _name(day: date) -> str:
    return f"{day.day} {day:%b}"
