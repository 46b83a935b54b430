"""Stock from a large file (CSV, Excel or JSON lines): uploaded in pieces into the database, read and staged by a worker with progress, shown, and
applied at once when a person accepts it. Web and worker may be different machines. A wrong file changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from time import monotonic, sleep
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, delete, func, insert, select, true, update

from errors import AppError, Conflict, InvalidInput, LeaseLost, NotFound
from extensions import db, reading, writing
from models import StockFile, StockFilePart, StockFileRow, StockItem
from models.types import utcnow
from services.common import csv_files
from services.common.batches import in_batches
from services.common.claims import Claim, Claimable
from services.common.deadlocks import retry_on_deadlock
from services.common.results import changed_rows
from services.common.workbooks import Workbook
from services.presets import presets
from services.security import audit
from services.security.audit import About, Kind, record_change
from services.stock import fed, file_apply, file_columns, file_rows, skus

UPLOADED = audit.kind("stock_file.uploaded", "Stock file uploaded")
ACCEPTED = audit.kind("stock_file.accepted", "Stock file accepted")
ASSIGNED = audit.kind("stock_file.assigned", "Columns of a stock file assigned")
DROPPED = audit.kind("stock_file.dropped", "Stock file discarded")
MOST_BYTES = 16 * 1024 * 1024
PART = 512 * 1024
CHUNK = 2000
MOST_WRONG = 1000
MOST_NAMED = 5
FILES = Claimable(StockFile.token, StockFile.lease_until, lambda: 120)
MOST_OPEN = 10
"""Files of one person that are neither applied nor discarded: each may be as large as ``MOST_BYTES``, and its rows larger."""
WAITING = ("uploaded", "wanted")
"""The states in which a file waits for a worker."""
LONGEST_IMPORT = 900.0
"""Seconds after which ``import_now`` leaves the rest to the workers."""


@dataclass(frozen=True, slots=True)
class Imported:
    """How many stock items changed and stayed as they were. ``added`` of them are new."""

    changed: int
    unchanged: int
    added: int


def upload(content: bytes, name: str, actor: str, *, sheet: str = "", ask: bool = False) -> int:
    """Keep a file for a worker to read; returns its id. ``sheet`` is the one that is read of a workbook, the first by default. With ``ask``
    a person assigns the columns of a file whose headings are not known. Raises InvalidInput for one that cannot be such a file at all."""
    if len(content) > MOST_BYTES:
        raise InvalidInput(f"The file is larger than {MOST_BYTES // 1024 // 1024} MB.", "Split it into several.")
    # A wrong first line is reported at once, while the person waits; a worker reads the rows.
    state, assigned = _begun(lambda: csv_files.opened(lambda: [content], sheet=sheet)[0], ask)
    with writing() as session:
        open_ones = (StockFile.actor == actor, StockFile.state.in_((*WAITING, "columns", "checked")))
        if (session.scalar(select(func.count()).where(*open_ones)) or 0) >= MOST_OPEN:
            raise InvalidInput(f"{MOST_OPEN} files of yours wait already.", "Import or discard some of them first.")
        file = StockFile(name=name[:200], actor=actor, size=len(content), sheet=sheet[:100], state=state, columns=assigned)
        session.add(file)
        session.flush()
        parts = [
            {"file_id": file.id, "position": position, "content": content[start : start + PART]}
            for position, start in enumerate(range(0, len(content), PART))
        ]
        session.execute(insert(StockFilePart.__table__), parts)
        record_change(UPLOADED, About(file.id, file.name), actor=actor)
        return file.id


def _begun(opened: Callable[[], csv_files.Source], ask: bool) -> tuple[str, dict[str, Any] | None]:
    """The state of a new file, with what is assigned to its columns; None where a worker has to look. Raises InvalidInput."""
    source = opened()
    if file_rows.is_json_lines(source):
        return "uploaded", {}
    if isinstance(source, Workbook) and source.size() > csv_files.HEADING_BYTES:
        return "uploaded", None
    try:
        return "uploaded", file_columns.known(opened)
    except InvalidInput as wrong:
        if not ask:
            raise
        file_columns.refuse_narrow(csv_files.sample(opened(), 0)[0], wrong)
        return "columns", None


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
    with reading():
        return list(db.session.scalars(select(StockFile.id).where(StockFile.state.in_(WAITING), FILES.free())))


def accept(file_id: int, add_unknown: bool) -> None:
    """Accept a checked file. Raises NotFound, or Conflict where it is not waiting for that."""
    _move(file_id, ACCEPTED, state="wanted", add_unknown=add_unknown, done=0)


def drop(file_id: int) -> None:
    """Drop a file: its rows are deleted. Raises NotFound, or Conflict where it has been applied."""
    _move(file_id, DROPPED, ("checked", "columns"), state="dropped", finished_at=utcnow())
    with writing():
        _forget_content(file_id)


def assign(file_id: int, columns: Mapping[str, str], options: Mapping[str, Any], actor: str) -> None:
    """Assign the columns of a file, which a worker then reads, and remember them for files with these headings. Raises NotFound,
    InvalidInput for columns that cannot be used, or Conflict where the file does not wait for that."""
    headings = sample(file_id, 0)[0]
    options = file_columns.check_preset(headings, columns, options)
    kept = {"columns": dict(columns), "options": options}
    _move(file_id, ASSIGNED, ("checked", "columns"), state="uploaded", columns=kept, done=0, wrong=0, problems=[])
    presets.remember(file_columns.KIND, headings, columns, options, name=get_file(file_id).name, actor=actor)


def sample(file_id: int, rows: int) -> tuple[list[str], list[list[str]]]:
    """The headings of a file that is not applied yet, and the cells of its first rows. Raises NotFound, InvalidInput or Conflict."""
    sheet = get_file(file_id).sheet
    if next(_pieces(file_id), None) is None:
        raise Conflict("That file does not wait for this any more.", "Look at what has become of it.")
    return csv_files.sample(csv_files.opened(partial(_pieces, file_id), sheet=sheet)[0], rows)


def _move(file_id: int, what: Kind, was: Sequence[str] = ("checked",), **values: Any) -> None:
    """Take a file on that is in one of these states."""
    with writing() as session:
        moved = session.execute(
            update(StockFile).where(StockFile.id == file_id, StockFile.state.in_(was)).values(**values)
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        if changed_rows(moved) != 1:
            if session.get(StockFile, file_id) is None:
                raise NotFound("That file has been dropped.", "Choose it again.")
            raise Conflict("That file does not wait for this any more.", "Look at what has become of it.")
        row = session.execute(
            select(StockFile.name, StockFile.changed, StockFile.add_unknown).where(StockFile.id == file_id)
        ).one()
        about = {"changed_items": (None, row.changed), "new_items_added": (False, bool(row.add_unknown))}
        record_change(what, About(file_id, row.name), about if what is ACCEPTED else None)


def work(file_id: int) -> None:
    """Do what a file waits for: read and stage it, or apply it. A file that another worker has claimed is left alone."""
    claim = FILES.claim(file_id, StockFile.state.in_(WAITING), FILES.free())
    if claim is None:
        return
    with reading():
        state = get_file(file_id).state
    try:
        if state == "uploaded":
            _stage(claim)
        else:
            file_apply.apply(claim)
    except LeaseLost:
        return
    except AppError as wrong:
        with writing():
            claim.end(state="refused", problems=[wrong.sentence()], finished_at=utcnow())
            _forget_content(file_id)


def _forget_content(file_id: int) -> None:
    """Call it inside ``writing()``."""
    for table in (StockFileRow, StockFilePart):
        db.session.execute(delete(table).where(table.file_id == file_id).execution_options(synchronize_session=False))


def import_now(content: bytes, name: str, actor: str, *, add_unknown: bool = False, sheet: str = "") -> Imported:
    """Import a file in this process, without a person who looks at its preview: all rows or none. It is listed with the other files.

    Raises InvalidInput naming the first wrong lines, or unknown SKUs unless they may be added: nothing is changed then. Raises
    Conflict if a worker has taken the file over and does not get to its end; it may still apply the file."""
    file_id = upload(content, name, actor, sheet=sheet)
    file = _worked_on(file_id)
    if file.state == "columns":
        drop(file_id)
        raise InvalidInput(
            "The columns of the file are not known.", "Import it once on the page Import stock and assign them there."
        )
    if file.unknown and not add_unknown:
        with reading():
            unknown = [row.sku for row in preview_rows(file_id, unknown=True, limit=MOST_NAMED)]
        drop(file_id)
        raise InvalidInput(
            f"The file names SKUs that are not stock items: {_some(unknown, file.unknown, ', ')}.",
            "Nothing was changed. Take them out, or add them.",
        )
    accept(file_id, add_unknown)
    done = _worked_on(file_id)
    return Imported(done.changed, done.unchanged, file.unknown)


def _worked_on(file_id: int) -> Row[*tuple[Any, ...]]:
    """The file's numbers once it waits for no worker. A worker that comes across it may do the work instead of this process."""
    columns = (StockFile.state, StockFile.changed, StockFile.unchanged, StockFile.unknown, StockFile.wrong, StockFile.problems)
    over = monotonic() + LONGEST_IMPORT
    while True:
        work(file_id)
        with reading():
            file = db.session.execute(select(*columns).where(StockFile.id == file_id)).one()
        if file.state == "refused":
            named = _some(file.problems[:MOST_NAMED], file.wrong, "; ")
            raise InvalidInput(f"Nothing was changed. {named}", "Correct the file and import it again.")
        if file.state not in WAITING:
            return file
        if monotonic() > over:
            raise Conflict("The file has not been imported yet.", "A worker imports it. Look under Stock, Import stock.")
        sleep(0.2)


