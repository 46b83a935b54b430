"""Set what is on hand from the rows of a checked file, all in one transaction."""

from __future__ import annotations

from sqlalchemy import delete, exists, insert, select, update

from extensions import db, reading, writing
from models import StockFile, StockFilePart, StockFileRow, StockItem
from models.types import utcnow
from services.common.batches import batches
from services.common.claims import Claim
from services.common.deadlocks import retry_on_deadlock
from services.stock import bulk_quantities, file_results, file_reversal, ledger, skus
from services.stock import items as stock_items
from services.stock.waiting_lines import allocate_waiting, keys_waited_for


@retry_on_deadlock
def apply(claim: Claim) -> None:
    """All rows in one transaction. An import sets what is on hand now, even if stock has moved since the preview; an undo takes back what is left
    to take back now."""
    file_id = claim.row_id
    with reading() as session:
        file = session.get_one(StockFile, file_id, populate_existing=True)
        actor, add_unknown, name, undoes_id = file.actor, file.add_unknown, file.name, file.undoes_id
    with writing() as session:
        claim.hold()
        if undoes_id is not None:
            file_reversal.lock(file_id)
        file_results.note_before(file_id)
        if undoes_id is not None:
            file_reversal.work_out_again(file_id, undoes_id)
        if add_unknown:
            _add_unknown(file_id, actor)
        given = select(StockFileRow.stock_item_id, StockFileRow.quantity).where(
            StockFileRow.file_id == file_id, StockFileRow.stock_item_id.is_not(None)
        )
        wanted = {item_id: quantity for item_id, quantity in session.execute(given) if item_id is not None}
        changed = bulk_quantities.set_all(wanted, ledger.Reason(actor, stock_items.IMPORTED, note=name))
        claim.end(
            state="applied", changed=changed, unchanged=len(wanted) - changed, done=len(wanted), finished_at=utcnow(),
            last_entry_id=ledger.last_entry_id(),
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
    for chunk in batches(sorted(keys_waited_for(key for _, key in fresh))):
        items = ledger.load_items(db.session.scalars(select(StockItem.id).where(StockItem.sku_key.in_(chunk))))
        allocate_waiting(items.values(), actor=actor)
