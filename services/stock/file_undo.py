"""The way back after an import of quantities: an undo, which gives the items what they would have without it. It is kept as another file: a person
sees what it would do and applies it, like any file."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from errors import Conflict
from extensions import db, reading
from models import StockFile, StockFileRow
from services.common import csv_files
from services.stock import file_reversal, files


def undoable(file: StockFile) -> tuple[int, str, StockFile | None]:
    """How many stock items an undo of an applied file would set back; if none, why, in a sentence, and the undo that was applied. ``(0, "", None)`` for
    a file that was not applied."""
    if file.state != "applied":
        return 0, "", None
    left = left_to_undo(file.id)
    if left:
        return left, "", None
    undone_by = applied_undo(file.id)
    return 0, _why_not(file, undone_by), undone_by


def left_to_undo(file_id: int) -> int:
    """How many stock items would get back the quantity from before an applied file."""
    return db.session.scalar(select(func.count()).select_from(file_reversal.left(file_id).subquery())) or 0


def applied_undo(file_id: int) -> StockFile | None:
    """The newest undo of a file that was applied and changed something; None if there is none."""
    query = select(StockFile).where(StockFile.undoes_id == file_id, StockFile.state == "applied", StockFile.changed > 0)
    return db.session.scalar(query.order_by(StockFile.id.desc()).limit(1))


def kept_items(file: StockFile) -> int:
    """How many stock items that a file has added stay in the list after ``file``, which is its undo; 0 for other files."""
    if file.undoes_id is None:
        return 0
    undone, again = aliased(StockFileRow), aliased(StockFileRow)
    query = select(func.count()).join_from(undone, again, again.stock_item_id == undone.stock_item_id)
    return (
        db.session.scalar(query.where(undone.file_id == file.undoes_id, undone.before.is_(None), again.file_id == file.id)) or 0
    )


def _why_not(file: StockFile, undone_by: StockFile | None) -> str:
    """Why an applied file of which nothing is left to undo cannot be undone, in a sentence."""
    if not file.changed:
        return "Nothing is left to undo: this changed no quantity."
    if undone_by is not None:
        return "Nothing is left to undo: it was undone."
    if db.session.scalar(select(StockFileRow.id).where(StockFileRow.file_id == file.id).limit(1)) is None:
        return "It cannot be undone any more: a week has passed. Set quantities under Stock."
    return "Nothing is left to undo: the stock of its items was set again since, or comes from suppliers now."


def undo_file(file_id: int, actor: str) -> int:
    """Make the undo of an applied file, and return its id. What was sold or shipped since stays sold and shipped, also what is sold until the undo is
    applied. Items whose stock was set again since are left out, so that no newer count is lost and nothing is taken back twice.

    Raises NotFound, Conflict where nothing is left to take back, or what ``files.upload`` does."""
    with reading():
        file = files.get_file(file_id)
        name, rows = file.name, db.session.execute(file_reversal.left(file_id)).all()
        if file.state != "applied":
            raise Conflict("That file was not applied, so there is nothing to undo.")
        if not rows:
            raise Conflict(_why_not(file, applied_undo(file_id)))
    content = csv_files.rows_out(("sku", "quantity"), ((sku, file_reversal.restored(*numbers)) for _, sku, *numbers in rows))
    return files.upload("".join(content).encode(), f"Undo of {name or 'a stock file'}", actor, undoes=file_id)