def _some(named: Sequence[str], whole: int, between: str) -> str:
    more = whole - len(named)
    return between.join(named) + (f" and {more} more" if more > 0 else "")


def return_files() -> None:
    """Return the files of this process; see ``services.common.claims.Claimable.return_own``."""
    FILES.return_own(StockFile.state.in_(WAITING))


def _stage(claim: Claim) -> None:
    file_id = claim.row_id
    with writing() as session:
        claim.hold(done=0, total=0)
        session.execute(delete(StockFileRow).where(StockFileRow.file_id == file_id))
    with reading():
        file = get_file(file_id)
        sheet, assigned = file.sheet, file.columns
    if assigned is None:
        assigned = _looked_up(claim, lambda: csv_files.opened(partial(_pieces, file_id), sheet=sheet)[0])
        if assigned is None:
            return
    source, total = csv_files.opened(partial(_pieces, file_id), sheet=sheet)
    plan = file_columns.plan(csv_files.sample(source, 0)[0], assigned) if assigned else file_columns.OWN
    text = csv_files.opened(partial(_pieces, file_id), sheet=sheet)[0] if assigned else source
    problems: list[str] = []
    wrong = done = 0
    for chunk in _chunks(file_rows.read(text, plan)):
        for row in chunk:
            if row["problem"]:
                wrong += 1
                if len(problems) < MOST_WRONG:
                    problems.append(f"Line {row['line']}: {row['problem']}")
        done += len(chunk)
        with writing() as session:
            claim.hold(done=done, total=max(total, done), wrong=wrong)
            good = [{**row, "file_id": file_id} for row in chunk if not row["problem"]]
            if good:
                session.execute(insert(StockFileRow.__table__), good)
    if not done:
        raise InvalidInput("The file has no rows.", "Give it one row for each SKU.")
    if wrong:
        with writing():
            claim.end(state="refused", problems=problems, wrong=wrong, finished_at=utcnow())
            _forget_content(file_id)
        return
    _match(claim)


