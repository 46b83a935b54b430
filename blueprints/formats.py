"""Numbers, money, dates and countries in the reader's language, and times in the reader's zone. Babel does the formatting.

The language is the browser's (Accept-Language), British English without one. The zone is the one the user has chosen, else the
browser's (a cookie that app.js sets), else UTC. "3 minutes ago" and durations are parts of English sentences and stay English.
"""

from __future__ import annotations

import re
from copy import copy
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_skeleton, format_time, format_timedelta
from babel.numbers import NumberPattern, format_decimal
from flask import Flask, g, request
from markupsafe import Markup

from blueprints.actors import current_person
from models.types import utcnow
from services.common import zones
from services.order_basics.holds import DISAGREE
from services.order_basics.identity import placed_of
from services.order_basics.money import plain

COOKIE = "zone"
LANGUAGE = "en-GB"
ENGLISH = Locale("en")
DISAGREE_BY = re.compile(rf"(?<={re.escape(DISAGREE)})-?[0-9]+(?:\.[0-9]+)? [A-Z]{{3}}\b")
Unit = Literal["second", "minute", "hour", "day"]
UNITS: tuple[tuple[int, int, Unit], ...] = (
    (60, 1, "second"),
    (3600, 60, "minute"),
    (86400, 3600, "hour"),
    (30 * 86400, 86400, "day"),
)
"""Below so many seconds ago, a time is given in whole units of so many seconds, of this name."""

STORED_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\Z")
"""How the audit trail keeps a moment (services/security/audit.py)."""


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(
        when=when,
        at=at,
        due=due,
        minute=minute,
        moments=moments,
        exact=exact,
        duration=duration,
        day=day,
        number=number,
        amount=amount,
        money=money,
        placed=placed_of,
        price=price,
        sum_of=sum_of,
        reason=reason,
        country=country,
    )


def reader_zone() -> tzinfo:
    if "zone" not in g:
        person = current_person()
        names = (person.zone if person else "", request.cookies.get(COOKIE, ""))
        g.zone = zones.zone_of(next((name for name in names if name in zones.known_zones()), ""))
    return g.zone


def reader_locale() -> Locale:
    if "locale" not in g:
        g.locale = _locale(tuple(request.accept_languages.values())[:10])
    return g.locale


@lru_cache(maxsize=256)
def _locale(languages: tuple[str, ...]) -> Locale:
    """The first of the wanted languages that Babel knows."""
    for language in (*languages, LANGUAGE):
        try:
            return Locale.parse(language, sep="-")
        except (ValueError, UnknownLocaleError):
            continue
    return ENGLISH


@cache
def known_places() -> tuple[str, ...]:
    """The zones that a person may choose from: UTC, and those called after a place."""
    left_out = ("Etc/", "SystemV/", "US/")
    return ("UTC", *sorted(zone for zone in zones.known_zones() if "/" in zone and not zone.startswith(left_out)))


def when(moment: datetime | None, never: str = "never") -> Markup | str:
    """``<time>``: within a day relative to now, with the exact time in its title; longer ago as ``at``, because a phone does not show a title.
    ``never`` for None."""
    if moment is None:
        return never
    if utcnow() - moment >= timedelta(days=1):
        return at(moment)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(timespec="seconds"), exact(moment), relative(moment, utcnow())
    )


def at(moment: datetime | None, never: str = "–") -> Markup | str:
    """``<time>`` for lists: the date and time, relative to now in its title; ``never`` for None."""
    if moment is None:
        return never
    now = utcnow()
    return Markup('<time datetime="{}" title="{}, {}">{}</time>').format(
        moment.isoformat(timespec="seconds"), relative(moment, now), exact(moment),
        _short(moment, reader_zone(), reader_locale(), now.astimezone(reader_zone()).year),
    )  # fmt: skip


@lru_cache(maxsize=8192)
def _short(moment: datetime, zone: tzinfo, locale: Locale, this_year: int) -> str:
    """``29 Oct, 14:05``, with the year unless it is this one."""
    local = moment.astimezone(zone)
    date_part = format_skeleton("MMMd" if local.year == this_year else "yMMMd", local, locale=locale)
    return f"{date_part}, {format_time(local, 'short', locale=locale)}"


def minute(moment: datetime) -> str:
    """``23 Nov 2026, 17:12``, in the reader's zone: for paper, where nothing can be pointed at."""
    return _short(moment, reader_zone(), reader_locale(), 0)


