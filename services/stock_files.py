"""Stock from a large CSV file: uploaded in pieces into the database, read and staged by a worker with progress, shown, and
applied at once when a person says yes. Web and worker may be different machines. A wrong file changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, TextIO

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from errors import AppError, Conflict, InvalidInput, LeaseLost, NotFound
from extensions import db, writing
from models import OrderLine, StockEntry, StockFile, StockFilePart, StockFileRow, StockItem
from models.types import utcnow
from services import csv_files, ledger, runs, stock
from services.binding import bind_lines
from services.clashes import done_again

COLUMNS = {
    "sku": ("sku", "item", "stock item"), "quantity": ("quantity", "qty", "on hand", "on_hand", "stock", "amount"),
}  # fmt: skip
MOST_BYTES = 16 * 1024 * 1024
MOST_ROWS = 500_000
PART = 512 * 1024
CHUNK = 2000
MOST_WRONG = 1000
LEASE = timedelta(seconds=120)


def upload(content: bytes, name: str, actor: str) -> int:
    """Keep a file for a worker to read; answers with its id. Raises InvalidInput for one that cannot be CSV at all."""
    if len(content) > MOST_BYTES:
        raise InvalidInput(f"The file is larger than {MOST_BYTES // 1024 // 1024} MB.", "Split it into several.")
    # Whatever can be said of it at once is said while the person is still there.
    next(iter(csv_files.read(csv_files.opened(lambda: [content])[0], COLUMNS, ("sku", "quantity"))), None)
    with writing() as session:
        file = StockFile(name=name[:200], actor=actor, size=len(content))
        session.add(file)
        session.flush()
        parts = [
            {"file_id": file.id, "position": position, "content": content[start : start + PART]}
            for position, start in enumerate(range(0, len(content), PART))
        ]
        session.execute(insert(StockFilePart.__table__), parts)
        return file.id


def get_file(file_id: int) -> StockFile:
    """Raises NotFound."""
    file = db.session.get(StockFile, file_id, populate_existing=True)
    if file is None:
        raise NotFound("That file has been dropped.", "Choose it again.")
    return file


def list_files(limit: int = 20) -> list[StockFile]:
    return list(db.session.scalars(select(StockFile).order_by(StockFile.id.desc()).limit(limit)))


def due_files() -> list[int]:
    """Files that wait for a worker: just uploaded, wanted, or left behind by a worker that died."""
    free = or_(StockFile.lease_until.is_(None), StockFile.lease_until < utcnow())
    ids = list(db.session.scalars(select(StockFile.id).where(StockFile.state.in_(("uploaded", "wanted")), free)))
    db.session.rollback()
    return ids


def accept(file_id: int, add_unknown: bool) -> None:
    """Say yes to a checked file. Raises NotFound, or Conflict where it is not waiting for that."""
    _move(file_id, "checked", state="wanted", add_unknown=add_unknown, done=0)


def drop(file_id: int) -> None:
    """Say no to a file: its rows are forgotten. Raises NotFound, or Conflict where it has been applied."""
    _move(file_id, "checked", state="dropped", finished_at=utcnow())
    with writing() as session:
        session.execute(delete(StockFileRow).where(StockFileRow.file_id == file_id))


def _move(file_id: int, was: str, **values: Any) -> None:
    with writing() as session:
        moved = session.execute(
            update(StockFile).where(StockFile.id == file_id, StockFile.state == was).values(**values)
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        if moved.rowcount != 1:
            if session.get(StockFile, file_id) is None:
                raise NotFound("That file has been dropped.", "Choose it again.")
            raise Conflict("That file does not wait for this any more.", "Look at what has become of it.")


def work(file_id: int) -> None:
    """Do what a file waits for: read and stage it, or apply it. Whatever somebody else does already is left alone."""
    token = runs.new_token()
    free = or_(StockFile.lease_until.is_(None), StockFile.lease_until < utcnow())
    with writing() as session:
        claimed = session.execute(
            update(StockFile)
            .where(StockFile.id == file_id, StockFile.state.in_(("uploaded", "wanted")), free)
            .values(token=token, lease_until=utcnow() + LEASE)
            .execution_options(synchronize_session=False)
        )
    if claimed.rowcount != 1:
        return
    state = get_file(file_id).state
    db.session.rollback()
    try:
        if state == "uploaded":
            _stage(file_id, token)
        else:
            _apply(file_id, token)
    except LeaseLost:
        return
    except AppError as wrong:
        with writing():
            _hold(file_id, token, state="refused", problems=[wrong.sentence()], finished_at=utcnow(), lease_until=None)


def give_back() -> None:
    """Leave what work of this process, or forked from it, was at to the next worker: see ``services.runs.give_back``."""
    with writing() as session:
        session.execute(
            update(StockFile)
            .where(StockFile.state.in_(("uploaded", "wanted")), StockFile.token.startswith(runs.HOLDER))
            .values(lease_until=None)
            .execution_options(synchronize_session=False)
        )


def _hold(file_id: int, token: str, **values: Any) -> None:
    """Write to the file's row while the lease is ours. Raises LeaseLost. Call it inside ``writing()``."""
    held_on = db.session.execute(
        update(StockFile)
        .where(StockFile.id == file_id, StockFile.token == token, StockFile.state.in_(("uploaded", "wanted")))
        .values(**{"lease_until": utcnow() + LEASE, **values})
        .execution_options(synchronize_session=False)
    )
    if held_on.rowcount != 1:
        raise LeaseLost("Another worker has taken this file over.")