def _looked_up(claim: Claim, opened: Callable[[], csv_files.Source]) -> dict[str, Any] | None:
    """What is assigned to the columns of a large workbook. None for headings that are not known: it then waits for a person."""
    try:
        assigned = file_columns.known(opened)
    except InvalidInput as wrong:
        file_columns.refuse_narrow(csv_files.sample(opened(), 0)[0], wrong)
        with writing():
            claim.end(state="columns")
        return None
    with writing():
        claim.hold(columns=assigned)
    return assigned


def _pieces(file_id: int) -> Iterator[bytes]:
    """The uploaded bytes, one piece in memory at a time, with no transaction open while it is worked on."""
    for position in count():
        with reading():
            piece = db.session.scalar(
                select(StockFilePart.content).where(StockFilePart.file_id == file_id, StockFilePart.position == position)
            )
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


@retry_on_deadlock
def _match(claim: Claim) -> None:
    """Find each row's stock item and what it has on hand now, and sum up what applying would do."""
    file_id, row, item = claim.row_id, StockFileRow, StockItem
    with writing() as session:
        for column, value in ((row.stock_item_id, item.id), (row.before, item.on_hand)):
            found = select(value).where(skus.same_sku(item, row)).limit(1).scalar_subquery()
            session.execute(
                update(row).where(row.file_id == file_id).values({column: found}).execution_options(synchronize_session=False)
            )
        of_file = row.file_id == file_id
        if (refused := _fed_rows(of_file)) is not None:
            claim.end(state="refused", problems=refused.problems, wrong=refused.count, finished_at=utcnow())
            _forget_content(file_id)
            return
        unknown = session.scalar(select(func.count()).where(of_file, row.stock_item_id.is_(None))) or 0
        changed = (
            session.scalar(select(func.count()).where(of_file, row.stock_item_id.is_not(None), row.before != row.quantity)) or 0
        )
        whole = session.scalar(select(func.count()).where(of_file)) or 0
        claim.end(
            state="checked", unknown=unknown, changed=changed, unchanged=whole - unknown - changed, total=whole,
            done=whole,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Refused:
    count: int
    problems: list[str]


def _fed_rows(of_file: ColumnElement[bool]) -> _Refused | None:
    """The rows that would change what is on hand of fed stock items; None if there are none."""
    row = StockFileRow
    which = (of_file, StockItem.id == row.stock_item_id, StockItem.fed == true(), row.before != row.quantity)
    found = db.session.execute(select(row.line, StockItem.sku).where(*which).order_by(row.id).limit(MOST_WRONG)).all()
    if not found:
        return None
    count = db.session.scalar(
        select(func.count()).select_from(row).join(StockItem, StockItem.id == row.stock_item_id).where(*which)
    )
    return _Refused(count or 0, [f"Line {line}: {fed.sentence(sku)} {fed.ADVICE}" for line, sku in found])


def preview_rows(file_id: int, *, unknown: bool, limit: int = 200) -> list[Any]:
    """The first rows that would change something, or whose SKU is not known: (line, sku, before, quantity)."""
    row = StockFileRow
    query = _previewed(row.line, row.sku, row.before, row.quantity, file_id=file_id, unknown=unknown)
    return list(db.session.execute(query.limit(limit)).all())


def iter_preview(file_id: int, *, unknown: bool) -> Iterator[list[tuple[Any, ...]]]:
    """All of them, a batch at a time, for a file: there may be half a million."""

    def load(ids: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        row = StockFileRow
        query = select(row.id, row.line, row.sku, row.before, row.quantity).where(row.id.in_(ids))
        return {row_id: tuple(rest) for row_id, *rest in db.session.execute(query)}

    return in_batches(_previewed(StockFileRow.id, file_id=file_id, unknown=unknown), load)


def _previewed(*columns: Any, file_id: int, unknown: bool) -> Select[*tuple[Any, ...]]:
    row = StockFileRow
    known = row.stock_item_id.is_(None) if unknown else row.stock_item_id.is_not(None) & (row.before != row.quantity)
    return select(*columns).where(row.file_id == file_id, known).order_by(row.id)
