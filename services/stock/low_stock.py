"""Low stock: the threshold of each stock item, or the default, and the items whose available units have fallen to it.

``low_since`` of an item is set when it falls to its threshold and cleared when it rises above it. services/monitoring/low_stock.py calls
``mark`` and notifies people of the items that became low, so they are notified once, and again only after a rise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, literal, select

from errors import NotFound
from extensions import db, reading, writing
from models import Setting, StockItem
from models.types import utcnow
from services.common import installation
from services.security import audit
from services.security.audit import About, record_change
from services.stock import ledger
from services.stock.items import check_quantity
from services.stock.quantities import AVAILABLE

DEFAULT = "low_stock_default"
CHECKED_TO = "low_stock_checked_to"
LATE = timedelta(minutes=5)
"""Transactions that end later than others may have changed items before the newest change that was seen."""
THRESHOLD = audit.kind("stock_item.threshold", "Low-stock threshold changed")
DEFAULT_CHANGED = audit.kind("stock_item.default_threshold", "Default low-stock threshold changed")


@dataclass(frozen=True, slots=True)
class Marked:
    """The ids of items that became low, and how many rose above their threshold."""

    fallen: Sequence[int]
    risen: int


def default_threshold() -> int | None:
    """The threshold of items without their own; None for none."""
    value: int | None = installation.read_setting(DEFAULT)
    return value


def set_default(threshold: int | None, actor: str) -> None:
    """All items are compared again. Raises InvalidInput."""
    if threshold is not None:
        check_quantity(threshold)
    before = default_threshold()
    if before == threshold:
        return
    installation.change_setting(DEFAULT, threshold, actor)
    with writing() as session:
        record_change(DEFAULT_CHANGED, About(subject="Low stock"), {"threshold": (before, threshold)}, actor)
        if (mark := session.get(Setting, CHECKED_TO)) is not None:
            session.delete(mark)


def set_threshold(item_id: int, threshold: int | None, actor: str) -> None:
    """None takes the default. Raises NotFound or InvalidInput."""
    if threshold is not None:
        check_quantity(threshold)
    with writing():
        item = ledger.load_items([item_id]).get(item_id)
        if item is None:
            raise NotFound("There is no such stock item.")
        if item.low_at != threshold:
            record_change(THRESHOLD, About(item.id, item.sku), {"threshold": (item.low_at, threshold)}, actor)
            item.low_at, item.updated_at = threshold, utcnow()


def is_low(item_available: int, low_at: int | None, default: int | None) -> bool:
    """The same as a decision about one item."""
    threshold = default if low_at is None else low_at
    return threshold is not None and item_available <= threshold


def marked() -> ColumnElement[bool]:
    """Whether an item is low, as it was last marked: a few seconds behind, and fast."""
    return StockItem.low_since.is_not(None)


def count_low() -> int:
    return db.session.scalar(select(func.count()).select_from(StockItem).where(marked())) or 0


def newest_low(limit: int) -> list[StockItem]:
    """The items that became low last."""
    return list(
        db.session.scalars(select(StockItem).where(marked()).order_by(StockItem.low_since.desc(), StockItem.sku).limit(limit))
    )


def _low_now(default: int | None) -> ColumnElement[bool]:
    if default is None:
        return and_(StockItem.low_at.is_not(None), StockItem.low_at >= AVAILABLE)
    return func.coalesce(StockItem.low_at, literal(default)) >= AVAILABLE


def has_changed() -> bool:
    """Whether any item may have fallen or risen since the last mark: a quick look for each tick."""
    with reading():
        newest = db.session.scalar(select(func.max(StockItem.updated_at)))
        if newest is None:
            return False
        mark = installation.read_setting(CHECKED_TO)
        if mark is None or newest > datetime.fromisoformat(mark):
            return True
        risen = select(StockItem.id).where(marked(), ~_low_now(default_threshold()))
        return db.session.scalar(risen.limit(1)) is not None


def mark() -> Marked:
    """Mark the items that fell or rose since the last time. Call it inside ``writing()``."""
    session = db.session
    default, now = default_threshold(), utcnow()
    last = session.get(Setting, CHECKED_TO, with_for_update=True)
    newest = session.scalar(select(func.max(StockItem.updated_at))) or now
    changed = () if last is None else (StockItem.updated_at >= datetime.fromisoformat(last.value) - LATE,)
    fallen = select(StockItem.id).where(StockItem.low_since.is_(None), _low_now(default), *changed)
    risen = select(StockItem.id).where(marked(), ~_low_now(default))
    items = ledger.load_items([*session.scalars(fallen), *session.scalars(risen)])
    found: list[int] = []
    for item in items.values():
        low = is_low(item.available, item.low_at, default)
        if low and item.low_since is None:
            found.append(item.id)
        item.low_since = (item.low_since or now) if low else None
    if last is None:
        session.add(Setting(name=CHECKED_TO, value=newest.isoformat(), changed_by="schedule"))
    else:
        last.value = newest.isoformat()
    return Marked(found, sum(item.low_since is None for item in items.values()))
