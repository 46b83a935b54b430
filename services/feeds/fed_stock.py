"""The on hand of fed stock items: what fresh offers say, less what was shipped since they were seen. Only this module sets it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, select, true

from errors import InvalidInput, NotFound
from extensions import db, writing
from models import Feed, Offer, StockEntry, StockItem
from models.types import utcnow
from services.common.batches import batches
from services.common.deadlocks import retry_on_deadlock
from services.security import audit
from services.security.audit import About, record_change, record_changes
from services.stock import bulk_quantities, ledger
from services.stock import items as stock_items
from services.stock.file_rows import MOST
from services.stock.ledger import Reason

MADE_FED = audit.kind("stock_item.made_fed", "Fed by suppliers from now on")
MADE_OWN = audit.kind("stock_item.made_own", "Own stock from now on")
RULES = ("sum", "first")
SHIPPED = ("shipped", "undone", "voided")
"""The causes in the ledger of what went to customers, and of what was taken back of that."""
SEEN = case((and_(Offer.missed == 0, Feed.delta != true()), func.coalesce(Feed.read_at, Offer.seen_at)), else_=Offer.seen_at)
"""When a file named the offer last."""


@dataclass(frozen=True, slots=True)
class Counted:
    """An offer that may count. ``held`` offers are stale, and do not count until their feed brings something new. ``excludes`` is the feed's
    excludes_open_orders."""

    feed_id: int
    priority: int
    pieces: int
    seen_at: datetime
    held: bool
    excludes: bool


@dataclass(frozen=True, slots=True)
class _Item:
    id: int
    reserved: int
    rule: str


@retry_on_deadlock
def make_fed(item_ids: Sequence[int], actor: str, rule: str = "") -> int:
    """Have the on hand of stock items follow from their offers from now on, by ``rule`` or by the one they have; returns how many are new. Raises
    NotFound, or InvalidInput for one that no feed offers."""
    if rule and rule not in RULES:
        raise InvalidInput(f"Choose one of {', '.join(RULES)}.", field="rule")
    with writing():
        items = ledger.load_items(item_ids)
        if len(items) < len(set(item_ids)):
            raise NotFound("There is no such stock item.")
        offered = _offered(items)
        for item in items.values():
            if item.id not in offered:
                raise InvalidInput(f"No feed offers {item.sku}.", "Link one of a feed's codes to it first.")
        made = switch_to_fed(items.values(), actor, rule)
        recompute(items, Reason(actor, stock_items.FEED, note="fed from now on"))
        return made


@retry_on_deadlock
def make_own(item_ids: Sequence[int], actor: str) -> int:
    """Stock items whose on hand is ours to set again; it stays as it is. Returns how many were fed. Raises NotFound."""
    with writing():
        items = ledger.load_items(item_ids)
        if len(items) < len(set(item_ids)):
            raise NotFound("There is no such stock item.")
        return switch_to_own(items.values(), actor)


def switch_to_fed(items: Iterable[StockItem], actor: str, rule: str = "") -> int:
    """Mark locked stock items as fed; returns how many were not. ``recompute`` them afterwards."""
    items = list(items)
    fresh = [item for item in items if not item.fed]
    for item in items:
        if rule and (not item.fed or item.fed_rule != rule):
            record_change(MADE_FED, About(item.id, item.sku), {"fed": (item.fed, True), "rule": (item.fed_rule, rule)}, actor)
    if not rule:
        record_changes(MADE_FED, [About(item.id, item.sku) for item in fresh], {"fed": (False, True)}, actor)
    for item in items:
        if rule or not item.fed:
            item.fed, item.fed_rule, item.updated_at = True, rule or item.fed_rule, utcnow()
    db.session.flush()
    return len(fresh)


def switch_to_own(items: Iterable[StockItem], actor: str) -> int:
    """Mark locked stock items as own; returns how many were not."""
    fed = [item for item in items if item.fed]
    record_changes(MADE_OWN, [About(item.id, item.sku) for item in fed], {"fed": (True, False)}, actor)
    for item in fed:
        item.fed, item.updated_at = False, utcnow()
    db.session.flush()
    return len(fed)


def recompute(item_ids: Iterable[int], reason: Reason) -> int:
    """Set the on hand of those of the stock items that are fed; returns how many changed. Items without offers stay as they are. Call it inside
    ``writing()``, after the offers have been flushed."""
    ids = sorted(set(item_ids))
    wanted: dict[int, int] = {}
    for chunk in batches(ids):
        # Locked before they are read, so that no shipment comes between what is computed and what is set.
        ledger.lock_items(chunk)
        wanted.update(expected(chunk))
    return bulk_quantities.set_all(wanted, reason)


def expected(item_ids: Sequence[int]) -> dict[int, int]:
    """What should be on hand of those of one batch of stock items that are fed and offered, by id."""
    rows = db.session.execute(
        select(StockItem.id, StockItem.reserved, StockItem.fed_rule).where(StockItem.id.in_(item_ids), StockItem.fed == true())
    )
    items = [_Item(*row) for row in rows]
    offers = offers_of([item.id for item in items])
    chosen = {item.id: _chosen(item.rule, offers[item.id]) for item in items if offers[item.id]}
    since = {item_id: _since(found) for item_id, found in chosen.items() if found}
    moved = _moved(since)
    found: dict[int, int] = {}
    for item in items:
        if item.id in chosen:
            shipped, reserved = moved.get(item.id, (0, 0))
            kept = chosen[item.id]
            pieces = sum(each.pieces for each in kept)
            if kept and all(each.excludes for each in kept):
                pieces += max(0, item.reserved - reserved)
            found[item.id] = min(MOST, max(0, pieces - shipped))
    return found


def offers_of(item_ids: Sequence[int]) -> dict[int, list[Counted]]:
    """The offers of stock items by their ids, the one with the lowest priority first."""
    held = and_(Feed.stale_since.is_not(None), Feed.when_stale != "keep")
    query = (
        select(
            Offer.stock_item_id, Offer.feed_id, Feed.priority, Offer.quantity * Offer.units, SEEN, held, Feed.excludes_open_orders
        )
        .join(Feed, Feed.id == Offer.feed_id)
        .where(Offer.stock_item_id.in_(item_ids), Feed.removed_at.is_(None))
        .order_by(Feed.priority, Feed.id, Offer.id)
    )
    found: dict[int, list[Counted]] = defaultdict(list)
    for item_id, feed_id, priority, pieces, seen_at, is_held, excludes in db.session.execute(query):
        found[item_id].append(Counted(feed_id, priority, int(pieces), seen_at, bool(is_held), excludes))
    return found


def _chosen(rule: str, offers: Sequence[Counted]) -> list[Counted]:
    """The offers that count: all fresh ones, or the first of them, if possible one above 0."""
    fresh = [each for each in offers if not each.held]
    if rule == "sum" or not fresh:
        return fresh
    first = next((each for each in fresh if each.pieces > 0), fresh[0])
    # Codes of one feed are one supplier's stock.
    return [each for each in fresh if each.feed_id == first.feed_id]


def _since(chosen: Sequence[Counted]) -> datetime:
    """From when on shipments are subtracted: nobody knows which of several suppliers has sent the goods, so the oldest offer decides."""
    return min((each.seen_at for each in chosen if each.pieces > 0), default=min(each.seen_at for each in chosen))


def _moved(since: dict[int, datetime]) -> dict[int, tuple[int, int]]:
    """By stock item: the units shipped after a time, and the change of what is reserved. What was shipped before and taken back after it is no
    gain: the offer has never seen it as gone."""
    if not since:
        return {}
    entry = StockEntry
    query = select(entry.stock_item_id, entry.at, entry.cause, entry.order_id, entry.on_hand_change, entry.reserved_change).where(
        entry.stock_item_id.in_(list(since)), entry.at > min(since.values())
    )
    shipped: dict[tuple[int, int | None], int] = defaultdict(int)
    reserved: dict[int, int] = defaultdict(int)
    for item_id, at, cause, order_id, on_hand_change, reserved_change in db.session.execute(query):
        if at > since[item_id]:
            reserved[item_id] += reserved_change
            if cause in SHIPPED:
                shipped[item_id, order_id] -= on_hand_change
    gone: dict[int, int] = defaultdict(int)
    for (item_id, _), units in shipped.items():
        gone[item_id] += max(0, units)
    return {item_id: (gone[item_id], reserved[item_id]) for item_id in {*gone, *reserved}}


def _offered(item_ids: Iterable[int]) -> set[int]:
    """Those of the stock items that a feed offers."""
    found: set[Any] = set()
    ids = sorted(item_ids)
    for batch in batches(ids):
        query = select(Offer.stock_item_id).join(Feed, Feed.id == Offer.feed_id)
        found.update(db.session.scalars(query.where(Offer.stock_item_id.in_(batch), Feed.removed_at.is_(None))))
    return found
