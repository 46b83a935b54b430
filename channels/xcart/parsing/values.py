"""Reads the values that every X-Cart payload contains: money, times, text, and rows that are partly unreadable."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import msgspec

from errors import ShopBroken

MOST_NODES = 400_000
"""Values a payload may hold. A hostile list of a few bytes a value would fill the memory many times its own size."""

MOST_ROWS = 20_000
"""Rows a page may hold, where an old shop gives its whole list at once."""

MOST_ID = 2**63 - 1
"""The greatest id of a row: X-Cart's columns hold 32 bits, ours 64."""

LARGEST = 11
"""The greatest power of ten in an amount. X-Cart's columns hold ten digits before the point; a sum of many lines still has to
fit into a column of ours."""

_UNITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DECIMALS = {code: digits for digits, codes in _UNITS.items() for code in codes.split()}
_STEPS = {digits: Decimal(1).scaleb(-digits) for digits in range(7)}
_ZEROS = {digits: Decimal(0).quantize(step) for digits, step in _STEPS.items()}
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)
"""An escape of a JSON text: half a character alone (a name cut in the middle of an emoji) is its group 1."""

_PLAIN = bytes.maketrans(bytes(range(32)), b" " * 32)
"""JSON allows no control characters in its texts; between its values they are white space."""


def decimals_of(currency: str) -> int:
    """Decimals of a currency by ISO 4217; the add-on's complex schema does not give them."""
    return _DECIMALS.get(currency, 2)


def money(value: Decimal | None, decimals: int) -> Decimal:
    """An amount rounded to a currency's decimals. Raises ValueError if it is no number or too large."""
    if value is None:
        return _ZEROS[decimals]
    try:
        rounded = value.quantize(_STEPS[decimals], ROUND_HALF_UP)
    except InvalidOperation:
        raise ValueError("no amount") from None
    if rounded.is_nan() or rounded.adjusted() > LARGEST:
        raise ValueError("no amount")
    # The shop's −0.0 is a plain zero.
    return rounded or _ZEROS[decimals]


def utc(moment: datetime | None) -> datetime | None:
    """A time in UTC. One without a zone counts as UTC, one that UTC cannot express as unknown."""
    if moment is None or moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def from_unix(seconds: int | None) -> datetime | None:
    """A time from unix seconds; 0 and None are what the shop prints for an unset one."""
    if not seconds:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def text(value: Any) -> str:
    """A value as text; what is no plain value becomes empty."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (bool, dict, list)):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def listed(value: Any) -> list[Any]:
    """A PHP list as a list. PHP prints one with gaps as an object (``{"0": …, "2": …}``), and an empty one in many ways.
    What is no list gives none."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and all(str(key).isdecimal() for key in value):
        return list(value.values())
    return []


def pairs(value: Any) -> tuple[tuple[str, str], ...]:
    """A PHP map of name → value as pairs. PHP prints an empty map as ``[]``, and one with keys 0, 1, 2 as a list."""
    if not value:
        return ()
    if isinstance(value, dict):
        return tuple([(str(name), text(each)) for name, each in value.items()])
    if isinstance(value, list):
        return tuple([(str(place), text(each)) for place, each in enumerate(value)])
    return ()


def rows_of(body: bytes, host: str) -> list[msgspec.Raw]:
    """A page's rows, each still as text, so that one bad row does not affect the others. PHP prints a list with gaps as an object.
    Raises ShopBroken if this is no list; something else that is whole concerns all rows, as no row of a list makes it so."""
    found = _decoded(body, list[msgspec.Raw] | dict[str, msgspec.Raw] | str | int | float | bool | None, host)
    if not isinstance(found, (list, dict)):
        raise _no_list(host, "nothing" if found is None else "a single value")
    if isinstance(found, dict) and not (found and all(key.isdecimal() for key in found)):
        names = ", ".join(name[:20] for name in list(found)[:3] if name.isidentifier())
        raise _no_list(host, f"an object with {names}" if names else "an empty object")
    rows = listed(found)
    if len(rows) > MOST_ROWS:
        raise ShopBroken(f"{host} sent a list of more rows than Cartlink accepts.", status_code=200)
    return rows


