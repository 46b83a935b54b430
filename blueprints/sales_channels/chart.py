"""A small chart of the last days, drawn by the server as SVG: a bar for the orders of a day, a mark where a run failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.integration_page import Day

BAR, GAP, HEIGHT, MARK = 14, 6, 72, 12


@dataclass(frozen=True, slots=True)
class Bar:
    x: int
    y: int
    height: int
    title: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """``summary`` says in words what the drawing shows."""

    bars: list[Bar]
    width: int
    height: int
    most: int
    summary: str
    first: str
    last: str


def draw(days: Sequence[Day]) -> Chart:
    most = max((day.orders for day in days), default=0)
    bars = []
    for place, day in enumerate(days):
        height = max(2, round(HEIGHT * day.orders / most)) if day.orders else 0
        title = f"{_name(day)}: {day.orders} {'order' if day.orders == 1 else 'orders'}"
        if day.failures:
            title += f", {day.failures} failed {'run' if day.failures == 1 else 'runs'}"
        bars.append(Bar(place * (BAR + GAP), HEIGHT - height, height, title, bool(day.failures)))
    total, failed = sum(day.orders for day in days), sum(bool(day.failures) for day in days)
    trouble = f"; runs failed on {failed} {'day' if failed == 1 else 'days'}" if failed else "; no run failed"
    summary = f"{total} {'order' if total == 1 else 'orders'} in {len(days)} days, at most {most} a day{trouble}."
    return Chart(bars, len(days) * (BAR + GAP) - GAP, HEIGHT + MARK, most, summary, _name(days[0]), _name(days[-1]))


def _name(day: Day) -> str:
    return f"{day.day.day} {day.day:%b}"
