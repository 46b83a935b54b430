"""The parts of an order that every form of payload has, read one way: a value that is missing or odd becomes a sentence."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from channels.base import NO_TIME, Surcharge
from channels.xcart.parsing.lenient import read_as
from channels.xcart.parsing.limits import MOST_PIECES, within
from channels.xcart.parsing.values import listed, money

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Charge(msgspec.Struct, gc=False):
    """A money row of an order, the same in both generations (X-Cart 5.4 and 5.5, observed)."""

    type: str | None = None
    code: str | None = None
    name: str | None = None
    value: Decimal | None = None
    include: bool | None = None
    available: bool | None = None


def charge_rows(rows: Any, decimals: int, problems: list[str]) -> tuple[Surcharge, ...]:
    """The money rows of an order, out of plain values or of ``Charge`` structs."""
    found = []
    for place, row in enumerate(listed(rows), 1):
        each = row if isinstance(row, Charge) else _charge(row, place, problems)
        if each is None:
            continue
        value = amount(each.value, decimals, f"surcharge {each.name or each.code}", problems)
        found.append(
            Surcharge(each.type or "", each.code or "", each.name or "", value, bool(each.include), each.available is not False)
        )
    return tuple(found)


def _charge(row: Any, place: int, problems: list[str]) -> Charge | None:
    unread: list[str] = []
    try:
        found = read_as(Charge, row, unread) if isinstance(row, dict) else None
    except ValueError:
        found = None
    if found is None or unread:
        problems.append(f"The order's surcharge {place} cannot be read.")
    return found


def order_number(number: str | None) -> str:
    if not number:
        raise ValueError("it has no number")
    return number


def amount(
    value: Decimal | None, decimals: int, what: str, problems: list[str], *, none: bool = False, exact: bool = False
) -> Decimal:
    """An amount, rounded unless ``exact``. A missing one is zero, and a problem unless ``none`` is a good answer here."""
    if value is None and not none:
        problems.append(f"The order's {what} is missing.")
    try:
        rounded = money(value, decimals)
    except ValueError:
        problems.append(f"The order's {what} cannot be read.")
        return money(None, decimals)
    return value if exact and value is not None else rounded


def quantity(value: int | None, place: int, problems: list[str]) -> int:
    if value is None or value < 0 or value >= 2**31:
        problems.append(f"The quantity of line {place} cannot be read.")
        return 0
    if value > MOST_PIECES:
        problems.append(
            f"Line {place} has {value:,} pieces, more than the {MOST_PIECES:,} that Cartlink works with. Correct the order in the shop."
        )
        return 0
    return value


def moments(placed: datetime | None, changed: datetime | None, problems: list[str]) -> tuple[datetime, datetime, bool]:
    """When an order was placed, when it last changed, and whether the shop says the latter: X-Cart's column is 0 in orders that an import
    made, and they were changed when they were placed as far as is known."""
    placed = within("date", placed, problems)
    changed = within("change date", changed, problems) if changed != _EPOCH else None
    if placed is None:
        problems.append(NO_TIME)
        placed = changed or _EPOCH
    return placed, changed or placed, changed is not None
