"""What a line is, how it is measured within a bound of time, printed and written as JSON."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.place import Place

NAME_WIDTH = 24


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure, and what it rests on: samples, medians, counts. ``details`` goes into the JSON as it is."""

    figure: float
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """One budget. ``at_least`` turns it round: the figure has to reach the budget. ``seconds`` bounds the measuring."""

    name: str
    budget: float
    measure: Callable[[Place], Measured]
    unit: str = ""
    at_least: bool = False
    seconds: int = 300

    def keeps(self, figure: float) -> bool:
        return figure >= self.budget if self.at_least else figure <= self.budget

    def text(self, figure: float) -> str:
        """The printed line: name, figure, budget, ``ok`` or ``short``."""
        sign = "≥" if self.at_least else "≤"
        budget = f"{sign} {_number(self.budget)}{self.unit}"
        return (
            f"{self.name:<{NAME_WIDTH}}{_number(figure) + self.unit:>12}   {budget:<12}{'ok' if self.keeps(figure) else 'short'}"
        )


class NotMeasured(Exception):
    """Why a line cannot be measured now: a sentence."""


class TimeUp(NotMeasured):
    """A line took longer than it may."""


def run(lines: Sequence[Line], place: Place, json_path: Path | None) -> bool:
    """Measure and print the lines. False where one of them could not be measured; the others are still measured."""
    results: list[dict[str, Any]] = []
    sound = True
    for line in lines:
        try:
            with _within(line.seconds):
                measured = line.measure(place)
        except NotMeasured as why:
            sound = False
            print(f"{line.name} could not be measured: {why}", file=sys.stderr, flush=True)
            continue
        except Exception:
            sound = False
            print(f"{line.name} could not be measured:\n{traceback.format_exc()}", file=sys.stderr, flush=True)
            continue
        print(line.text(measured.figure), flush=True)
        results.append(
            {
                "name": line.name, "figure": round(measured.figure, 4), "budget": line.budget, "ok": line.keeps(measured.figure),
                "at_least": line.at_least, "unit": line.unit.strip(),
                "details": {**measured.details, "seed": place.seed, "quick": place.quick, "machine": machine()},
            }
        )  # fmt: skip
        if json_path is not None:
            json_path.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return sound


@contextmanager
def _within(seconds: int) -> Iterator[None]:
    """Raises TimeUp in the body after so many seconds."""

    def ring(number: int, frame: object) -> None:
        raise TimeUp(f"It was not done within {seconds} s.")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def machine() -> dict[str, Any]:
    """The machine that was measured."""
    return {
        "python": platform.python_version(), "system": platform.platform(terse=True), "cores": os.cpu_count(),
        "load": [round(each, 2) for each in os.getloadavg()],
    }  # fmt: skip


def _number(value: float) -> str:
    """As many decimals as say something, none for a whole number."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    decimals = 3 if abs(value) < 0.1 else 2 if abs(value) < 100 else 1
    return f"{value:.{decimals}f}"
