"""When something that recurs is due."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from errors import InvalidInput
from services.common.timetable import Timetable, in_words, make_timetable, next_due

pytestmark = pytest.mark.one_database
VIENNA = "Europe/Vienna"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def table(times: str = "", seconds: int | None = None, quiet: str = "", zone: str = VIENNA) -> Timetable:
    start, _, end = quiet.partition("-")
    return make_timetable(seconds=seconds, times=times, zone=zone, quiet_from=start, quiet_until=end)


@pytest.mark.parametrize(
    ("made", "after", "due"),
    [
        (table(seconds=7200), "2026-11-27 10:00", "2026-11-27 12:00"),
        (table("06:00 18:00"), "2026-11-27 05:00", "2026-11-27 17:00"),  # 05:00 UTC is 06:00 in Vienna: that one is over
        (table("06:00, 18:00"), "2026-11-27 17:00", "2026-11-28 05:00"),
        (table("23:30"), "2026-11-27 22:40", "2026-11-28 22:30"),
        (table("00:10"), "2026-11-27 23:00", "2026-11-27 23:10"),  # the next day in Vienna has begun
        (table(seconds=3600, quiet="22:00-06:00"), "2026-11-27 20:30", "2026-11-28 05:00"),
        (table(seconds=3600, quiet="22:00-06:00"), "2026-11-27 03:00", "2026-11-27 05:00"),
        (table(seconds=3600, quiet="12:00-13:00"), "2026-11-27 10:30", "2026-11-27 12:00"),
        (table(seconds=3600, quiet="12:00-13:00"), "2026-11-27 11:00", "2026-11-27 12:00"),
        (table("02:30"), "2026-03-28 12:00", "2026-03-29 01:30"),  # skipped in Vienna: 03:30 on the clock
        (table("02:30"), "2026-03-29 01:30", "2026-03-30 00:30"),
        (table("02:30"), "2026-10-24 12:00", "2026-10-25 00:30"),  # comes twice: the first one
        (table("02:30"), "2026-10-25 00:30", "2026-10-26 01:30"),  # and not the second
        (table(seconds=300, quiet="01:00-02:30"), "2026-03-28 23:58", "2026-03-29 01:30"),
        (table("06:00", zone="Pacific/Apia"), "2026-11-27 16:59", "2026-11-27 17:00"),
    ],
)
def test_the_next_time_follows_clock_zone_and_quiet_hours(made, after, due):
    assert next_due(made, utc(after)) == utc(due)


@pytest.mark.parametrize("quiet", ["", "22:00-06:15", "01:30-02:30"])
@pytest.mark.parametrize("made", ["02:30 12:00", ""])
def test_it_always_moves_on_and_is_never_due_in_quiet_hours_through_both_changes_of_the_clock(made, quiet):
    times = "12:00" if made and quiet else made
    timetable = table(times, 1500, quiet)
    for start in ("2026-03-28 00:07", "2026-10-24 00:07"):
        moment = utc(start)
        while moment < utc(start) + timedelta(days=3):
            following = next_due(timetable, moment)
            assert moment < following <= moment + timedelta(hours=26)
            moment = following


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"times": "25:00"}, "times"), ({"times": "noon"}, "times"), ({"times": "12:00", "zone": "Mars/Base"}, "zone"), ({"seconds": 60}, "seconds"),
        ({}, "seconds"), ({"seconds": 8 * 86400}, "seconds"), ({"times": "12:00", "quiet_from": "22:00"}, "quiet_until"),
        ({"times": "12:00", "quiet_until": "22:00"}, "quiet_from"), ({"times": "23:00", "quiet_from": "22:00", "quiet_until": "06:00"}, "times"),
        ({"seconds": 600, "quiet_from": "22:00", "quiet_until": "22:00"}, "quiet_until"),
        ({"times": " ".join(f"{n // 2}:{n % 2 * 30:02}" for n in range(25))}, "times"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_its_field(values, field):
    with pytest.raises(InvalidInput) as refused:
        make_timetable(**{"seconds": None, "times": "", "zone": "UTC", **values})
    assert refused.value.field == field


def test_it_says_what_it_is():
    assert in_words(table("18:00 6.30 9:00")) == "at 06:30, 09:00 and 18:00 (Europe/Vienna)"
    assert in_words(table(seconds=3600)) == "every hour"
    assert in_words(Timetable(900, (), "UTC", time(22), time(6))) == "every 15 minutes, not from 22:00 to 06:00 (UTC)"