def _stage(file_id: int, token: str) -> None:
    with writing() as session:
        _hold(file_id, token, done=0, total=0)
        session.execute(delete(StockFileRow).where(StockFileRow.file_id == file_id))
    text, total = csv_files.opened(partial(_pieces, file_id))
    problems: list[str] = []
    wrong = done = 0
    for chunk in _chunks(_judged(text)):
        for row in chunk:
            if row["problem"]:
                wrong += 1
                if len(problems) < MOST_WRONG:
                    problems.append(f"Line {row['line']}: {row['problem']}")
        done += len(chunk)
        with writing() as session:
            _hold(file_id, token, done=done, total=max(total, done), wrong=wrong)
            good = [{**row, "file_id": file_id} for row in chunk if not row["problem"]]
            if good:
                session.execute(insert(StockFileRow.__table__), good)
    if not done:
        raise InvalidInput("The file has no rows.", "Give it one row for each SKU.")
    if wrong:
        with writing() as session:
            _hold(file_id, token, state="refused", problems=problems, wrong=wrong, finished_at=utcnow(), lease_until=None)
            session.execute(delete(StockFileRow).where(StockFileRow.file_id == file_id))
            session.execute(delete(StockFilePart).where(StockFilePart.file_id == file_id))
        return
    _match(file_id, token)


def _pieces(file_id: int) -> Iterator[bytes]:
    """The uploaded bytes, one piece in memory at a time, with no transaction open while it is worked on."""
    for position in count():
        piece = db.session.scalar(
            select(StockFilePart.content).where(StockFilePart.file_id == file_id, StockFilePart.position == position)
        )
        db.session.rollback()
        if piece is None:
            return
        yield piece


def _chunks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _judged(text: TextIO) -> Iterator[dict[str, Any]]:
    """The rows with what is wrong with each."""
    seen: dict[str, int] = {}
    for number, row in enumerate(csv_files.read(text, COLUMNS, ("sku", "quantity"))):
        if number >= MOST_ROWS:
            raise InvalidInput(f"The file has more than {MOST_ROWS:,} rows.", "Split it into several.")
        sku, words = row.cells["sku"], row.cells["quantity"]
        quantity, problem = 0, ""
        if not sku:
            problem = "no SKU"
        elif len(sku) > 255 or not sku.isprintable():
            problem = f"{sku[:40]!r} cannot be a SKU"
        elif sku in seen:
            problem = f"{sku} stands in line {seen[sku]} already"
        elif not (words.isascii() and words.isdigit() and len(words) <= 12 and int(words) <= stock.MOST):
            problem = f"{sku}: {words[:40]!r} is not a whole number from 0 to {stock.MOST}"
        else:
            quantity = int(words)
        seen.setdefault(sku, row.line)
        yield {"line": row.line, "sku": sku[:255], "quantity": quantity, "problem": problem}


