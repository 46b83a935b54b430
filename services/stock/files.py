"""Stock from a large file (CSV, Excel or JSON lines): uploaded in pieces into the database, read and staged by a worker with progress, shown, and
applied at once when a person accepts it. Web and worker may be different machines. Rows that cannot be used are left out and kept, for a
person to correct.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import InterfaceError, OperationalError

from errors import AppError, Conflict, InvalidInput, LeaseLost, NotFound, Unexpected
from extensions import db, reading, writing
from models import StockFile, StockFilePart
from models.types import utcnow
from services.common import csv_files
from services.common.claims import Claim, Claimable
from services.common.results import changed_rows
from services.common.workbooks import Workbook
from services.presets import presets
from services.security import audit
from services.security.audit import About, Kind, record_change
from services.stock import file_apply, file_columns, file_rows, file_stage

log = logging.getLogger(__name__)
UPLOADED = audit.kind("stock_file.uploaded", "Stock file uploaded")
ACCEPTED = audit.kind("stock_file.accepted", "Stock file accepted")
ASSIGNED = audit.kind("stock_file.assigned", "Columns of a stock file assigned")
DROPPED = audit.kind("stock_file.dropped", "Stock file discarded")
MOST_BYTES = 16 * 1024 * 1024
PART = 512 * 1024
LEASE_SECONDS = 120
FILES = Claimable(StockFile.token, StockFile.lease_until, lambda: LEASE_SECONDS, StockFile.lost_workers)
SILENT = timedelta(seconds=20)
"""After how long without a sign of life the page of a file says that no worker reads it."""
BECAME = {
    "uploaded": "It is being read.", "columns": "Say first which column holds what.", "checked": "It waits for approval.",
    "wanted": "It is being applied already.", "applied": "It was applied already.", "refused": "None of its rows could be used.",
    "dropped": "It was discarded.",
}  # fmt: skip
MOST_OPEN = 10
"""Files of one person that are neither applied nor discarded: each may be as large as ``MOST_BYTES``, and its rows larger."""
WAITING = ("uploaded", "wanted")
"""The states in which a file waits for a worker."""


def upload(
    content: bytes, name: str, actor: str, *, sheet: str = "", ask: bool = False, undoes: int | None = None
) -> int:  # fmt: skip
    """Keep a file for a worker to read; returns its id. ``sheet`` is the one that is read of a workbook, the first by default. With ``ask``
    a person assigns the columns of a file whose headings are not known; ``undoes`` is the file that it takes back. Raises InvalidInput for one that
    cannot be such a file at all."""
    if len(content) > MOST_BYTES:
        raise InvalidInput(f"The file is larger than {MOST_BYTES // 1024 // 1024} MB.", "Split it into several.")
    # A wrong first line is reported at once, while the person waits; a worker reads the rows.
    state, assigned = _begun(lambda: csv_files.opened(lambda: [content], sheet=sheet)[0], ask)
    with writing() as session:
        open_ones = (StockFile.actor == actor, StockFile.state.in_((*WAITING, "columns", "checked")))
        if (session.scalar(select(func.count()).where(*open_ones)) or 0) >= MOST_OPEN:
            raise InvalidInput(f"{MOST_OPEN} files of yours wait already.", "Import or discard some of them first.")
        file = StockFile(
            name=name[:200], actor=actor, size=len(content), sheet=sheet[:100], state=state, columns=assigned, undoes_id=undoes
        )  # fmt: skip
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
            advice = f"{wrong.advice} Or say once on the page Import stock which column holds what."
            raise InvalidInput(wrong.message, advice, field=wrong.field) from None
        file_columns.refuse_narrow(csv_files.sample(opened(), 0)[0], wrong)
        return "columns", None


def get_file(file_id: int) -> StockFile:
    """Raises NotFound."""
    file = db.session.get(StockFile, file_id, populate_existing=True)
    if file is None:
        raise no_such_file()
    return file


def no_such_file() -> NotFound:
    return NotFound("There is no such file. It was never uploaded, or it is no longer kept.")


def list_files(limit: int = 20) -> list[StockFile]:
    return list(db.session.scalars(select(StockFile).order_by(StockFile.id.desc()).limit(limit)))


def due_files() -> list[int]:
    """Files that wait for a worker: just uploaded, wanted, or left behind by a worker that died."""
    with reading():
        return list(db.session.scalars(select(StockFile.id).where(StockFile.state.in_(WAITING), FILES.free())))


def is_silent(file: StockFile) -> bool:
    """Whether no worker has shown a sign of life for a while over a file that is to be read: its worker died, or none was free."""
    seen = file.created_at if file.lease_until is None else file.lease_until - timedelta(seconds=LEASE_SECONDS)
    return file.state == "uploaded" and utcnow() - seen > SILENT


def accept(file_id: int, add_unknown: bool) -> None:
    """Accept the good rows of a checked file. Raises NotFound, or Conflict where it is not waiting for that."""
    _move(file_id, ACCEPTED, state="wanted", add_unknown=add_unknown, done=0)


def drop(file_id: int) -> None:
    """Drop a file: its rows are deleted. Raises NotFound, or Conflict where it has been applied."""
    _move(file_id, DROPPED, ("checked", "columns"), state="dropped", finished_at=utcnow())
    with writing():
        file_stage.forget_content(file_id)


def assign(file_id: int, columns: Mapping[str, str], options: Mapping[str, Any], actor: str) -> None:
    """Assign the columns of a file, which a worker then reads, and remember them for files with these headings. Raises NotFound,
    InvalidInput for columns that cannot be used, or Conflict where the file does not wait for that."""
    headings = sample(file_id, 0)[0]
    options = file_columns.check_preset(headings, columns, options)
    kept = {"columns": dict(columns), "options": options}
    again = {"done": 0, "wrong": 0, "problems": [], "causes": [], "finished_at": None}
    _move(file_id, ASSIGNED, ("checked", "columns", "refused"), state="uploaded", columns=kept, **again)
    presets.remember(file_columns.KIND, headings, columns, options, name=get_file(file_id).name, actor=actor)


def can_be_read_again(file_id: int) -> bool:
    """Whether the bytes of a file are still kept, so that its columns can be changed."""
    return db.session.scalar(select(StockFilePart.id).where(StockFilePart.file_id == file_id).limit(1)) is not None


def sample(file_id: int, rows: int) -> tuple[list[str], list[list[str]]]:
    """The headings of a file that is not applied yet, and the cells of its first rows. Raises NotFound, InvalidInput or Conflict."""
    file = get_file(file_id)
    if file.undoes_id is not None:
        raise Conflict("An undo has no columns.", "Apply it, or discard it.")
    if next(file_stage.pieces(file_id), None) is None:
        raise Conflict("That file does not wait for this any more.", "Look at what has become of it.")
    return csv_files.sample(csv_files.opened(partial(file_stage.pieces, file_id), sheet=file.sheet)[0], rows)


def _move(file_id: int, what: Kind, was: Sequence[str] = ("checked",), **values: Any) -> None:
    """Take a file on that is in one of these states."""
    with writing() as session:
        moved = session.execute(
            update(StockFile).where(StockFile.id == file_id, StockFile.state.in_(was)).values(**values)
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        if changed_rows(moved) != 1:
            if session.get(StockFile, file_id) is None:
                raise no_such_file()
            became = session.scalar(select(StockFile.state).where(StockFile.id == file_id))
            raise Conflict(
                "That file does not wait for this any more.", BECAME.get(became or "", "Look at what has become of it.")
            )
        columns = (StockFile.name, StockFile.changed, StockFile.add_unknown, StockFile.wrong)
        row = session.execute(select(*columns).where(StockFile.id == file_id)).one()
        about = {
            "changed_items": (None, row.changed),
            "new_items_added": (False, bool(row.add_unknown)),
            "rows_left_out": (0, row.wrong),
        }
        record_change(what, About(file_id, row.name), about if what is ACCEPTED else None)


def work(file_id: int) -> None:
    """Do what a file waits for: read and stage it, or apply it. A file that another worker has claimed is left alone. Raises what is a mistake in
    Cartlink, after the file has been refused, and what says that the database is away: the next worker begins again then."""
    claim = FILES.claim(file_id, StockFile.state.in_(WAITING), FILES.free())
    if claim is None:
        return
    with reading():
        file = get_file(file_id)
        state, read = file.state, file.done
    try:
        claim.refuse_if_deadly(f"after its first {read:,} rows" if state == "uploaded" and read else "")
        if state == "uploaded":
            file_stage.stage(claim)
        else:
            file_apply.apply(claim)
    except LeaseLost:
        return
    except AppError as wrong:
        _refuse(claim, wrong)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # Left as it is, the file would be begun again and again.
        log.exception("the stock file %s ended in an unexpected error", file_id)
        _refuse(claim, Unexpected())
        raise


def _refuse(claim: Claim, wrong: AppError) -> None:
    """End a file of which nothing was applied."""
    with suppress(LeaseLost), writing():
        claim.end(state="refused", problems=[wrong.sentence()], finished_at=utcnow())
        file_stage.forget_content(claim.row_id)


def return_files() -> None:
    """Return the files of this process; see ``services.common.claims.Claimable.return_own``."""
    FILES.return_own(StockFile.state.in_(WAITING))