def moments(text: str) -> str:
    """A value that is stored as text, with a moment in it as readers write it."""
    return minute(datetime.fromisoformat(text)) if STORED_MOMENT.match(text) else text


def due(moment: datetime | None) -> Markup | str:
    """When something planned starts: ``now`` if its time has come, a dash if nothing is planned."""
    return "now" if moment is not None and moment <= utcnow() else when(moment, "–")


def exact(moment: datetime) -> str:
    """``23 Nov 2026, 17:12:05 CET``, in the reader's zone."""
    return _exact(moment, reader_zone(), reader_locale())


@lru_cache(maxsize=8192)
def _exact(moment: datetime, zone: tzinfo, locale: Locale) -> str:
    local = moment.astimezone(zone)
    return f"{format_datetime(local, locale=locale)} {local.tzname()}"


def day(moment: date | str) -> str:
    """``23 Nov 2026``; of a moment, in the reader's zone; of text in ISO 8601, the day as it is."""
    if isinstance(moment, str):
        moment = date.fromisoformat(moment[:10])
    return _day(moment.astimezone(reader_zone()).date() if isinstance(moment, datetime) else moment, reader_locale())


@lru_cache(maxsize=1024)
def _day(moment: date, locale: Locale) -> str:
    return format_date(moment, locale=locale)


def relative(moment: datetime, now: datetime) -> str:
    """``3 minutes ago``, ``in 2 hours``; the day where that is a month or more away."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 10:
        return "just now"
    for below, size, unit in UNITS:
        if abs(seconds) < below:
            return _relative(int(abs(seconds) // size) * size * (-1 if seconds > 0 else 1), unit)
    return day(moment)


@lru_cache(maxsize=1024)
def _relative(seconds: int, unit: Unit) -> str:
    # With this threshold Babel uses no larger unit: ten days are not a week.
    return format_timedelta(timedelta(seconds=seconds), granularity=unit, threshold=60, add_direction=True, locale=ENGLISH)


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``. Babel has no format of two units."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def number(value: int) -> str:
    """``1,234``."""
    return _number(value, reader_locale())


@lru_cache(maxsize=8192)
def _number(value: int, locale: Locale) -> str:
    return format_decimal(value, locale=locale)


def amount(value: Decimal | str) -> str:
    """``1,234.50``: an amount of money where its currency is given elsewhere, with the decimals it comes with."""
    return _money(str(value), "", reader_locale())


def money(value: Decimal | str, currency: str) -> str:
    """``€1,234.50``, with the decimals it comes with: shops may use others than the currency has."""
    return _money(str(value), currency, reader_locale())


def price(value: str, decimals: int) -> Markup | str:
    """A unit price with ``decimals``, those of its currency. Where tax or a discount was taken out or folded in, it is rounded, and its
    title has the exact one."""
    exactly = Decimal(value)
    shown = amount(plain(exactly, decimals))
    if exactly == round(exactly, decimals):
        return shown
    return Markup('<span title="{} before rounding">{}</span>').format(amount(value), shown)


def sum_of(text: str) -> str:
    """``US$39.27`` for ``39.27 USD``, which is how workers store an amount with its currency: they do not know who will read it."""
    value, _, currency = text.partition(" ")
    return money(value, currency)


def reason(text: str) -> str:
    """Why an order is held. The one amount in it is written for the reader."""
    return DISAGREE_BY.sub(lambda found: sum_of(found.group()), text)


LETTERS_AND_DIGIT = re.compile(r"([A-Z])(?=\d)")
"""A currency without a sign stands apart from its number (CLDR's currency spacing, which Babel does not apply): ``KWD 1.500``."""


@lru_cache(maxsize=8192)
def _money(text: str, currency: str, locale: Locale) -> str:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    exponent = value.as_tuple().exponent
    pattern = _pattern(bool(currency), -exponent if isinstance(exponent, int) and exponent < 0 else 0, locale)
    written = pattern.apply(value, locale, currency=currency or None, currency_digits=False)
    return LETTERS_AND_DIGIT.sub("\\1\u00a0", written)


@lru_cache(maxsize=256)
def _pattern(with_currency: bool, decimals: int, locale: Locale) -> NumberPattern:
    pattern = copy(locale.currency_formats["standard"] if with_currency else locale.decimal_formats[None])
    pattern.frac_prec = (decimals, decimals)
    return pattern


def country(code: str) -> str:
    """The name of a country, by its ISO code; anything else stays as it is."""
    return reader_locale().territories.get(code, code) if len(code) == 2 else code
