"""Which stored line of an order is which line of what the shop shows now.

The shop's own item id decides where both have one (X-Cart 5.5, and the default schema of 5.4, observed). Otherwise the shop's raw
values decide, best match first: SKU, options and price; SKU and options; SKU and price; SKU. Our own prices are no help: taxes
and discounts are spread over them. Where shipped units could belong to two lines, that is a doubt, and a person decides.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from channels.base import OrderLine as ShopLine
from models import OrderLine

CODE = "lines"
"""The cause that holds an order whose shipped units could belong to two lines."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line as the shop states it. ``goods`` is its SKU, or what replaces one; ``options`` is a digest."""

    item_id: str
    goods: tuple[str, ...]
    price: Decimal | None
    options: bytes
    quantity: int
    shipped: int = 0


@dataclass(frozen=True, slots=True)
class Matching:
    """``known`` has the place of the stored line for each line shown, None for a new one. ``doubtful`` are SKUs or names whose
    shipped units could belong to two lines."""

    known: tuple[int | None, ...]
    doubtful: tuple[str, ...]


LEVELS: tuple[Callable[[Line], tuple[Any, ...]], ...] = (
    lambda line: (line.goods, line.options, line.price, line.quantity),
    lambda line: (line.goods, line.options, line.price),
    lambda line: (line.goods, line.options),
    lambda line: (line.goods, line.price),
    lambda line: (line.goods,),
)


def options_digest(key: bytes, options: Sequence[Sequence[str]]) -> bytes:
    """A digest of chosen options under the shop's key: an engraving may be a name, and is erased with its customer."""
    if not options:
        return b""
    return hmac.digest(key, msgspec.json.encode(sorted([list(pair) for pair in options])), "sha256")[:16]


def stored_line(line: OrderLine, key: bytes) -> Line:
    """A row's line. Rows of before these columns have our price and our copy of the options at best."""
    price = line.shop_price if line.shop_price is not None else line.price
    options = line.options_digest if line.options_digest is not None else options_digest(key, line.options)
    goods = _goods(line.sku, line.product_id, line.variant_id, line.name)
    return Line(line.item_id, goods, price, options, line.quantity, line.shipped)


def shown_line(line: ShopLine, key: bytes) -> Line:
    goods = _goods(line.sku[:255], line.product_id[:64], line.variant_id[:64], line.name)
    return Line(line.item_id[:64], goods, line.price, options_digest(key, line.options), line.quantity)


def match(stored: Sequence[Line], shown: Sequence[Line]) -> Matching:
    """Raises nothing. Each stored line is used once at most."""
    known: list[int | None] = [None] * len(shown)
    left = dict(enumerate(stored))
    doubtful: dict[str, None] = {}
    for place, line in enumerate(shown):
        same = next(
            (n for n, old in left.items() if line.item_id and (old.item_id, old.goods) == (line.item_id, line.goods)), None
        )
        if same is not None:
            known[place] = same
            del left[same]
    by_id = all(line.item_id for line in shown)
    comparable = {n: old for n, old in left.items() if not (by_id and old.item_id)}
    for level, key in enumerate(LEVELS):
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for number, old in comparable.items():
            groups[key(old)].append(number)
        fresh: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for place, line in enumerate(shown):
            if known[place] is None:
                fresh[key(line)].append(place)
        for value, places in fresh.items():
            numbers = groups.get(value, [])
            if _in_doubt([stored[number] for number in numbers], len(places), level):
                doubtful[value[0][-1]] = None
            if len(numbers) > len(places):
                numbers = sorted(numbers, key=lambda number: -stored[number].shipped)
            for number, place in zip(numbers, places, strict=False):
                known[place] = number
                del left[number], comparable[number]
    for goods in _spread(stored, shown, known, left):
        doubtful[goods] = None
    return Matching(tuple(known), tuple(doubtful))


def _in_doubt(olds: Sequence[Line], places: int, level: int) -> bool:
    """Whether it matters, and is not known, which of several equal candidates a line is."""
    if not any(old.shipped for old in olds) or (len(olds), places) == (1, 1):
        return False
    if level == 0:
        return len(olds) > places and len({old.shipped for old in olds}) > 1
    return not (len(olds) == places and len({(old.shipped, old.quantity) for old in olds}) == 1)


def _spread(stored: Sequence[Line], shown: Sequence[Line], known: Sequence[int | None], left: dict[int, Line]) -> list[str]:
    """Goods whose shipped units exceed the line they belong to, or whose line is gone, where another line of the same goods is new or
    has grown: a line that was split, merged, or removed and added again."""
    found = []
    for place, line in enumerate(shown):
        number = known[place]
        old = stored[number] if number is not None else None
        if line.quantity <= (old.quantity if old is not None else 0):
            continue
        beyond = [
            stored[other] for at, other in enumerate(known)
            if other is not None and at != place and stored[other].shipped > shown[at].quantity
        ]  # fmt: skip
        gone = [each for each in left.values() if each.shipped and each.options == line.options]
        if any(each.goods == line.goods for each in (*beyond, *gone)):
            found.append(line.goods[-1])
    return found


def doubt(names: Sequence[str]) -> list[str]:
    """(code, sentence) for models.order.Order.doubts."""
    return [
        CODE,
        f"{', '.join(names)}: the shop changed the lines, and the units already shipped could belong to more than one line.",
    ]


def _goods(sku: str, product_id: str, variant_id: str, name: str) -> tuple[str, ...]:
    return (sku,) if sku else (product_id, variant_id, name or "A line without SKU")
