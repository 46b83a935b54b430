"""Times as the reader sees them: relative, with the exact time in the reader's own zone.

The zone is the one a user has chosen, or else what the reader's browser says (a cookie that app.js sets); UTC until then.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from flask import Flask, g, request
from markupsafe import Markup

from blueprints.actors import current_person
from models.types import utcnow

COOKIE = "zone"
STEPS = ((60, 1, "second"), (3600, 60, "minute"), (86400, 3600, "hour"), (30 * 86400, 86400, "day"))
"""Below so many seconds, divide by, and call it."""


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(when=when, exact=exact, duration=duration, day=day)


def reader_zone() -> tzinfo:
    if "zone" not in g:
        person = current_person()
        name = (person.zone if person else "") or request.cookies.get(COOKIE, "")
        g.zone = ZoneInfo(name) if name in _known_zones() else ZoneInfo("UTC")
    return g.zone


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def known_places() -> tuple[str, ...]:
    """The zones that a person may choose from: UTC, and those called after a place."""
    left_out = ("Etc/", "SystemV/", "US/")
    return ("UTC", *sorted(zone for zone in _known_zones() if "/" in zone and not zone.startswith(left_out)))


def when(moment: datetime | None, never: str = "never") -> Markup | str:
    """``<time>``: relative to now, exact in its title; ``never`` for None."""
    if moment is None:
        return never
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.isoformat(timespec="seconds"), exact(moment), relative(moment, utcnow())
    )


def exact(moment: datetime) -> str:
    """``23 Nov 2026, 17:12:05 CET``, in the reader's zone."""
    local = moment.astimezone(reader_zone())
    return f"{local.day} {local:%b %Y, %H:%M:%S %Z}"


def day(moment: datetime) -> str:
    """``23 Nov 2026``, in the reader's zone."""
    local = moment.astimezone(reader_zone())
    return f"{local.day} {local:%b %Y}"


def relative(moment: datetime, now: datetime) -> str:
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    if size < 10:
        return "just now"
    for below, divisor, word in STEPS:
        if size < below:
            number = int(size // divisor)
            amount = f"{number} {word}{'' if number == 1 else 's'}"
            return f"{amount} ago" if seconds > 0 else f"in {amount}"
    return day(moment)


def duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
