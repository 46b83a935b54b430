"""What becomes of each row of a stock file: what it would change, and for a week after it was applied, what it has changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import case, exists, select, update

from extensions import db, reading
from models import StockFile, StockFileRow, StockItem
from models.types import utcnow
from services.common.batches import delete_in_batches

KEPT = timedelta(days=7)
"""How long the rows of a file can be looked at after it was applied."""
RESULT = case(
    (StockFileRow.stock_item_id.is_(None), "unknown"), (StockFileRow.before.is_(None), "added"),
    (StockFileRow.before != StockFileRow.quantity, "changed"), else_="unchanged",
)  # fmt: skip
"""unknown (the SKU is no stock item; nothing is done), added, changed or unchanged."""


def note_before(file_id: int) -> None:
    """Keep in each row what is on hand now that the file is applied. A row whose stock item is about to be added keeps nothing. Call it
    inside ``writing()``."""
    row = StockFileRow
    on_hand = select(StockItem.on_hand).where(StockItem.id == row.stock_item_id).scalar_subquery()
    db.session.execute(
        update(row).where(row.file_id == file_id, row.stock_item_id.is_not(None)).values(before=on_hand)
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def forget_old(stopping: Callable[[], bool]) -> int:
    """Delete the rows of files that were applied long ago; returns how many."""
    with reading():
        query = select(StockFile.id).where(StockFile.state == "applied", StockFile.finished_at < utcnow() - KEPT)
        ids = list(db.session.scalars(query.where(exists().where(StockFileRow.file_id == StockFile.id))))
    return delete_in_batches(StockFileRow, StockFileRow.file_id.in_(ids), stopping=stopping) if ids else 0
