"""The way back after an import of quantities: another file, which gives the items what they would have without it. A person sees what it would
do and applies it, like any file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, exists, func, or_, select

from errors import Conflict
from extensions import db, reading
from models import StockEntry, StockFile, StockFileRow, StockItem
from services.common import csv_files
from services.stock import files, ledger


def left_to_undo(file_id: int) -> int:
    """How many stock items would get their earlier quantity back."""
    return db.session.scalar(select(func.count()).select_from(_still_as_imported(file_id).subquery())) or 0


def undo_file(file_id: int, actor: str) -> int:
    """Make the file that takes an applied one back, and return its id. What was sold or shipped since stays sold and shipped. Items whose stock
    was set again since are left out, so that no newer count is lost and nothing is taken back twice.

    Raises NotFound, Conflict where nothing is left to take back, or what ``files.upload`` does."""
    with reading():
        name, rows = files.get_file(file_id).name, db.session.execute(_still_as_imported(file_id)).all()
    if not rows:
        raise Conflict(
            "Nothing of this file is left to undo.",
            "The stock of its items was set again since, or a week has passed: set their quantities under Stock.",
        )
    return files.upload(_content(rows), f"Undo of {name or 'a stock file'}", actor)


def _content(rows: Sequence[Row[*tuple[Any, ...]]]) -> bytes:
    left = ((sku, max(0, on_hand - quantity + (before or 0))) for sku, on_hand, quantity, before in rows)
    return "".join(csv_files.rows_out(("sku", "quantity"), left)).encode()


def _still_as_imported(file_id: int) -> Select[*tuple[Any, ...]]:
    """(SKU, on hand, quantity in the file, on hand before it) of the items that an applied file has changed and nobody has set since."""
    row, item = StockFileRow, StockItem
    set_since = exists().where(
        StockEntry.stock_item_id == item.id,
        StockEntry.at > StockFile.finished_at,
        StockEntry.cause.in_((*ledger.EDITS, ledger.RESTORED)),
    )
    return (
        select(item.sku, item.on_hand, row.quantity, row.before)
        .join(row, row.stock_item_id == item.id)
        .join(StockFile, StockFile.id == row.file_id)
        .where(row.file_id == file_id, StockFile.state == "applied", item.fed.is_(False), ~set_since)
        .where(or_(row.before != row.quantity, row.before.is_(None) & (row.quantity != 0)))
        .order_by(row.id)
    )
