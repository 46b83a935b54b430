"""When a shop's orders usually come, and whether the time since the last one is unusual. Pure arithmetic on counts by the hour.

The question is always asked about one stretch of time: from the last order until now. The same stretch of each past week (same
weekdays, same hours) is looked at, an hour earlier and later as well, because clocks change. So a night, or a weekend on which a
shop is closed, is silent in all of them and never odd. From what came in those stretches a low estimate is taken, not the mean:
one busy week must not make the others look silent. Where the last days are slower than the weeks before (a season that ends), the
estimate is lowered accordingly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

HOUR = timedelta(hours=1)
WEEK = 7 * 24
WEEKS = 9
"""How many weeks are learned."""
LEAST_WEEKS = 4
"""Fewer comparable stretches than this say nothing."""
LEAST_ORDERS = 30
LONGEST = 14 * 24
"""Hours of silence after which nothing new is learned from waiting: a shop that sells that rarely has no rhythm to speak of."""
ASK_AT = 3.0
"""Orders that would have come by a low estimate, from which on the shop is asked. That costs one request, so it may be early."""
TELLING = 15
"""Orders a day from which on a single day says something of the shop's pace."""
ALARMS_A_YEAR = 0.1
"""How many stretches a year may look odd by chance alone before a shop that answers is called silent."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """``low`` is the low estimate of the orders that usually come in such a stretch, ``usual`` the middle one. ``ask`` says
    that the shop is to be asked, ``alarm`` that even a shop with no newer order is silent beyond chance."""

    low: float
    usual: int
    ask: bool
    alarm: bool


class Rhythm:
    """Counts by the hour: ``hours[0]`` is the hour that begins at ``first``, which is whole."""

    def __init__(self, first: datetime, hours: Sequence[int]):
        self.first = first
        self.hours = hours
        self._sums = [0, *accumulate(hours)]

    @classmethod
    def learned(cls, placed: Iterable[datetime], until: datetime, since: datetime | None = None) -> Rhythm:
        """From the times orders were placed at, in whole weeks before ``until``; ``since`` is when the shop's orders begin."""
        end = whole_hour(until)
        weeks = WEEKS if since is None else max(0, min(WEEKS, int((end - since) / timedelta(days=7))))
        first = end - weeks * timedelta(days=7)
        hours = [0] * (weeks * WEEK)
        for moment in placed:
            index = int((moment - first) // HOUR)
            if 0 <= index < len(hours):
                hours[index] += 1
        return cls(first, hours)

    @property
    def orders(self) -> int:
        return self._sums[-1]

    def assess(self, last: datetime, now: datetime) -> Assessment:
        """Whether it is odd that nothing came from ``last`` until ``now``."""
        stretches = self._stretches(last, now)
        if len(stretches) < LEAST_WEEKS or self.orders < LEAST_ORDERS:
            return Assessment(0.0, 0, False, False)
        low = _low(stretches) * self._slowing(last)
        usual = int(sorted(stretches)[len(stretches) // 2])
        return Assessment(low, usual, low >= ASK_AT, low >= self.alarm_at and min(stretches) >= 1)

    @property
    def alarm_at(self) -> float:
        """So many orders that did not come are beyond chance: with n stretches a year, each odd by chance with e to the minus
        of it, ALARMS_A_YEAR are."""
        a_year = self.orders * 365 * 24 / max(1, len(self.hours))
        return max(ASK_AT, math.log(a_year / ALARMS_A_YEAR))

    def next_look(self, last: datetime, now: datetime) -> datetime:
        """When to look again if no order comes: at the first hour that could be odd, and in a day at the latest."""
        for hours in range(1, 25):
            if self.assess(last, now + hours * HOUR).ask:
                return now + hours * HOUR
        return now + timedelta(days=1)

    def _stretches(self, last: datetime, now: datetime) -> list[float]:
        """What came in the same stretch of each past week; of the same an hour earlier and later, the least counts."""
        length = (now - last) / HOUR
        if length <= 0 or length > LONGEST:
            return []
        found = []
        start = (last - self.first) / HOUR
        for week in range(1, WEEKS + 1):
            begin = start - week * WEEK
            if begin < 1:
                break
            # It must not reach into the silence that it is compared with, nor beyond what was learned.
            if begin + length > min(start, len(self.hours)):
                continue
            least = min(self._between(begin + shift, begin + shift + length) for shift in (-1, 0, 1))
            found.append(least)
        return found

    def _between(self, begin: float, end: float) -> float:
        """Orders between two points in hours from the first; of an hour that is cut, its share."""
        return self._up_to(end) - self._up_to(begin)

    def _up_to(self, point: float) -> float:
        point = min(max(point, 0.0), float(len(self.hours)))
        whole = int(point)
        share = (point - whole) * self.hours[whole] if whole < len(self.hours) else 0.0
        return self._sums[whole] + share

    def _slowing(self, last: datetime) -> float:
        """How the days before the last order compare with the same days of the weeks before: at most 1. Seven days tell of a slow
        change, three of a sudden one, a single one, where it has enough orders to tell anything, of a holiday; the lowest counts."""
        at = (last - self.first) / HOUR
        factor = 1.0
        for days in (1, 3, 7):
            recent = self._between(at - days * 24, at)
            before = sorted(
                self._between(at - days * 24 - week * WEEK, at - week * WEEK)
                for week in range(1, WEEKS) if at - days * 24 - week * WEEK >= 0
            )  # fmt: skip
            middle = before[len(before) // 2] if before else 0.0
            if middle > (TELLING if days == 1 else 0):
                factor = min(factor, recent / middle)
        return factor


def _low(stretches: Sequence[float]) -> float:
    """The second lowest, or the lowest of few: robust against one odd week, and no more than the quieter weeks give."""
    ordered = sorted(stretches)
    return ordered[1] if len(ordered) >= 6 else ordered[0]


def whole_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
