"""Set what is on hand from the rows of a checked file, all in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, exists, insert, select, update

from extensions import db, reading, writing
from models import StockEntry, StockFile, StockFilePart, StockFileRow, StockItem
from models.types import utcnow
from services.common.claims import Claim
from services.common.deadlocks import retry_on_deadlock
from services.stock import allocations, file_results, ledger, skus
from services.stock import items as stock_items
from services.stock.waiting_lines import allocate_waiting, keys_waited_for


@retry_on_deadlock
def apply(claim: Claim) -> None:
    """All rows in one transaction. An import sets what is on hand now, even if stock has moved since the preview."""
    file_id = claim.row_id
    with reading() as session:
        file = session.get_one(StockFile, file_id, populate_existing=True)
        actor, add_unknown = file.actor, file.add_unknown
    with writing() as session:
        claim.hold()
        file_results.note_before(file_id)
        if add_unknown:
            _add_unknown(file_id, actor)
        given = select(StockFileRow.stock_item_id, StockFileRow.quantity).where(
            StockFileRow.file_id == file_id, StockFileRow.stock_item_id.is_not(None)
        )
        wanted = {item_id: quantity for item_id, quantity in session.execute(given) if item_id is not None}
        changed = _set_all(wanted, actor)
        claim.end(
            state="applied", changed=changed, unchanged=len(wanted) - changed, done=len(wanted), finished_at=utcnow(),
        )  # fmt: skip
        session.execute(delete(StockFilePart).where(StockFilePart.file_id == file_id))


def _add_unknown(file_id: int, actor: str) -> None:
    row, now = StockFileRow, utcnow()
    known = exists().where(skus.same_sku(StockItem, row))
    unknown = select(row.sku, row.sku_key).where(row.file_id == file_id, row.stock_item_id.is_(None), ~known)
    fresh = db.session.execute(unknown).all()
    if fresh:
        db.session.execute(
            insert(StockItem.__table__),
            [
                {"sku": sku, "sku_key": key, "name": "", "on_hand": 0, "reserved": 0, "buffer": 0, "updated_at": now}
                for sku, key in fresh
            ],
        )
        ledger.request_linking([sku for sku, _ in fresh])
    found = select(StockItem.id).where(skus.same_sku(StockItem, row)).limit(1).scalar_subquery()
    db.session.execute(
        update(row).where(row.file_id == file_id, row.stock_item_id.is_(None)).values(stock_item_id=found)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    for chunk in _slices(sorted(keys_waited_for(key for _, key in fresh))):
        items = ledger.load_items(db.session.scalars(select(StockItem.id).where(StockItem.sku_key.in_(chunk))))
        allocate_waiting(items.values(), actor=actor)


def _set_all(wanted: dict[int, int], actor: str) -> int:
    """Set on hand of many stock items; returns how many changed. Most are plain numbers and go in bulk; where orders
    reserve more than there is now, or lack something that has come, it is done one by one."""
    ids = sorted(wanted)
    lacking = set(allocations.lacking_items(ids))
    plain: list[tuple[int, int]] = []
    single: list[int] = []
    for chunk in _slices(ids):
        query = select(StockItem.id, StockItem.on_hand, StockItem.reserved).where(StockItem.id.in_(chunk)).order_by(StockItem.id)
        for item_id, on_hand, reserved in db.session.execute(query.with_for_update()):
            quantity = wanted[item_id]
            if quantity == on_hand:
                continue
            if quantity < reserved or item_id in lacking:
                single.append(item_id)
            else:
                plain.append((item_id, quantity - on_hand))
    now = utcnow()
    if plain:
        db.session.connection().execute(
            update(StockItem.__table__)
            .where(StockItem.__table__.c.id == bindparam("item"))
            .values(on_hand=StockItem.__table__.c.on_hand + bindparam("by"), updated_at=now),
            [{"item": item_id, "by": by} for item_id, by in plain],
        )
        db.session.execute(
            insert(StockEntry.__table__),
            [
                {
                    "stock_item_id": item_id,
                    "at": now,
                    "actor": actor,
                    "cause": "import",
                    "on_hand_change": by,
                    "reserved_change": 0,
                    "note": "",
                }
                for item_id, by in plain
            ],
        )
        ledger.request_push(item_id for item_id, _ in plain)
    items = ledger.load_items(single)
    stock_items.put_on_hand([(items[item_id], wanted[item_id]) for item_id in single], actor, "import")
    return len(plain) + len(single)


def _slices(values: Sequence[Any], size: int = 500) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
