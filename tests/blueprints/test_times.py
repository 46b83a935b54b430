from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from blueprints.times import duration, exact, relative

NOW = datetime(2026, 11, 23, 16, 12, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=-3), "just now"),
        (timedelta(seconds=42), "42 seconds ago"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(days=2, hours=5), "2 days ago"),
        (timedelta(minutes=-5), "in 5 minutes"),
        (timedelta(days=40), "14 Oct 2026"),
    ],
)
def test_relative(app: Flask, ago: timedelta, said: str) -> None:
    with app.test_request_context():
        assert relative(NOW - ago, NOW) == said


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Berlin", "23 Nov 2026, 17:12:05 CET"),
        ("Asia/Kolkata", "23 Nov 2026, 21:42:05 IST"),
        ("Pacific/Auckland", "24 Nov 2026, 05:12:05 NZDT"),
        ("", "23 Nov 2026, 16:12:05 UTC"),
        ("../../etc/passwd", "23 Nov 2026, 16:12:05 UTC"),
        ("Europe", "23 Nov 2026, 16:12:05 UTC"),
    ],
)
def test_exact_is_in_the_zone_that_the_browser_named(app: Flask, zone: str, said: str) -> None:
    with app.test_request_context(headers={"Cookie": f"zone={zone}"}):
        assert exact(NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.42, "0.4 s"), (-1, "0.0 s"), (12.7, "12 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")]
)
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said
