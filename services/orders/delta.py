"""The difference between a stored order and what was read of it, as a value. Pure: no session, no settings, no clock.

``diff`` compares; services/orders/changes.py makes the two snapshots and applies the difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from models.sku_key import sku_key
from services.order_basics import line_matching
from services.order_basics.line_matching import Line, Matching
from services.stock.line_sources import Recipe, Source

NOTED = (
    "number", "currency", "total", "payment_status", "shipping_status", "customer", "email", "billing_address", "shipping_address",
    "payment_method", "shipping_method", "customer_notes", "admin_notes", "tracking_numbers",
)  # fmt: skip
"""The fields whose change is noted in the timeline: what a person would want to know, not how we read it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What an order says. ``values`` are its columns, ``stage`` is open, shipped or cancelled, and ``put_back`` is whether the shop
    has put its units back on its own shelf, None where that is not known."""

    values: Mapping[str, Any]
    stage: str
    put_back: bool | None


@dataclass(frozen=True, slots=True)
class StoredLine:
    """A stored line: its columns, what identifies it, and what each of its pieces takes from stock."""

    values: Mapping[str, Any]
    position: int
    identity: Line
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class StoredOrder(Snapshot):
    """``readable`` is False where the order could not be read until now, ``gone`` is whether it is marked as deleted in the shop.
    ``shipped_away`` are SKU keys or names of shipped lines that an earlier edit took out of the order."""

    lines: tuple[StoredLine, ...] = ()
    readable: bool = True
    gone: bool = False
    shipped_away: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line as it was read, and where it would take its stock from if it were new."""

    values: Mapping[str, Any]
    identity: Line
    source: Source


@dataclass(frozen=True, slots=True)
class ReadOrder(Snapshot):
    """``same_copy`` is True where the stored copy was read again, under other settings: the shop has changed nothing. ``left_shelf``
    is True where it was shipped before it could be read, and its units are not taken off on hand yet."""

    lines: tuple[ReadLine, ...] = ()
    same_copy: bool = False
    left_shelf: bool = False


@dataclass(frozen=True, slots=True)
class LineDelta:
    """What changes in one line. ``stored`` is the place of the stored line, None for a new one, which takes its stock from ``source``.
    ``keep`` is how many pieces may stay reserved where its quantity changes."""

    stored: int | None
    position: int
    values: Mapping[str, Any]
    source: Source = field(default_factory=Source)
    keep: int | None = None


@dataclass(frozen=True, slots=True)
class OrderDelta:
    """What changes in an order. ``removed`` are the places of stored lines that are no longer in it. ``cancel_unseen`` is None where it
    stays as it is. ``doubtful`` are SKUs or names whose shipped units could belong to two lines.

    ``sold`` is how many more pieces the shop takes off its own quantities (negative where it puts them back), by what a piece takes;
    ``uncertain`` are the recipes of which that is not known. ``noted`` goes into the timeline: field -> before and after."""

    values: Mapping[str, Any]
    lines: tuple[LineDelta, ...]
    removed: tuple[int, ...]
    stage_before: str
    stage: str
    cancel_unseen: bool | None
    doubtful: tuple[str, ...]
    sold: Mapping[Recipe, int]
    uncertain: frozenset[Recipe]
    came_back: bool
    noted: Mapping[str, list[Any]]


def diff(stored: StoredOrder, read: ReadOrder) -> OrderDelta:
    """What has to change in the stored order to say what was read. Changes neither of the two and raises nothing."""
    matching = _match(stored, read)
    # An order that becomes readable is treated as if it were new: what was over by then touches no stock, unless its units left
    # the shelf unseen.
    stage_before = stored.stage if stored.readable else "open" if read.left_shelf else read.stage
    sold, uncertain = _sold(stored, read, matching)
    if not stored.readable and read.stage != "open" and not read.left_shelf:
        sold, uncertain = {}, _passed_unseen(read)
    back = () if read.same_copy else _shipped_away(stored, read, matching)
    doubtful = tuple(dict.fromkeys((*matching.doubtful, *back)))
    return OrderDelta(
        values=_changed(stored.values, read.values),
        lines=tuple(_line_deltas(stored, read, matching)),
        removed=tuple(place for place in range(len(stored.lines)) if place not in matching.known),
        stage_before=stage_before,
        stage=read.stage,
        cancel_unseen=_cancel_unseen(stored.readable, stage_before, read.stage),
        doubtful=doubtful if read.stage == "open" else (),
        sold=sold,
        uncertain=uncertain,
        came_back=stored.gone and not read.same_copy,
        noted=_noted(stored, read),
    )