def _no_list(host: str, what: str) -> ShopBroken:
    trouble = ShopBroken(f"{host} sent {what} where a list was expected.", status_code=200)
    trouble.concerns = "shop"
    return trouble


def keyed_rows(value: Any, key: str) -> dict[int, dict[str, Any]]:
    """The rows of a bulk write's answer by their id. PHP prints a list, or an object ``{"0": …, "2": …}`` where rows were
    dropped (X-Cart 5.4, observed)."""
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    rows = [each for each in found if isinstance(each, dict)]
    return {int(each[key]): each for each in rows if text(each.get(key)).isdecimal()}


def value_of(body: bytes, host: str) -> Any:
    """A JSON answer as plain values, fit to be stored anywhere. Raises ShopBroken if it is none."""
    return _decoded(_without_nul(body), Any, host)


def _decoded(body: bytes, kind: Any, host: str) -> Any:
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    # A short body cannot have as many, and counting goes through it three times.
    if len(body) > MOST_NODES and body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_NODES:
        raise ShopBroken(f"{host} sent an answer with more values than Cartlink accepts.")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        repaired = _ESCAPE.sub(_whole_character, body.translate(_PLAIN))
    if repaired != body:
        return _decoded(repaired, kind, host)
    what = "a web page" if body.lstrip()[:1] == b"<" else "something unreadable"
    raise ShopBroken(f"{host} sent {what} where data was expected.", status_code=200)


def _whole_character(escape: re.Match[bytes]) -> bytes:
    """Half a character, which would make the whole page unreadable, becomes the replacement character."""
    return b"\\ufffd" if escape.group(1) else escape.group()


def row_value(row: msgspec.Raw, problems: list[str]) -> Any:
    """One row as plain values, fit to be stored anywhere.

    Broken UTF-8 and the characters that databases refuse are replaced and said so in ``problems``. Raises ValueError
    where the row cannot be read."""
    given = bytes(row)
    data = _without_nul(given)
    if data != given:
        problems.append("The order holds characters that cannot be stored; they were replaced.")
    try:
        return msgspec.json.decode(data)
    except UnicodeError:
        data = data.decode("utf-8", "replace").encode()
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise ValueError(str(exc)) from None
    problems.append("The order holds characters that are no valid text; they were replaced.")
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise ValueError(str(exc)) from None


def _without_nul(data: bytes) -> bytes:
    """JSON text whose NUL characters, which databases refuse, are the sign for a character that cannot be shown."""
    if b"\\u0000" not in data and b"\x00" not in data:
        return data
    return re.sub(rb"(?<!\\)((?:\\\\)*)\\u0000", rb"\1\\ufffd", data).replace(b"\x00", b"")


def is_id(number: int) -> bool:
    """Whether a shop can have a row of this id. Nothing is ever sent to 0, which names a new row, or to what is below."""
    return 0 < number <= MOST_ID


def own_id(row: bytes, *names: str) -> str:
    """The id of a row, as plain digits; empty if it has none that can be one. Only in a row that is no JSON it is searched for in the
    text: elsewhere that may be the id of something inside the row."""
    try:
        value = msgspec.json.decode(row)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        known = first_number(row, *names)
    else:
        known = next((text(value[name]) for name in names if name in value), "") if isinstance(value, dict) else ""
    return str(int(known)) if known.isascii() and known.isdigit() and len(known) < 20 and is_id(int(known)) else ""


def first_number(row: bytes, *names: str) -> str:
    """An id from the text of a row that cannot be read otherwise; empty if there is none."""
    for name in names:
        if found := re.search(rb'"' + name.encode() + rb'"\s*:\s*"?(\d{1,18})(?!\d)', row):
            return found.group(1).decode()
    return ""
