"""When something that recurs is due: at intervals or at times of day in a time zone, and never during quiet hours. Pure: no clock is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol

from errors import InvalidInput
from services.common import zones

LEAST_SECONDS, MOST_SECONDS = 300, 7 * 86400
MOST_TIMES = 24
LONGEST = timedelta(days=8)
"""Further ahead nothing is planned: a later due time comes from a clock that was wrong."""
TIME = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)\Z")


@dataclass(frozen=True, slots=True)
class Timetable:
    """Every ``seconds``, or at ``times`` of day where there are any. From ``quiet_from`` until ``quiet_until`` nothing is due; these hours
    may include midnight. Times of day and quiet hours are those of ``zone``."""

    seconds: int = 86400
    times: tuple[time, ...] = ()
    zone: str = "UTC"
    quiet_from: time | None = None
    quiet_until: time | None = None


class Recurring(Protocol):
    """A row whose columns say when it is due."""

    @property
    def interval_seconds(self) -> int | None: ...
    @property
    def times(self) -> list[str]: ...
    @property
    def zone(self) -> str: ...
    @property
    def quiet_from(self) -> str: ...
    @property
    def quiet_until(self) -> str: ...


def make_timetable(*, seconds: int | None, times: str, zone: str, quiet_from: str = "", quiet_until: str = "") -> Timetable:
    """From what a person has typed: ``times`` like ``06:00, 18:30``; without them it is every ``seconds``. Raises InvalidInput, whose field
    is the name of the parameter."""
    if zone not in zones.known_zones():
        raise InvalidInput(f"There is no time zone {zone[:50]!r}.", "Choose one like Europe/London.", field="zone")
    found = tuple(sorted({_time(each, "times") for each in re.split(r"[,;\s]+", times) if each}))
    if len(found) > MOST_TIMES:
        raise InvalidInput(f"There are more than {MOST_TIMES} times.", "Choose an interval instead.", field="times")
    if not found and (seconds is None or not LEAST_SECONDS <= seconds <= MOST_SECONDS):
        raise InvalidInput("Enter an interval between 5 minutes and 7 days, or times of day.", field="seconds")
    if bool(quiet_from.strip()) != bool(quiet_until.strip()):
        missing = "quiet_until" if quiet_from.strip() else "quiet_from"
        raise InvalidInput("Quiet hours need a beginning and an end.", "Enter both, or neither.", field=missing)
    start, end = (
        _time(each, name) if each.strip() else None for each, name in ((quiet_from, "quiet_from"), (quiet_until, "quiet_until"))
    )
    if start is not None and start == end:
        raise InvalidInput(
            "The quiet hours end when they begin.", "Enter another time, or leave both empty.", field="quiet_until"
        )
    made = Timetable(seconds or 86400, found, zone, start, end)
    for each in found:
        if _is_quiet(made, each):
            raise InvalidInput(f"{each:%H:%M} is inside the quiet hours.", "Change one of them.", field="times")
    return made


def checked_columns(values: Mapping[str, Any], *, new_zone: bool = True) -> dict[str, Any]:
    """The columns of a row that recurs, from what a person wants: an interval, times of day, or neither, which is not planned. ``new_zone`` is False
    where the zone stays as it is stored: it may be unknown now, and need not be chosen again to switch the row off. Raises InvalidInput with
    the column that is wrong."""
    seconds, times = values["interval_seconds"], ", ".join(values["times"] or [])
    if seconds is not None and times:
        raise InvalidInput("Choose an interval or times of day, not both.", field="times")
    try:
        plan = make_timetable(
            seconds=86_400 if seconds is None and not times else seconds, times=times, zone=values["zone"] if new_zone else zones.or_utc(values["zone"]),
            quiet_from=values["quiet_from"], quiet_until=values["quiet_until"],
        )  # fmt: skip
    except InvalidInput as wrong:
        raise InvalidInput(wrong.message, wrong.advice, {"seconds": "interval_seconds"}.get(wrong.field, wrong.field)) from None
    quiet = ["" if each is None else f"{each:%H:%M}" for each in (plan.quiet_from, plan.quiet_until)]
    return {"times": [f"{each:%H:%M}" for each in plan.times], "quiet_from": quiet[0], "quiet_until": quiet[1]}


def of_row(row: Recurring) -> Timetable | None:
    """From the columns of a row; None where nothing is planned. A zone that is unknown now counts as UTC."""
    if not (row.interval_seconds or row.times):
        return None
    return make_timetable(
        seconds=row.interval_seconds, times=", ".join(row.times), zone=zones.or_utc(row.zone), quiet_from=row.quiet_from,
        quiet_until=row.quiet_until,
    )  # fmt: skip


def _time(text: str, field: str) -> time:
    """Raises InvalidInput."""
    found = TIME.match(text.strip())
    if found is None:
        raise InvalidInput(f"{text.strip()[:20]!r} is not a time of day.", "Enter it like 18:30.", field=field)
    return time(int(found[1]), int(found[2]))


def next_due(timetable: Timetable, after: datetime) -> datetime:
    """The first moment after ``after`` at which it is due, in UTC.

    A time of day that the change to summer time skips is due an hour later on the clock, and one that comes twice in autumn is due the first
    time only. What would be due during quiet hours is due when they end."""
    if not timetable.times:
        return _after_quiet(timetable, (after + timedelta(seconds=timetable.seconds)).astimezone(UTC))
    day = after.astimezone(zones.zone_of(timetable.zone)).date() - timedelta(days=1)
    # A day before and two after: around midnight, and where a day of the zone has none of these times.
    moments = sorted({_moment(timetable, day + timedelta(days=days), each) for days in range(4) for each in timetable.times})
    return next(each for each in moments if each > after)


def _moment(timetable: Timetable, day: date, at: time) -> datetime:
    return _after_quiet(timetable, datetime.combine(day, at, zones.zone_of(timetable.zone)).astimezone(UTC))


def _after_quiet(timetable: Timetable, moment: datetime) -> datetime:
    zone = zones.zone_of(timetable.zone)
    local = moment.astimezone(zone)
    if timetable.quiet_until is None or not _is_quiet(timetable, local.time()):
        return moment
    day = local.date() if local.time() < timetable.quiet_until else local.date() + timedelta(days=1)
    ends = datetime.combine(day, timetable.quiet_until, zone).astimezone(UTC)
    # In the hour that comes twice, the end of the quiet hours may seem to be in the past.
    return ends if ends > moment else ends + timedelta(hours=1)


def _is_quiet(timetable: Timetable, at: time) -> bool:
    start, end = timetable.quiet_from, timetable.quiet_until
    if start is None or end is None:
        return False
    return start <= at < end if start < end else at >= start or at < end


def in_words(timetable: Timetable) -> str:
    """``at 06:00 and 18:00 (Europe/London)``, ``every 2 hours, not from 22:00 to 06:00 (Europe/London)``."""
    when = (
        f"at {_listed([f'{each:%H:%M}' for each in timetable.times])}" if timetable.times else f"every {_span(timetable.seconds)}"
    )
    quiet = "" if timetable.quiet_from is None else f", not from {timetable.quiet_from:%H:%M} to {timetable.quiet_until:%H:%M}"
    return f"{when}{quiet} ({timetable.zone})" if timetable.times or quiet else when


def _span(seconds: int) -> str:
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0:
            number = seconds // size
            return word if number == 1 else f"{number} {word}s"
    return f"{seconds} seconds"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
