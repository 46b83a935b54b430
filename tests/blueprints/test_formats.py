from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask

from blueprints import formats
from blueprints.formats import at, duration, exact, relative, when
from models.types import utcnow
from tests.blueprints.pages import element, words

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
        (timedelta(days=10), "10 days ago"),
        (timedelta(minutes=-5), "in 5 minutes"),
        (timedelta(days=40), "14 Oct 2026"),
    ],
)
def test_relative(app: Flask, ago: timedelta, said: str) -> None:
    with app.test_request_context():
        assert relative(NOW - ago, NOW) == said


def test_what_was_longer_ago_than_a_day_has_its_date_in_sight(app: Flask) -> None:
    """'When did you ship it?' was answered by '8 days ago', and the date was in a title that a phone does not show."""
    now = utcnow()
    with app.test_request_context(headers={"Accept-Language": "en-US"}):
        assert words(element(str(when(now - timedelta(hours=23))), "time").text) == "23 hours ago"
        shown = element(str(when(now - timedelta(days=8))), "time")
        assert shown.text == element(str(at(now - timedelta(days=8))), "time").text != "8 days ago"
        assert shown["title"].startswith("8 days ago, ")


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


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("", ["1,234,567", "€1,234.50", "-US$5.00", "1,234.5", "Germany", "23 Nov 2026", "23 Nov 2026, 16:12:05 UTC"]),
        ("en-US", ["1,234,567", "€1,234.50", "-$5.00", "1,234.5", "Germany", "Nov 23, 2026", "Nov 23, 2026, 4:12:05\u202fPM UTC"]),
        ("de-DE, en;q=0.5", ["1.234.567", "1.234,50\xa0€", "-5,00\xa0$", "1.234,5", "Deutschland", "23.11.2026", "23.11.2026, 16:12:05 UTC"]),
        ("xx-YY, de;q=0.5", ["1.234.567", "1.234,50\xa0€", "-5,00\xa0$", "1.234,5", "Deutschland", "23.11.2026", "23.11.2026, 16:12:05 UTC"]),
        ("*, ../../etc;q=0.5", ["1,234,567", "€1,234.50", "-US$5.00", "1,234.5", "Germany", "23 Nov 2026", "23 Nov 2026, 16:12:05 UTC"]),
    ],
)  # fmt: skip
def test_formats_are_those_of_the_browsers_language(app: Flask, language: str, said: list[str]) -> None:
    headers = {"Accept-Language": language} if language else {}
    with app.test_request_context(headers=headers):
        assert said == [
            formats.number(1234567), formats.money("1234.50", "EUR"), formats.money(Decimal("-5.00"), "USD"), formats.amount("1234.5"),
            formats.country("DE"), formats.day(NOW), formats.exact(NOW),
        ]  # fmt: skip


def test_an_amount_keeps_the_decimals_that_the_shop_uses(app: Flask) -> None:
    with app.test_request_context():
        assert [formats.money(each, "ISK") for each in ("5", "5.00", "5.125")] == [
            "ISK\u00a05",
            "ISK\u00a05.00",
            "ISK\u00a05.125",
        ]
        assert (formats.amount("108.00"), formats.amount("–"), formats.money("3.10", "")) == ("108.00", "–", "3.10")
        assert formats.country("Germany") == "Germany" and formats.country("") == ""


def test_a_currency_without_a_sign_stands_apart_from_its_number(app: Flask) -> None:
    with app.test_request_context(headers={"Accept-Language": "en-US"}):
        assert [formats.money("1.500", code) for code in ("KWD", "USD", "JPY")] == ["KWD\u00a01.500", "$1.500", "¥1.500"]
        assert formats.money("-2.00", "CHF") == "-CHF\u00a02.00"


def test_what_is_due_already_is_tried_now(app: Flask) -> None:
    with app.test_request_context():
        assert formats.due(datetime.now(UTC) - timedelta(seconds=14)) == "now"
        assert "in 4 minutes" in formats.due(datetime.now(UTC) + timedelta(minutes=4, seconds=30))
        assert formats.due(None) == "–"


def test_a_moment_that_is_stored_as_text_is_read_as_others_are(app: Flask) -> None:
    with app.test_request_context():
        assert (
            formats.moments("2027-02-25T14:09:13+00:00")
            == "25 Feb 2027, 14:09"
            == formats.minute(datetime(2027, 2, 25, 14, 9, 13, tzinfo=UTC))
        )
        assert [formats.moments(text) for text in ("2027-02-25", "Threshold", "20")] == ["2027-02-25", "Threshold", "20"]
