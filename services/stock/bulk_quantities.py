"""What is on hand of many stock items at once, set in one transaction by few statements."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import bindparam, false, insert, select, update

from extensions import db
from models import StockEntry, StockItem
from models.types import utcnow
from services.common.batches import batches
from services.stock import allocations, ledger
from services.stock import items as stock_items
from services.stock.ledger import Reason


def set_all(wanted: Mapping[int, int], reason: Reason) -> int:
    """Set on hand of stock items, by id; returns how many changed. Fed items stay as they are, unless the cause is ``feed``. Most are plain
    numbers and go in bulk; where orders reserve more than there is now, or lack something that has come, it is done one by one. Call it inside
    ``writing()``."""
    ids = sorted(wanted)
    plain: list[tuple[int, int]] = []
    single: list[int] = []
    for chunk in batches(ids):
        query = select(StockItem.id, StockItem.on_hand, StockItem.reserved).where(StockItem.id.in_(chunk)).order_by(StockItem.id)
        if reason.cause != stock_items.FEED:
            query = query.where(StockItem.fed == false())
        rows = db.session.execute(query.with_for_update()).all()
        # Looked for behind the lock: an order that another transaction has just stored may lack what comes now.
        lacking = set(allocations.lacking_items([row.id for row in rows]))
        for item_id, on_hand, reserved in rows:
            quantity = wanted[item_id]
            if quantity == on_hand:
                continue
            if quantity < reserved or item_id in lacking:
                single.append(item_id)
            else:
                plain.append((item_id, quantity - on_hand))
    _set_plain(plain, reason)
    items = ledger.load_items(single)
    stock_items.put_on_hand([(items[item_id], wanted[item_id]) for item_id in single], reason)
    return len(plain) + len(single)


def _set_plain(changes: list[tuple[int, int]], reason: Reason) -> None:
    if not changes:
        return
    now = utcnow()
    table = StockItem.__table__
    db.session.connection().execute(
        update(table).where(table.c.id == bindparam("item")).values(on_hand=table.c.on_hand + bindparam("by"), updated_at=now),
        [{"item": item_id, "by": by} for item_id, by in changes],
    )
    entry = {
        "at": now,
        "actor": reason.actor,
        "cause": reason.cause,
        "reserved_change": 0,
        "note": reason.note,
        "feed_run_id": reason.feed_run_id,
    }
    db.session.execute(
        insert(StockEntry.__table__), [{"stock_item_id": item_id, "on_hand_change": by, **entry} for item_id, by in changes]
    )
    ledger.request_push(item_id for item_id, _ in changes)
