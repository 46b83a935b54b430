"""Charts, drawn by the server as SVG: a bar for each day, and how the numbers of a stock item changed.

templates/macros/charts.html has the markup. ``summary`` says in words what a drawing shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blueprints.formats import day, number
from blueprints.labels import plural
from services.integrations.page import Day

WIDTH, HEIGHT, MARKS = 720, 120, 16
"""``MARKS`` is the room below the axis, for what failed."""

Level = tuple[datetime, int, int]
"""When, on hand, available."""


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    height: float
    title: str
    failed: bool


@dataclass(frozen=True, slots=True)
class DayChart:
    bars: list[Bar]
    bar_width: float
    summary: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class LevelChart:
    """``on_hand`` and ``available`` are the points of two lines."""

    on_hand: str
    available: str
    summary: str


def draw_days(days: Sequence[Day], *, with_failures: bool = False) -> DayChart:
    """Orders by day, oldest first; ``with_failures`` also says on how many days runs failed."""
    most = max((each.orders for each in days), default=0)
    step = WIDTH / len(days)
    bars = []
    for place, each in enumerate(days):
        height = max(2.0, round(HEIGHT * each.orders / most, 2)) if each.orders else 0.0
        failed = f", {plural(each.failures, 'failed run')}" if each.failures else ""
        title = f"{day(each.day)}: {plural(each.orders, 'order')}{failed}"
        bars.append(Bar(round(place * step, 2), round(HEIGHT - height, 2), height, title, bool(each.failures)))
    summary = f"{plural(sum(each.orders for each in days), 'order')} in {len(days)} days, at most {number(most)} a day"
    if with_failures:
        failed_days = sum(bool(each.failures) for each in days)
        summary += f"; runs failed on {plural(failed_days, 'day')}" if failed_days else "; no run failed"
    return DayChart(bars, round(max(1.0, step * 0.8), 2), f"{summary}.", day(days[0].day), day(days[-1].day))


def draw_levels(levels: Sequence[Level], now: datetime) -> LevelChart:
    """``levels`` begin with the numbers at the start of the time that is drawn."""
    most = max(max(level[1] for level in levels), 1)
    start = levels[0][0]
    span = max((now - start).total_seconds(), 1.0)

    def points(place: int) -> str:
        found: list[str] = []
        before = 0.0
        for level in levels:
            x = WIDTH * (level[0] - start).total_seconds() / span
            height: Any = level[place]
            y = round(HEIGHT - (HEIGHT - 4) * height / most, 1)
            if found:
                found.append(f"{x:.1f},{before}")
            found.append(f"{x:.1f},{y}")
            before = y
        return " ".join([*found, f"{WIDTH},{before}"])

    first, last = levels[0], levels[-1]
    levelled = {level[1] for level in levels}
    moved = (
        f"On hand is {number(last[1])}, as on {day(start)}; "
        if len(levelled) == 1
        else f"Since {day(start)} on hand went from {number(first[1])} to {number(last[1])}; "
    )
    return LevelChart(points(1), points(2), f"{moved}{number(last[2])} {'is' if last[2] == 1 else 'are'} available now.")
