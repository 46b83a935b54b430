"""What the undo of a stock update takes back here: edits, imports and feed rows since the update before, never sales or shipments, nothing twice,
and nothing of an item that was set again since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select

from errors import Conflict
from extensions import db
from models import Integration, Link, RunItem, StockEntry, StockItem, SyncRun
from models.types import utcnow
from services.common.batches import batches
from services.stock import adjustments, ledger
from services.stock import items as stock_items

NOTE = "undo of stock update "
"""How the note of an entry that takes edits back begins; the run's id follows."""
COUNTED = tuple(cause for cause in ledger.EDITS if cause != adjustments.ADJUSTED)
"""The causes of edits that say how much there is, and not by how much it changes."""
FED = "It is fed by suppliers: undo the fetch of its feed instead."
SET_AGAIN = "Its stock was set again after this update. That number stays."


@dataclass(frozen=True, slots=True)
class Item:
    """A stock item that would change here, from ``now`` to ``after`` on hand."""

    id: int
    sku: str
    now: int
    after: int


@dataclass(frozen=True, slots=True)
class Left:
    """A stock item that was edited before the update and stays as it is, and why."""

    id: int
    sku: str
    why: str


@dataclass(frozen=True, slots=True)
class Effect:
    items: list[Item] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Point:
    """A point in the stock ledger: behind the line with the id ``entry_id``, or where that is not known behind all lines up to a time."""

    at: datetime
    entry_id: int | None = None

    def is_before(self, entry: Any) -> ColumnElement[bool]:
        """Whether a line of the ledger, loaded or as columns, comes after it."""
        later: ColumnElement[bool] = entry.at > self.at if self.entry_id is None else entry.id > self.entry_id
        return later


def _first(points: Iterable[_Point]) -> _Point:
    return min(points, key=lambda point: (point.entry_id or 0, point.at))


@dataclass(frozen=True, slots=True)
class _Period:
    """The edits that one update has sent. Those of an item were made after the update before had worked its quantity out (``before``), or else after
    ``since``, and not after this one had (``sent``), or else ``until``."""

    since: _Point
    until: _Point
    before: Mapping[int, _Point]
    sent: Mapping[int, _Point]

    @property
    def begin(self) -> _Point:
        """No edit of any item was made earlier."""
        return _first([self.since, *self.before.values()])

    def covers(self, edit: Any) -> bool:
        return bool(self.before.get(edit.stock_item_id, self.since).is_before(edit)) and not self.ended_before(edit)

    def ended_before(self, edit: Any) -> bool:
        return bool(self.sent.get(edit.stock_item_id, self.until).is_before(edit))


def effect(run: SyncRun) -> Effect:
    """What the undo of a run would do here, by SKU. Call it inside ``reading()`` or ``writing()``."""
    found = Effect()
    for some in _effects(run):
        found.items.extend(some.items)
        found.left.extend(some.left)
    return Effect(sorted(found.items, key=lambda each: each.sku), sorted(found.left, key=lambda each: each.sku))


def changes_anything(run: SyncRun) -> bool:
    """Whether the undo of a run would change a stock item here. Call it inside ``reading()`` or ``writing()``."""
    return any(some.items for some in _effects(run))


def _effects(run: SyncRun) -> Iterator[Effect]:
    """What the undo of a run would do here, some items at a time."""
    period = _period(run)
    periods = {run.id: period}
    ids = sorted(_edited(run.id, period.begin))
    for batch in batches(ids):
        found = Effect()
        changes, counted = _edits(batch, period, periods)
        for item in stock_items.by_ids(changes):
            if item.fed or item.id in counted:
                found.left.append(Left(item.id, item.sku, FED if item.fed else SET_AGAIN))
            else:
                found.items.append(Item(item.id, item.sku, item.on_hand, max(0, item.on_hand - changes[item.id])))
        yield found


def restore(run: SyncRun, actor: str) -> bool:
    """Post the entries that take the edits back; returns whether there were any. Call it inside ``writing()``."""
    locked = ledger.load_items(db.session.scalars(_items_of(run.id)))
    wanted: list[tuple[StockItem, int]] = [(locked[each.id], each.after) for each in effect(run).items]
    stock_items.put_on_hand(wanted, ledger.Reason(actor, ledger.RESTORED, note=f"{NOTE}{run.id}"))
    return bool(wanted)


def refuse_again(run: SyncRun) -> None:
    """Raises Conflict where the numbers here were restored by an earlier undo of the run."""
    if was_restored(run):
        raise Conflict("The numbers here were restored already.", "Undo it in the shop only.")