def _match(stored: StoredOrder, read: ReadOrder) -> Matching:
    before, shown = [line.values["sku"] for line in stored.lines], [line.values["sku"] for line in read.lines]
    if read.same_copy and before == shown:
        # The rows were made of this copy: they are the same lines in the same order.
        return Matching(tuple(range(len(before))), ())
    return line_matching.match([line.identity for line in stored.lines], [line.identity for line in read.lines])


def _line_deltas(stored: StoredOrder, read: ReadOrder, matching: Matching) -> Sequence[LineDelta]:
    found = []
    for position, (line, place) in enumerate(zip(read.lines, matching.known, strict=True)):
        if place is None:
            found.append(LineDelta(None, position, line.values, line.source))
            continue
        old = stored.lines[place]
        values = _changed(old.values, line.values)
        if values or position != old.position:
            keep = max(0, line.values["quantity"] - old.identity.shipped) if "quantity" in values else None
            found.append(LineDelta(place, position, values, keep=keep))
    return found


def _shipped_away(stored: StoredOrder, read: ReadOrder, matching: Matching) -> list[str]:
    """SKUs or names of new lines that an earlier edit may have taken out of the order after they were shipped."""
    fresh = [line.values for line, place in zip(read.lines, matching.known, strict=True) if place is None]
    return [each["sku"] or each["name"] for each in fresh if (sku_key(each["sku"]) or each["name"]) in stored.shipped_away]


def _sold(stored: StoredOrder, read: ReadOrder, matching: Matching) -> tuple[dict[Recipe, int], frozenset[Recipe]]:
    """What the shop takes off its quantities for this order now and did not before, and the recipes of which that is not known.

    The shop's quantities can change where ours do not: the units of an order that was shipped here and is refunded there go
    back on the shop's shelf only."""
    before: Counter[Recipe] = Counter()
    for line in stored.lines:
        before[line.recipe] += line.values["quantity"]
    after: Counter[Recipe] = Counter()
    for shown, place in zip(read.lines, matching.known, strict=True):
        after[shown.source.recipe if place is None else stored.lines[place].recipe] += shown.values["quantity"]
    before.pop((), None)
    after.pop((), None)
    if stored.put_back is None or read.put_back is None:
        same = all(stored.values[name] == read.values[name] for name in ("payment_status", "shipping_status"))
        return {}, frozenset() if same and before == after else frozenset({*before, *after})
    if stored.put_back:
        before.clear()
    if read.put_back:
        after.clear()
    moved = {recipe: after[recipe] - before[recipe] for recipe in {*before, *after}}
    return {recipe: pieces for recipe, pieces in moved.items() if pieces}, frozenset()


def _passed_unseen(read: ReadOrder) -> frozenset[Recipe]:
    """What an order takes that was sold, and may have been put back, before it could be read. A shop sells below 0 and still shows 0,
    so this may have raised its quantity."""
    return frozenset() if read.put_back is False else frozenset(line.source.recipe for line in read.lines if line.source.recipe)


def _cancel_unseen(readable: bool, stage_before: str, stage: str) -> bool | None:
    if stage != "cancelled":
        return False
    return True if readable and stage_before == "open" else None


def _noted(stored: StoredOrder, read: ReadOrder) -> dict[str, list[Any]]:
    noted = {
        name: [_plain(stored.values[name]), _plain(read.values[name])]
        for name in NOTED
        if stored.values[name] != read.values[name]
    }
    before = [[line.values["sku"], line.values["quantity"]] for line in stored.lines]
    after = [[line.values["sku"], line.values["quantity"]] for line in read.lines]
    if before != after:
        noted["lines"] = [before, after]
    if stored.gone and not read.same_copy:
        noted["deleted in the shop"] = [True, False]
    if not stored.readable:
        noted["readable"] = [False, True]
    return noted


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if before[name] != value}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal | datetime) else value
