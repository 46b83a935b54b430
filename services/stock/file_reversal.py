"""What is left to take back of an applied file of quantities: what it changed and nobody has set since. Units that were sold or shipped since stay
so."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, bindparam, exists, or_, select, update

from extensions import db
from models import StockEntry, StockFile, StockFileRow, StockItem
from services.stock import ledger


def restored(on_hand: int, quantity: int, before: int | None) -> int:
    """What is on hand of an item once a file is taken back that set it from ``before`` (None: it was new) to ``quantity``."""
    return max(0, on_hand - quantity + (before or 0))


def left(file_id: int) -> Select[*tuple[Any, ...]]:
    """(id, SKU, on hand, quantity in the file, on hand before it) of the items that an applied file has changed and nobody has set since."""
    row, item = StockFileRow, StockItem
    by_time = StockFile.last_entry_id.is_(None) & (StockEntry.at > StockFile.finished_at)
    set_since = exists().where(
        StockEntry.stock_item_id == item.id,
        or_(StockEntry.id > StockFile.last_entry_id, by_time),
        StockEntry.cause.in_((*ledger.EDITS, ledger.RESTORED)),
    )
    return (
        select(item.id, item.sku, item.on_hand, row.quantity, row.before)
        .join(row, row.stock_item_id == item.id)
        .join(StockFile, StockFile.id == row.file_id)
        .where(row.file_id == file_id, StockFile.state == "applied", item.fed.is_(False), ~set_since)
        .where(or_(row.before != row.quantity, row.before.is_(None) & (row.quantity != 0)))
        .order_by(row.id)
    )


def lock(undo_id: int) -> None:
    """Lock the items of an undo until the transaction ends."""
    items = select(StockFileRow.stock_item_id).where(StockFileRow.file_id == undo_id)
    ledger.lock_items(item_id for item_id in db.session.scalars(items) if item_id is not None)


def work_out_again(undo_id: int, undone_id: int) -> None:
    """Store in the rows of an undo the quantities that its items get back now: since a person saw it, units may have been sold, and stock may have
    been set again. Where nothing is left to take back, what is on hand stays. Call it after ``lock`` and ``file_results.note_before``."""
    row = StockFileRow
    wanted = {item_id: restored(on_hand, *change) for item_id, _, on_hand, *change in db.session.execute(left(undone_id))}
    staged = db.session.execute(
        select(row.id, row.stock_item_id, row.quantity, row.before).where(row.file_id == undo_id, row.stock_item_id.is_not(None))
    )
    given = [(row_id, quantity, wanted.get(item_id, before)) for row_id, item_id, quantity, before in staged]
    changes = [{"row": row_id, "now": now} for row_id, quantity, now in given if now != quantity]
    if changes:
        table = row.__table__
        db.session.connection().execute(
            update(table).where(table.c.id == bindparam("row")).values(quantity=bindparam("now")), changes
        )