def was_restored(run: SyncRun) -> bool:
    """Whether an earlier undo of the run has restored numbers here."""
    restored = StockEntry.cause == ledger.RESTORED, StockEntry.note == f"{NOTE}{run.id}"
    query = select(StockEntry.id).where(StockEntry.stock_item_id.in_(_items_of(run.id)), *restored)
    return db.session.scalar(query.limit(1)) is not None


def _edits(ids: Sequence[int], period: _Period, periods: dict[int, _Period]) -> tuple[dict[int, int], set[int]]:
    """By how much each stock item was edited in the period, without what an undo has taken back, and the items that were set again after it."""
    entry = StockEntry
    query = (
        select(entry.stock_item_id, entry.id, entry.at, entry.cause, entry.on_hand_change, entry.note)
        .where(entry.stock_item_id.in_(ids), entry.cause.in_((*ledger.EDITS, ledger.RESTORED)), period.begin.is_before(entry))
        .order_by(entry.id)
    )
    by_item: dict[int, list[Row[*tuple[Any, ...]]]] = defaultdict(list)
    for row in db.session.execute(query):
        by_item[row.stock_item_id].append(row)
    changes: dict[int, int] = {}
    counted = set()
    for item_id, rows in by_item.items():
        undone = _undone((row.note for row in rows if row.cause == ledger.RESTORED), periods)
        edits = [row for row in rows if row.cause != ledger.RESTORED and not any(each.covers(row) for each in undone)]
        change = sum(row.on_hand_change for row in edits if period.covers(row))
        if change:
            changes[item_id] = change
        if any(row.cause in COUNTED and period.ended_before(row) for row in edits):
            counted.add(item_id)
    return changes, counted


def _undone(notes: Iterable[str], periods: dict[int, _Period]) -> list[_Period]:
    """The periods of the updates whose undo wrote these notes. Two shops send the same edit, and each update can be undone."""
    found = []
    for note in notes:
        run_id = int(note.removeprefix(NOTE)) if note.removeprefix(NOTE).isdecimal() else 0
        if run_id not in periods and (run := db.session.get(SyncRun, run_id)) is not None:
            periods[run_id] = _period(run)
        if run_id in periods:
            found.append(periods[run_id])
    return found


def _period(run: SyncRun) -> _Period:
    """It begins with the last update before that sent something to the shop, or else when the shop was connected. Stock that is edited while an update
    runs is sent by the next one, unless this one works its quantity out later."""
    sent = select(RunItem.id).where(RunItem.run_id == SyncRun.id, RunItem.result == "sent")
    query = select(SyncRun).where(
        SyncRun.integration_id == run.integration_id, SyncRun.kind == "stock", SyncRun.id < run.id,
        SyncRun.finished_at.is_not(None), sent.exists(),
    )  # fmt: skip
    previous = db.session.scalar(query.order_by(SyncRun.id.desc()).limit(1))
    until = _Point(run.finished_at or utcnow())
    if previous is None:
        since = _Point(db.session.get_one(Integration, run.integration_id).created_at)
        return _Period(since, until, {}, _worked_out(run.id))
    before = _worked_out(previous.id)
    since = _first(before.values()) if before else _Point(previous.finished_at or previous.created_at)
    return _Period(since, until, before, _worked_out(run.id))


def _worked_out(run_id: int) -> dict[int, _Point]:
    """When a run worked out what it sent of each stock item. Empty for runs of versions that did not store it."""
    query = (
        select(Link.stock_item_id, func.max(RunItem.as_of), func.max(RunItem.last_entry_id))
        .join(RunItem, RunItem.listing_id == Link.listing_id)
        .where(RunItem.run_id == run_id, RunItem.result == "sent", RunItem.as_of.is_not(None))
        .group_by(Link.stock_item_id)
    )
    return {item_id: _Point(at, entry_id) for item_id, at, entry_id in db.session.execute(query) if at is not None}


def _edited(run_id: int, begin: _Point) -> set[int]:
    """The stock items behind what a stock update sent, of those that were edited after a point."""
    edited = StockEntry.cause.in_(ledger.EDITS), begin.is_before(StockEntry)
    query = select(StockEntry.stock_item_id).where(StockEntry.stock_item_id.in_(_items_of(run_id)), *edited)
    return set(db.session.scalars(query.distinct()))


def _items_of(run_id: int) -> Select[int]:
    """The ids of the stock items behind the listings that a stock update sent."""
    sent = RunItem.run_id == run_id, RunItem.result == "sent"
    return select(Link.stock_item_id).join(RunItem, RunItem.listing_id == Link.listing_id).where(*sent)
