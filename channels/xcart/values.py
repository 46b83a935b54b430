"""The small readings that every X-Cart payload shares: money, moments, text, and rows that are partly unreadable."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from errors import ShopBroken

MOST_NODES = 400_000
"""Values a payload may hold. A hostile list of a few bytes a value would fill the memory many times its own size."""

MOST_ROWS = 20_000
"""Rows a page may hold, where an old shop gives its whole list at once."""

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
"""An escape of a JSON text: half a character by itself (a name cut in the middle of an emoji) is its group 1."""
_PATH = re.compile(r"at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")

T = TypeVar("T")


def decimals_of(currency: str) -> int:
    """Decimals of a currency by ISO 4217; the add-on's complex schema does not give them."""
    return _DECIMALS.get(currency, 2)


def money(value: Decimal | None, decimals: int) -> Decimal:
    """An amount rounded to a currency's decimals. Raises ValueError where it is no number or beyond all measure."""
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
    """A moment in UTC; one without a zone is taken as UTC, one that UTC cannot express as unknown."""
    if moment is None or moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def from_unix(seconds: int | None) -> datetime | None:
    """A moment from unix seconds; 0 and None are what the shop prints for an unset one."""
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
    return str(value)


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
    """A page's rows, each still as text, so that one bad row spoils no other. Raises ShopBroken where this is no list."""
    rows = _decoded(body, list[msgspec.Raw], host)
    if len(rows) > MOST_ROWS:
        raise ShopBroken(f"{host} sent a list of more rows than Cartlink accepts.", status_code=200)
    return rows


def keyed_rows(value: Any, key: str) -> dict[int, dict[str, Any]]:
    """The rows of a bulk write's answer by their id. PHP prints a list, or an object ``{"0": …, "2": …}`` where rows were
    dropped (X-Cart 5.4, observed)."""
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    rows = [each for each in found if isinstance(each, dict)]
    return {int(each[key]): each for each in rows if text(each.get(key)).isdecimal()}


def value_of(body: bytes, host: str) -> Any:
    """A JSON answer as plain values. Raises ShopBroken where it is none."""
    return _decoded(body, Any, host)


def _decoded(body: bytes, kind: Any, host: str) -> Any:
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_NODES:
        raise ShopBroken(f"{host} sent an answer with more values than Cartlink accepts.")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        mended = _ESCAPE.sub(_whole_character, body)
    if mended != body:
        return _decoded(mended, kind, host)
    what = "a web page" if body.lstrip()[:1] == b"<" else "something unreadable"
    raise ShopBroken(f"{host} sent {what} where data was expected.", status_code=200)


def _whole_character(escape: re.Match[bytes]) -> bytes:
    """Half a character, which would spoil the whole page, becomes the sign for one that cannot be shown."""
    return b"\\ufffd" if escape.group(1) else escape.group()


def row_value(row: msgspec.Raw, problems: list[str]) -> Any:
    """One row as plain values, fit to be stored anywhere.

    Broken UTF-8 and the characters that databases refuse are replaced and said so in ``problems``. Raises ValueError
    where the row cannot be read."""
    data = bytes(row)
    if b"\\u0000" in data or b"\x00" in data:
        data = re.sub(rb"(?<!\\)((?:\\\\)*)\\u0000", rb"\1\\ufffd", data).replace(b"\x00", b"")
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


def read_as(kind: type[T], raw: dict[str, Any], problems: list[str], *, most: int = 20) -> T:
    """``raw`` as a struct. A field of the wrong type is taken as missing and named in ``problems``, ``most`` of them at
    most. Raises ValueError where the row is not to be read even so."""
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as exc:
        complaint = str(exc)
    copy = msgspec.json.decode(msgspec.json.encode(raw))
    for _ in range(most):
        place = _PATH.search(complaint)
        steps = [name or int(index or 0) for name, index in _STEP.findall(place.group(1))] if place else []
        if not steps or not _forget(copy, steps):
            break
        problems.append(f"The shop's value of {place.group(1).lstrip('.')} cannot be read.")
        try:
            return msgspec.convert(copy, kind, strict=False)
        except msgspec.ValidationError as exc:
            complaint = str(exc)
    raise ValueError(complaint)


def _forget(value: Any, steps: list[str | int]) -> bool:
    """Set what lies at the end of ``steps`` to None; False where there is nothing to forget."""
    *way, last = steps
    try:
        for step in way:
            value = value[step]
        if value[last] is None:
            return False
        value[last] = None
    except (KeyError, IndexError, TypeError):
        return False
    return True


def first_number(row: bytes, *names: str) -> str:
    """An id from the text of a row that cannot be read otherwise; empty where there is none."""
    for name in names:
        if found := re.search(rb'"' + name.encode() + rb'"\s*:\s*"?(\d{1,18})', row):
            return found.group(1).decode()
    return ""
