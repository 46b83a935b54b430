"""How a stock item's numbers went, drawn by the server as SVG: what was on hand, and what of it was available."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT, FOOT = 720, 110, 18

Level = tuple[datetime, int, int]


@dataclass(frozen=True, slots=True)
class Chart:
    """``on_hand`` and ``available`` are the points of two lines; ``summary`` says in words what the drawing shows."""

    on_hand: str
    available: str
    width: int
    height: int
    floor: int
    most: int
    summary: str


def draw(levels: Sequence[Level], now: datetime, since: str) -> Chart:
    """``levels`` begin with the numbers at the start of the time that is drawn, which is ``since`` in words."""
    most = max(max(level[1] for level in levels), 1)
    start = levels[0][0]
    span = max((now - start).total_seconds(), 1.0)

    def steps(place: int) -> str:
        points: list[str] = []
        before = HEIGHT
        for number, level in enumerate(levels):
            x = WIDTH * (level[0] - start).total_seconds() / span
            y = round(HEIGHT - (HEIGHT - 4) * level[place] / most, 1)
            if number:
                points.append(f"{x:.1f},{before}")
            points.append(f"{x:.1f},{y}")
            before = y
        return " ".join([*points, f"{WIDTH},{before}"])

    first, last = levels[0], levels[-1]
    summary = (
        f"Since {since} on hand went from {first[1]:,} to {last[1]:,}, at most {most:,}; "
        f"{last[2]:,} {'is' if last[2] == 1 else 'are'} available now."
    )
    return Chart(steps(1), steps(2), WIDTH, HEIGHT + FOOT, HEIGHT, most, summary)
