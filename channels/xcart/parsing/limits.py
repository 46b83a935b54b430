"""What Cartlink works with, and how an order that goes beyond it is kept: held, with a sentence that says what is wrong.

X-Cart's own columns are narrower than all of this (prices have ten digits before the point, quantities 32 bits); what lies beyond
was made by an import, another program or an attacker. Every limit leaves room for sums and products in 64-bit columns.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from channels.base import Order, OrderLine
from channels.xcart.parsing.values import is_id

MOST_PIECES = 1_000_000
"""Pieces of one line."""

MOST_MONEY = Decimal(10) ** 12
"""The total of an order, or the sum of its lines."""

MOST_TOGETHER = 4 * MOST_MONEY
"""All amounts of an order added up, whatever their signs."""

MOST_DIGITS = 19
MOST_NUMBER = 64
MOST_OPTIONS, LONGEST_OPTION = 100, 1000

MOST_STOCK = 2**31 - 1
"""Pieces a product or variant can have: X-Cart's column holds no more, of either sign."""

EARLIEST, LATEST = datetime(1995, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def within(what: str, moment: datetime | None, problems: list[str]) -> datetime | None:
    """A time as it can be worked with. One that is too late becomes the latest, so that lists sorted by it stay sorted; one that is too
    early counts as missing."""
    if moment is None or EARLIEST <= moment < LATEST:
        return moment
    problems.append(f"The order's {what}, in the year {moment.year}, cannot be right.")
    return LATEST if moment >= LATEST else None


def stock_within(quantity: int) -> int:
    """A quantity as a shop's column can hold it. A plugin may print any number in its place, and one must not stop all others."""
    return max(-MOST_STOCK, min(MOST_STOCK, quantity))


def within_limits(order: Order) -> Order:
    """The order, with what is beyond a limit cut and named among its problems. Raises ValueError if it cannot be kept as an order:
    no shop has such an id, or its amounts are too large."""
    if len(order.external_id) > MOST_DIGITS or not is_id(int(order.external_id)):
        raise ValueError(f"its id, {order.external_id[:MOST_DIGITS]}, is not one that a shop gives")
    amounts = [order.total, order.shipping, order.discount, order.tax]
    amounts += [line.subtotal for line in order.lines]
    amounts += [row.amount for row in (*order.other, *(order.surcharges or ()))]
    if sum(map(abs, amounts)) >= MOST_TOGETHER:
        raise ValueError("its amounts are larger than any shop takes")
    odd = len(order.number) > MOST_NUMBER or any(_is_odd(line) for line in order.lines)
    if not odd:
        return order
    problems = list(order.problems)
    if len(order.number) > MOST_NUMBER:
        problems.append(f"The order number has {len(order.number)} characters, more than the {MOST_NUMBER} that are kept.")
    lines = tuple([_cut(place, line, problems) for place, line in enumerate(order.lines, 1)])
    return replace(order, problems=tuple(problems), lines=lines)


def _is_odd(line: OrderLine) -> bool:
    return len(line.sku) > 255 or bool(line.options) and _has_odd_options(line)


def _has_odd_options(line: OrderLine) -> bool:
    return len(line.options) > MOST_OPTIONS or any(len(text) > LONGEST_OPTION for pair in line.options for text in pair)


def _cut(place: int, line: OrderLine, problems: list[str]) -> OrderLine:
    if len(line.sku) > 255:
        problems.append(f"The SKU of line {place} has {len(line.sku)} characters, more than the 255 that are kept.")
    if not line.options or not _has_odd_options(line):
        return line
    problems.append(
        f"Line {place} has {len(line.options)} options or very long ones; {MOST_OPTIONS} of {LONGEST_OPTION} characters each are kept."
    )
    kept = [(name[:LONGEST_OPTION], value[:LONGEST_OPTION]) for name, value in line.options[:MOST_OPTIONS]]
    return replace(line, options=tuple(kept))
