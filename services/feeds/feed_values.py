"""What a person may set of a feed, checked. It reads and writes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from errors import InvalidInput
from services.common import timetable
from services.common.channel_limits import channel_limits
from services.common.text import one_line
from services.stock import file_columns

MOST_NAME, MOST_ADDRESS, MOST_PATH, MOST_SECRET = 100, 500, 500, 20_000
METHODS = ("https", "sftp")
AUTHS = {"https": ("none", "basic", "bearer", "header", "query"), "sftp": ("password", "key")}
"""How Cartlink proves who it is, by method."""
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
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?\Z")
OWN_HEADERS = ("host", "content-length", "connection", "transfer-encoding", "cookie")
"""Headers that cannot be a key's."""


def checked(values: Mapping[str, Any], *, secret: bool) -> dict[str, Any]:
    """All values of a feed as they are stored, with the defaults for those that are not given. ``secret`` says whether it has one. Raises
    InvalidInput with the field that is wrong."""
    unknown = [name for name in values if name not in DEFAULTS]
    if unknown:
        raise InvalidInput(f"A feed has no {unknown[0][:40]!r}.", field=unknown[0])
    found = DEFAULTS | dict(values)
    for name in ("name", "user", "parameter", "sheet"):
        found[name] = one_line(str(found[name] or ""), 200 if name == "user" else MOST_NAME, name, name)
    if not found["name"]:
        raise InvalidInput("Give the feed a name.", field="name")
    for name, choices in (("method", METHODS), ("missing", MISSING), ("when_stale", WHEN_STALE)):
        _one_of(found[name], choices, name)
    _one_of(found["auth"], AUTHS[found["method"]], "auth")
    found["address"] = (_url if found["method"] == "https" else _host)(str(found["address"] or "").strip())
    found["path"] = _path(found["method"], str(found["path"] or "").strip())
    _check_auth(found, secret)
    for name, (least, most, label) in NUMBERS.items():
        if type(found[name]) is not int or not least <= found[name] <= most:
            raise InvalidInput(f"{label} has to be from {least} to {most}.", field=name)
    found |= _plan(found) | {"columns": _columns(found)}
    if not found["delta"]:
        return found
    return found | {"missing": "keep"}


def needs_no_secret(auth: str) -> bool:
    return auth == "none"


def leads_elsewhere(present: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether the file would come from another server than now: its secret has to be given again then, so that nobody can have a stored one
    sent to a place of their own."""
    after = {**present, **values}
    return _server(present["method"], present["address"]) != _server(after["method"], str(after["address"] or "").strip())


def _server(method: str, address: str) -> tuple[Any, ...]:
    if method != "https":
        return (method, address.casefold())
    try:
        parts = urlsplit(address)
        return (method, parts.scheme, parts.hostname, parts.port)
    except ValueError:
        return (method, address)


def _one_of(value: Any, choices: tuple[str, ...], name: str) -> None:
    if value not in choices:
        raise InvalidInput(f"Choose one of {', '.join(choices)}.", field=name)


def _url(url: str) -> str:
    """The address of a file. Raises InvalidInput for one that cannot be asked for, or that holds a secret."""
    advice = "Write it as https://supplier.example/stock.csv, without a user name or a password in it."
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = None
    good = parts is not None and parts.hostname and url.isprintable() and " " not in url and url.isascii()
    if not good or parts is None or parts.username is not None or parts.fragment or len(url) > MOST_ADDRESS:
        raise InvalidInput("That is not the address of a file.", advice, field="address")
    if parts.scheme != "https" and not (parts.scheme == "http" and channel_limits().allow_private):
        raise InvalidInput("The address has to begin with https://.", advice, field="address")
    return url


def _host(text: str) -> str:
    found = HOST.match(text.removeprefix("sftp://").rstrip("/"))
    port = int(found["port"] or 22) if found else 0
    if found is None or not 1 <= port <= 65_535:
        raise InvalidInput(
            "That is not the address of an SFTP server.",
            "Write it as sftp.supplier.example, or with :2222 behind it.",
            field="address",
        )
    return found["host"].lower() + (f":{port}" if port != 22 else "")


def _path(method: str, path: str) -> str:
    if method == "https":
        return ""
    if not path or len(path) > MOST_PATH or not path.isprintable():
        raise InvalidInput(
            "Say which file to fetch.", "Write for example /out/stock.csv, or /out/stock_*.csv for the newest.", field="path"
        )
    folder, _, _ = path.rpartition("/")
    if any(mark in folder for mark in "*?[") or ".." in path.split("/"):
        raise InvalidInput("Only the file's name may be a pattern, and no part of the path may be ‘..’.", field="path")
    return path


def _check_auth(found: dict[str, Any], secret: bool) -> None:
    auth = found["auth"]
    checks: dict[str, Callable[[], bool]] = {
        "user": lambda: auth not in ("basic", "password", "key") or bool(found["user"]),
        "parameter": lambda: auth not in ("header", "query") or bool(HEADER.match(found["parameter"])),
        "secret": lambda: auth == "none" or secret,
    }
    sentences = {
        "user": "Enter the user name.",
        "parameter": f"Enter the name of the {'header' if auth == 'header' else 'parameter'} that holds the key.",
        "secret": "Enter the password or key." if auth != "key" else "Enter the private key.",
    }
    for name, good in checks.items():
        if not good():
            raise InvalidInput(sentences[name], field=name)
    if auth == "basic" and ":" in found["user"]:
        raise InvalidInput("A user name cannot contain a colon.", field="user")
    if auth == "header" and found["parameter"].lower() in OWN_HEADERS:
        raise InvalidInput(f"{found['parameter']} cannot hold a key.", field="parameter")
    if auth == "query" and found["parameter"] in dict(parse_qsl(urlsplit(found["address"]).query, keep_blank_values=True)):
        raise InvalidInput("The address holds this parameter already.", "Take it out of the address.", field="address")
    if auth not in ("basic", "password", "key"):
        found["user"] = ""
    if auth not in ("header", "query"):
        found["parameter"] = ""


def _plan(found: Mapping[str, Any]) -> dict[str, Any]:
    """When it is due, as it is stored. A feed may have neither an interval nor times: it is fetched when a person asks for it."""
    seconds, times = found["interval_seconds"], ", ".join(found["times"] or [])
    if seconds is not None and times:
        raise InvalidInput("Choose an interval or times of day, not both.", field="times")
    try:
        plan = timetable.make_timetable(
            seconds=86_400 if seconds is None and not times else seconds, times=times, zone=found["zone"],
            quiet_from=found["quiet_from"], quiet_until=found["quiet_until"],
        )  # fmt: skip
    except InvalidInput as wrong:
        field = "interval_seconds" if wrong.field == "seconds" else wrong.field
        raise InvalidInput(wrong.message, wrong.advice, field=field) from None
    quiet = ["" if each is None else f"{each:%H:%M}" for each in (plan.quiet_from, plan.quiet_until)]
    return {"times": [f"{each:%H:%M}" for each in plan.times], "quiet_from": quiet[0], "quiet_until": quiet[1]}


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
    return {"columns": dict(given["columns"]), "options": dict(options)}