@done_again
def _match(file_id: int, token: str) -> None:
    """Find each row's stock item and what it has on hand now, and sum up what applying would do."""
    row, item = StockFileRow, StockItem
    with writing() as session:
        for column, value in ((row.stock_item_id, item.id), (row.before, item.on_hand)):
            found = select(value).where(item.sku == row.sku).scalar_subquery()
            session.execute(
                update(row).where(row.file_id == file_id).values({column: found}).execution_options(synchronize_session=False)
            )
        of_file = row.file_id == file_id
        unknown = session.scalar(select(func.count()).where(of_file, row.stock_item_id.is_(None))) or 0
        changed = (
            session.scalar(select(func.count()).where(of_file, row.stock_item_id.is_not(None), row.before != row.quantity)) or 0
        )
        whole = session.scalar(select(func.count()).where(of_file)) or 0
        _hold(
            file_id, token, state="checked", unknown=unknown, changed=changed, unchanged=whole - unknown - changed, total=whole,
            done=whole, lease_until=None,
        )  # fmt: skip
        session.execute(delete(StockFilePart).where(StockFilePart.file_id == file_id))


def preview_rows(file_id: int, *, unknown: bool, limit: int | None = 200) -> list[Any]:
    """Rows that would change something, or those whose SKU is not known: (line, sku, before, quantity)."""
    row = StockFileRow
    query = select(row.line, row.sku, row.before, row.quantity).where(row.file_id == file_id).order_by(row.id).limit(limit)
    if unknown:
        return list(db.session.execute(query.where(row.stock_item_id.is_(None))).all())
    return list(db.session.execute(query.where(row.stock_item_id.is_not(None), row.before != row.quantity)).all())


@done_again
def _apply(file_id: int, token: str) -> None:
    """All rows in one transaction. What an import sets is what lies there now, whatever moved since the preview."""
    file = get_file(file_id)
    actor, add_unknown = file.actor, file.add_unknown
    with writing() as session:
        _hold(file_id, token)
        if add_unknown:
            _add_unknown(file_id, actor)
        wanted = dict(
            session.execute(
                select(StockFileRow.stock_item_id, StockFileRow.quantity).where(
                    StockFileRow.file_id == file_id, StockFileRow.stock_item_id.is_not(None)
                )
            ).all()
        )
        changed = _set_all(wanted, actor)
        _hold(
            file_id, token, state="applied", changed=changed, unchanged=len(wanted) - changed, done=len(wanted), finished_at=utcnow(),
            lease_until=None,
        )  # fmt: skip
        session.execute(delete(StockFileRow).where(StockFileRow.file_id == file_id))


def _add_unknown(file_id: int, actor: str) -> None:
    row, now = StockFileRow, utcnow()
    skus = list(db.session.scalars(select(row.sku).where(row.file_id == file_id, row.stock_item_id.is_(None))))
    known = set()
    for chunk in _slices(skus):
        known |= set(db.session.scalars(select(StockItem.sku).where(StockItem.sku.in_(chunk))))
    fresh = [sku for sku in skus if sku not in known]
    if fresh:
        db.session.execute(
            insert(StockItem.__table__),
            [{"sku": sku, "name": "", "on_hand": 0, "reserved": 0, "buffer": 0, "updated_at": now} for sku in fresh],
        )
        ledger.mark_stale_skus(fresh)
    found = select(StockItem.id).where(StockItem.sku == row.sku).scalar_subquery()
    db.session.execute(
        update(row).where(row.file_id == file_id, row.stock_item_id.is_(None)).values(stock_item_id=found)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    for chunk in _slices(fresh):
        waiting = db.session.scalars(
            select(OrderLine.sku).where(OrderLine.sku.in_(chunk), OrderLine.stock_item_id.is_(None)).distinct()
        ).all()
        items = ledger.load_items(db.session.scalars(select(StockItem.id).where(StockItem.sku.in_(waiting))))
        bind_lines({item.sku: item for item in items.values()}, actor=actor)


def _set_all(wanted: dict[int, int], actor: str) -> int:
    """Set on hand of many stock items; answers with how many changed. Most are plain numbers and go in bulk; where orders
    reserve more than there is now, or lack something that has come, it is done one by one."""
    ids = sorted(wanted)
    lacking = set(ledger.lacked(ids))
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
        ledger.mark_stale(item_id for item_id, _ in plain)
    items = ledger.load_items(single)
    stock.put_on_hand([(items[item_id], wanted[item_id]) for item_id in single], actor, "import")
    return len(plain) + len(single)


def _slices(values: Sequence[Any], size: int = 500) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
