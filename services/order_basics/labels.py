"""What to call orders that stand together, on paper or on a sheet: two of them may have one number, in two shops or in one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple


class Named(NamedTuple):
    """``number`` is what people call the order, ``external_id`` the shop's own id, which a shop may have used again."""

    order_id: int
    number: str
    shop: str
    external_id: str
    placed_at: datetime | None


def labels(orders: Iterable[Named]) -> Mapping[int, str]:
    """A label for each order by its id: its number, and in brackets what else distinguishes it from the others."""
    same: defaultdict[str, list[Named]] = defaultdict(list)
    for order in orders:
        same[order.number].append(order)
    found: dict[int, str] = {}
    for number, group in same.items():
        for order in group:
            more = _distinction(order, [other for other in group if other.order_id != order.order_id])
            found[order.order_id] = f"{number} ({', '.join(more)})" if more else number
    return found


def _distinction(order: Named, others: Iterable[Named]) -> list[str]:
    parts: list[str] = []
    left = list(others)
    for name, of in PARTS:
        differ = [other for other in left if of(other) != of(order)]
        if differ:
            parts.append(f"{name}{of(order)}")
        left = [other for other in left if of(other) == of(order)]
    return parts


def _placed(order: Named) -> str:
    return "unknown" if order.placed_at is None else f"{order.placed_at:%Y-%m-%d %H:%M} UTC"


PARTS: tuple[tuple[str, Callable[[Named], str]], ...] = (
    ("", lambda order: order.shop), ("ID ", lambda order: order.external_id), ("placed ", _placed),
)  # fmt: skip
"""By what orders of one number are distinguished, one after the other, as far as it takes."""
