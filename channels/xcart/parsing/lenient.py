"""Reads payloads whose values have other JSON types than documented.

PHP does not keep the types of what it prints: a SKU of digits may come as a number, an empty map as ``[]``, a list with gaps
as an object, a flag as ``"1"``, nothing as ``""`` or ``false``. A value with one clear meaning is read as that. Any other
counts as missing and is named in the order's problems.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from channels.xcart.parsing.values import listed, text

MOST_REPAIRED = 200
"""Values of one payload that are repaired. The same field in all rows of a list counts once."""

_EXPECTED = re.compile(r"Expected `(\w+)|Invalid (decimal|RFC3339)")
_GROUPED = re.compile(r"\s*[+-]?\d{1,3}(,\d{3})+\.\d+\s*")
"""An amount as PHP's number_format writes it. One without a point may have a decimal comma, and is not guessed at."""

_PATH = re.compile(r"at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")
_FLAGS = {"": None, "1": True, "0": False, "y": True, "n": False, "yes": True, "no": False, "on": True, "off": False}

T = TypeVar("T")
Steps = list[str | int]


class _Unclear(Exception):
    """A value that has no clear meaning of the expected type."""


def read_as(kind: type[T], raw: dict[str, Any], problems: list[str], *, most: int = 20) -> T:
    """``raw`` as a struct; ``raw`` itself does not change. A field without a clear meaning counts as missing and is named in
    ``problems``, at most ``most`` fields. Raises ValueError if the row cannot be read."""
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as exc:
        complaint = str(exc)
    copy = msgspec.json.decode(msgspec.json.encode(raw))
    repaired: set[str] = set()
    forgotten = 0
    for _ in range(MOST_REPAIRED):
        found = _PATH.search(complaint)
        place = found.group(1) if found else ""
        steps: Steps = [name or int(index or 0) for name, index in _STEP.findall(place)]
        if not steps:
            break
        shape = re.sub(r"\d+", "", place)
        if shape in repaired or not _repair(copy, steps, complaint):
            forgotten += 1
            if forgotten > most or not _forget(copy, steps):
                break
            problems.append(f"The shop's value of {place.lstrip('.')} cannot be read.")
        elif not any(isinstance(step, int) for step in steps):
            repaired.add(shape)
        try:
            return msgspec.convert(copy, kind, strict=False)
        except msgspec.ValidationError as exc:
            complaint = str(exc)
    raise ValueError(complaint)


def struct_of(row: bytes, kind: type[T]) -> T:
    """One row of a list as a struct, where its plain decoder fails. Raises ValueError if any field of it is unclear."""
    try:
        value = msgspec.json.decode(row)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise ValueError(str(exc)) from None
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    problems: list[str] = []
    found = read_as(kind, value, problems)
    if problems:
        raise ValueError(problems[0])
    return found


def _repair(copy: Any, steps: Steps, complaint: str) -> bool:
    """Replace the value that msgspec complained about by what it means, in the other rows of its list too; False if it has no
    clear meaning."""
    found = _EXPECTED.search(complaint)
    expected = (found.group(1) or found.group(2)) if found else ""
    reader = _READERS.get(expected)
    try:
        holder = _holder(copy, steps)
        last: Any = steps[-1]
        value = holder[last]
        if reader is None or value is None:
            return False
        meant = _short_form(value, steps) if isinstance(value, (str, int, float)) and expected in _SHORT else reader(value)
    except (_Unclear, KeyError, IndexError, TypeError):
        return False
    holder[last] = meant
    if reader in (_as_text, _as_whole, _as_flag, _as_amount):
        for each in _siblings(copy, steps):
            try:
                each[last] = reader(each[last])
            except (_Unclear, KeyError, TypeError):
                continue
    return True


def _siblings(copy: Any, steps: Steps) -> list[dict[str, Any]]:
    """The other rows of the list that holds the value."""
    if len(steps) < 2 or not isinstance(steps[-2], int):
        return []
    rows = _holder(copy, steps[:-1])
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _holder(copy: Any, steps: Steps) -> Any:
    for step in steps[:-1]:
        copy = copy[step]
    return copy


def _forget(value: Any, steps: Steps) -> bool:
    """Set what lies at the end of ``steps`` to None, or drop it from its list; False if there is nothing to forget."""
    try:
        holder, last = _holder(value, steps), steps[-1]
        if isinstance(holder, list):
            del holder[int(last)]
            return True
        if holder[last] is None:
            return False
        holder[last] = None
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _as_text(value: Any) -> str | None:
    """Numbers are text, and what PHP prints for nothing is nothing."""
    if value is False or value == [] or value == {}:
        return None
    if isinstance(value, dict):
        # A status or a currency given whole where its code was meant.
        value = value.get("code")
    if isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return text(value)
    raise _Unclear


def _as_whole(value: Any) -> int | None:
    """A whole number, also where it comes as text or with a point; a date as its unix seconds."""
    if value in ("", False) or value == [] or value == {}:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        # A row named by its id, given whole.
        return _as_whole(value.get("id"))
    if isinstance(value, str):
        if re.fullmatch(r"\s*[+-]?\d{1,20}(\.0*)?\s*", value):
            return int(value.strip().partition(".")[0])
        try:
            moment = datetime.fromisoformat(value.strip()) if "-" in value and len(value) <= 40 else None
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is not None:
            return int(moment.timestamp())
    raise _Unclear


def _as_amount(value: Any) -> Any:
    if value in ("", False) or value == [] or value == {}:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _GROUPED.fullmatch(value):
        return value.strip().replace(",", "")
    raise _Unclear


def _as_flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in _FLAGS:
        return _FLAGS[value.strip().lower()]
    if value == [] or value == {}:
        return None
    raise _Unclear


def _as_list(value: Any) -> list[Any] | None:
    if value in ("", False, 0):
        return None
    if isinstance(value, dict) and all(str(key).isdecimal() for key in value):
        return listed(value)
    if isinstance(value, dict):
        # A list of one, given without its brackets.
        return [value]
    raise _Unclear


def _as_map(value: Any) -> dict[str, Any] | None:
    """PHP prints an empty map as ``[]``; one row in a list is that row."""
    if value == []:
        return None
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return value[0]
    raise _Unclear


def _as_moment(value: Any) -> str | None:
    if value in ("", False) or value == [] or (isinstance(value, str) and value.startswith("0000-00-00")):
        return None
    if isinstance(value, str) and len(value) <= 40:
        try:
            return datetime.fromisoformat(value.strip()).isoformat()
        except ValueError:
            pass
    raise _Unclear


def _short_form(value: str | float, steps: Steps) -> Any:
    """A plain value where a row or a list of rows is meant: a tracking number, or a status or currency by its code."""
    if value == "" or value is False:
        return None
    names = [step for step in steps if isinstance(step, str)]
    if names and names[-1] in _TRACKING and not isinstance(value, bool):
        return [{"value": text(value)}] if isinstance(steps[-1], str) else {"value": text(value)}
    if names and names[-1] in _BY_CODE and isinstance(value, str):
        return {"code": value}
    raise _Unclear


_SHORT = ("object", "array")
_TRACKING = ("trackingNumbers", "tracking_numbers")
_BY_CODE = ("paymentStatus", "shippingStatus", "payment_status", "shipping_status", "currency")
_READERS = {
    "str": _as_text, "int": _as_whole, "decimal": _as_amount, "bool": _as_flag, "array": _as_list, "object": _as_map,
    "datetime": _as_moment, "RFC3339": _as_moment,
}  # fmt: skip
