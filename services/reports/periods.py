"""The days that a report is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

from errors import InvalidInput
from models.types import utcnow

MOST_DAYS = 3660
"""Days of the longest period: ten years."""
LAST_YEAR = 2999
"""Far from the last day that a date can hold, which has no day after it."""


@dataclass(frozen=True, slots=True)
class Period:
    """From the first to the last day, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> Period:
        """As many days, up to the day before this period."""
        last = self.first - timedelta(days=1)
        return Period(last - timedelta(days=self.days - 1), last)

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last


def last_days(days: int, zone: tzinfo) -> Period:
    """So many days, the reader's today being the last."""
    today = utcnow().astimezone(zone).date()
    return Period(today - timedelta(days=days - 1), today)


def ending(last: date, days: int) -> Period:
    """So many days up to one. Raises InvalidInput."""
    last = _day(last.isoformat(), "last")
    return Period(last - timedelta(days=days - 1), last)


def between(first: str, last: str, zone: tzinfo) -> Period:
    """From one day to another, as ISO 8601; without a last day until the reader's today. Raises InvalidInput."""
    start, end = _day(first, "first"), _day(last, "last") if last else utcnow().astimezone(zone).date()
    if end < start:
        raise InvalidInput("The last day is before the first day.", "Choose a later last day.", field="last")
    if (end - start).days >= MOST_DAYS:
        raise InvalidInput("The period is longer than ten years.", "Choose a shorter one.", field="first")
    return Period(start, end)


def _day(text: str, field: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidInput("Enter a day, for example 2026-11-30.", field=field) from None
    if day.year < 1980:
        raise InvalidInput("The day is before 1980.", "Choose a later day.", field=field)
    if day.year > LAST_YEAR:
        raise InvalidInput(f"The day is after {LAST_YEAR}.", "Choose an earlier day.", field=field)
    return day
