"""A copy of what the API shows, kept up to date by events alone, as a program that polls would keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from sqlalchemy import select

from api.resources import listings, orders, stock_items
from extensions import db
from models import Listing, Order, StockItem
from services.events import log, sequencer

EXPANDED = ("changes", "shipments", "write_backs")
LOADED: dict[str, tuple[Any, Callable[[list[int]], dict[int, Any]]]] = {
    "order": (Order, lambda ids: orders.load_orders(ids, True, EXPANDED)),
    "stock_item": (StockItem, stock_items.load_items),
    "listing": (Listing, listings._load),
}
"""By type of object: the table, and what the API shows of rows."""
DERIVED = {
    "order": ("integration", "integration_id", "mark"),
    "stock_item": (),
    "listing": ("integration", "integration_id", "offers", "seen_at"),
}
"""What docs/api.md says follows from other objects, or moves with each reading."""


class Copy:
    """Starts empty at the beginning of the log, as everything does."""

    def __init__(self) -> None:
        self.position = 0
        self.rows: dict[tuple[str, int], Any] = {}

    def follow(self) -> None:
        """Read the log to its end, and each object that an event names."""
        while True:
            part = log.read_after(self.position, limit=250)
            named = {_place(event) for event in map(log.payload, part.events)}
            if any(kind == "integration" for kind, _ in named):
                # Listings are shown while their integration is there.
                named |= {place for place in self.rows if place[0] == "listing"}
                named |= {("listing", row_id) for row_id in db.session.scalars(select(Listing.id))}
            for kind, row_id in named:
                self.rows.pop((kind, row_id), None)
                self.rows.update(_shown(kind, [row_id]))
            self.position = part.last
            if not part.more:
                return

    def differences(self) -> Iterator[str]:
        """What the copy lacks once everything that was committed has been given out."""
        sequencer.give_positions()
        self.follow()
        there: dict[tuple[str, int], Any] = {}
        for kind, (table, _) in LOADED.items():
            there.update(_shown(kind, list(db.session.scalars(select(table.id)))))
        for place in sorted(there.keys() | self.rows.keys()):
            if there.get(place) != self.rows.get(place):
                yield f"the copy kept by events differs at {place}: {_first_difference(self.rows.get(place), there.get(place))}"


def _place(event: dict[str, Any]) -> tuple[str, int]:
    place = event["belongs_to"] if event["object"]["type"] in ("shipment", "write_back") else event["object"]
    return place["type"], int(place["id"])


def _shown(kind: str, ids: list[int]) -> dict[tuple[str, int], Any]:
    if kind not in LOADED:
        return {}
    found = msgspec.to_builtins(LOADED[kind][1](ids))
    return {
        (kind, row_id): {name: value for name, value in shown.items() if name not in DERIVED[kind]}
        for row_id, shown in found.items()
    }


def _first_difference(ours: Any, theirs: Any) -> str:
    if ours is None or theirs is None:
        return "it is missing there" if theirs is None else "it is missing in the copy"
    return "; ".join(f"{name}: {ours[name]!r}, but {theirs[name]!r}" for name in theirs if ours.get(name) != theirs[name])[:300]
