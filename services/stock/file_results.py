"""What becomes of each row of a stock file: what it would change, and for a week after it was applied, what it has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, case, exists, func, select, update

from extensions import db, reading
from models import StockFile, StockFilePart, StockFileRow, StockFileWrongRow, StockItem
from models.types import utcnow
from services.common.batches import delete_in_batches, in_batches

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


CHANGES = {
    "changes": StockFileRow.before != StockFileRow.quantity,
    "zeroed": (StockFileRow.quantity == 0) & (StockFileRow.before != 0),
    "raised": StockFileRow.quantity > StockFileRow.before,
    "lowered": (StockFileRow.quantity < StockFileRow.before) & (StockFileRow.quantity != 0),
    "applied": StockFileRow.before.is_(None) | (StockFileRow.before != StockFileRow.quantity),
}
"""What a file would change, a kind of that, or what it has changed with the items that were added."""
UNKNOWN = "unknown"


def preview_rows(file_id: int, what: str, limit: int = 200) -> list[Any]:
    """The first rows that would do ``what``, a key of CHANGES, or whose SKU is UNKNOWN: (line, sku, before, quantity)."""
    row = StockFileRow
    query = _previewed(row.line, row.sku, row.before, row.quantity, file_id=file_id, what=what)
    return list(db.session.execute(query.limit(limit)).all())


def below_reserved(file_id: int, limit: int) -> tuple[int, list[str]]:
    """How many stock items would have less on hand than orders have reserved of them, and the first of their SKUs: the orders that were
    placed last lose what is missing."""
    row = StockFileRow
    query = select(row.sku).join(StockItem, StockItem.id == row.stock_item_id).where(
        row.file_id == file_id, row.quantity < StockItem.reserved, row.quantity < StockItem.on_hand
    )  # fmt: skip
    skus = list(db.session.scalars(query.order_by(row.id).limit(limit)))
    total = len(skus) if len(skus) < limit else db.session.scalar(select(func.count()).select_from(query.subquery()))
    return total or 0, skus


def iter_preview(file_id: int, what: str) -> Iterator[list[tuple[Any, ...]]]:
    """All of them, a batch at a time, for a file: there may be half a million."""

    def load(ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        row = StockFileRow
        query = select(row.id, row.line, row.sku, row.before, row.quantity).where(row.id.in_(ids))
        return {row_id: tuple(rest) for row_id, *rest in db.session.execute(query)}

    return in_batches(_previewed(StockFileRow.id, file_id=file_id, what=what), load)


def _previewed(*columns: Any, file_id: int, what: str) -> Select[*tuple[Any, ...]]:
    item = StockFileRow.stock_item_id
    meant: ColumnElement[bool] = item.is_(None) if what == UNKNOWN else item.is_not(None) & CHANGES[what]
    return select(*columns).where(StockFileRow.file_id == file_id, meant).order_by(StockFileRow.id)


def wrong_rows(file_id: int, limit: int = 200) -> list[StockFileWrongRow]:
    """The first rows that cannot be used, by line."""
    query = select(StockFileWrongRow).where(StockFileWrongRow.file_id == file_id)
    return list(db.session.scalars(query.order_by(StockFileWrongRow.line, StockFileWrongRow.id).limit(limit)))


def iter_wrong(file_id: int) -> Iterator[tuple[str, list[str]]]:
    """All that are kept, for a file of them: why, with the line, and the cells."""

    def load(ids: Sequence[int]) -> dict[int, tuple[str, list[str]]]:
        found = db.session.scalars(select(StockFileWrongRow).where(StockFileWrongRow.id.in_(ids)))
        return {row.id: (f"Line {row.line}: {row.problem}", row.cells) for row in found}

    row = StockFileWrongRow
    batches = in_batches(select(row.id).where(row.file_id == file_id).order_by(row.line, row.id), load)
    return (each for batch in batches for each in batch)


def forget_old(stopping: Callable[[], bool]) -> int:
    """Delete the rows of files that were applied or refused long ago, and what is left of their bytes; returns how many."""
    old = (StockFile.state.in_(("applied", "refused")), StockFile.finished_at < utcnow() - KEPT)
    count = 0
    tables: list[Any] = [StockFileRow, StockFileWrongRow, StockFilePart]
    for model in tables:
        with reading():
            ids = list(db.session.scalars(select(StockFile.id).where(*old, exists().where(model.file_id == StockFile.id))))
        count += delete_in_batches(model, model.file_id.in_(ids), stopping=stopping) if ids else 0
    return count
