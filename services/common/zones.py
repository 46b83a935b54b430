"""Time zones by their names. A stored name may be unknown: the time zone data of a machine changes, and a backup may come from another machine."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones


@cache
def known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def or_utc(name: str) -> str:
    """The name of a stored zone, or UTC where none is stored or it is unknown: work goes on, and pages show ``complaint_of``."""
    return name if name in known_zones() else "UTC"


def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo(or_utc(name))


def complaint_of(name: str, meanwhile: str = "UTC") -> str:
    """What to say of a stored zone: empty unless it is unknown. ``meanwhile`` is what counts instead."""
    if not name or name in known_zones():
        return ""
    return f"The time zone {name[:50]} is unknown here. Choose another one, such as Europe/London. Until then, times are in {meanwhile}."
