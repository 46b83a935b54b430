"""What a person may set of a feed, checked. It reads and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels import remote_files
from channels.remote_files import Place
from errors import InvalidInput
from services.common import csv_files, letters, timetable
from services.common.channel_limits import channel_limits
from services.common.text import one_line
from services.stock import file_columns

MOST_NAME = 100
MISSING = ("keep", "zero", "zero_after")
WHEN_STALE = ("keep", "hold", "zero")
DEFAULTS: dict[str, Any] = {
    "name": "", "enabled": True, "method": "https", "address": "", "path": "", "auth": "none", "user": "", "parameter": "",
    "sheet": "", "headings": [], "columns": None, "delta": False, "excludes_open_orders": False, "missing": "keep", "missing_after": 3,
    "priority": 1, "interval_seconds": None, "times": [], "zone": "UTC", "quiet_from": "", "quiet_until": "",
    "stale_after_seconds": 172_800, "when_stale": "keep", "zero_percent": 20, "rows_percent": 80, "unreadable_percent": 2,
}  # fmt: skip
SETTABLE = tuple(DEFAULTS)
"""The columns of models.Feed that a person sets."""
OF_PLACE = frozenset({"method", "address", "path", "auth", "user", "parameter"})
"""Where the file is, and how it is got."""
OF_FILE = frozenset({"method", "address", "path", "sheet", "columns", "headings", "delta"})
"""With another value of these, offers may mean something else."""
OF_PLAN = frozenset({"interval_seconds", "times", "zone", "quiet_from", "quiet_until"})
NUMBERS = {
    "missing_after": (1, 100, "The number of files"), "priority": (1, 1000, "The priority"),
    "stale_after_seconds": (900, 90 * 86_400, "The time after which it is stale"), "zero_percent": (0, 100, "The share that may go to 0"),
    "rows_percent": (0, 100, "The share of rows"), "unreadable_percent": (0, 100, "The share of unreadable rows"),
}  # fmt: skip


def checked(values: Mapping[str, Any], secret: str, *, new_zone: bool = True, new_place: bool = True) -> dict[str, Any]:
    """All values of a feed as they are stored, with the defaults for those that are not given. ``secret`` is the one it has or gets, if any;
    ``new_zone`` as in timetable.checked_columns; ``new_place`` is false where it stays where it is. Raises InvalidInput with the field that is wrong."""
    unknown = [name for name in values if name not in DEFAULTS]
    if unknown:
        raise InvalidInput(f"A feed has no {unknown[0][:40]!r}.", field=unknown[0])
    found = DEFAULTS | dict(values)
    for name in ("name", "user", "parameter", "sheet"):
        found[name] = one_line(str(found[name] or ""), 200 if name == "user" else MOST_NAME, name, name)
    if not found["name"]:
        raise InvalidInput("Give the feed a name.", field="name")
    for name, choices in (("missing", MISSING), ("when_stale", WHEN_STALE)):
        _one_of(found[name], choices, name)
    found |= _place(found, secret, new=new_place)
    for name, (least, most, label) in NUMBERS.items():
        if type(found[name]) is not int or not least <= found[name] <= most:
            raise InvalidInput(f"{label} has to be from {least} to {most}.", field=name)
    found |= timetable.checked_columns(found, new_zone=new_zone) | {"columns": _columns(found)}
    if not found["delta"]:
        return found
    return found | {"missing": "keep"}


def needs_no_secret(auth: str) -> bool:
    return auth == "none"


def leads_elsewhere(present: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether the file would come from another server than now: its secret has to be given again then, so that nobody can have a stored one
    sent to a place of their own."""
    after = {**present, **values}
    before, then = (remote_files.server_of(each["method"], str(each["address"] or "")) for each in (present, after))
    return before != then


def _one_of(value: Any, choices: tuple[str, ...], name: str) -> None:
    if value not in choices:
        raise InvalidInput(f"Choose one of {', '.join(choices)}.", field=name)


def _place(found: Mapping[str, Any], secret: str, *, new: bool) -> dict[str, Any]:
    """Where its file is and how it is got, as it is stored. Raises InvalidInput."""
    names = ("method", "address", "path", "auth", "user", "parameter")
    given = {name: str(found[name] or "") for name in names}
    place = remote_files.check(Place(**given, secret=secret), channel_limits().allow_private)
    if new:
        remote_files.refuse_upwards(place)
    return {name: getattr(place, name) for name in names}


def _columns(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """The assignment of the columns as it is kept. Raises InvalidInput for one that does not fit the headings."""
    given = found["columns"]
    if not given:
        return None if given is None else {}
    if not isinstance(given, dict) or not isinstance(given.get("columns"), dict):
        raise InvalidInput("The columns cannot be read.", "Assign them again.", field="columns")
    options = given.get("options") or {}
    if found["headings"]:
        options = file_columns.check_preset(found["headings"], given["columns"], options)
    name = given.get("letters", "")
    kept = {"letters": name} if name in letters.NAMES and name != csv_files.WESTERN else {}
    return {"columns": dict(given["columns"]), "options": dict(options), **kept}
