"""Tracking numbers that were given to several orders: a slip in most cases, but one parcel may hold two orders, so it is only a warning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Same:
    """A tracking number and the places where it stands, in words (``order 1001``, ``line 3``), in their order."""

    tracking: str
    places: list[str]

    def sentence(self) -> str:
        *others, last = self.places
        return f"{self.tracking} is entered for {', '.join(others)} and {last}."


def same_numbers(rows: Iterable[tuple[str, int, str]]) -> list[Same]:
    """Find the numbers of several orders. ``rows`` are (tracking number, order id, place); letter case and blanks do not count."""
    found: dict[str, list[tuple[str, int, str]]] = {}
    for tracking, order_id, place in rows:
        if key := "".join(tracking.split()).casefold():
            found.setdefault(key, []).append((tracking.strip(), order_id, place))
    return [
        Same(group[0][0], [place for _, _, place in group])
        for group in found.values()
        if len({order_id for _, order_id, _ in group}) > 1
    ]
