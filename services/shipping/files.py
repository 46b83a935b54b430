"""Tracking numbers from a CSV or Excel file: read and checked row by row, shown, and shipped by a worker once a person accepts it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.exc import InterfaceError, OperationalError

from errors import AppError, Conflict, InvalidInput, LeaseLost, NotFound, Unexpected
from extensions import db, reading, writing
from models import ShipmentFile
from models.types import utcnow
from services.common import csv_files, whole_numbers, wrong_rows
from services.common.claims import MOST_LOST, Claim, Claimable, WorkersLost
from services.common.results import changed_rows
from services.common.wrong_rows import Layout
from services.presets import presets
from services.presets.columns import MOST_COLUMNS
from services.security import audit
from services.security.audit import About, record_change
from services.shipping import assignment, file_check, file_parts, file_rows, shipments, undo
from services.shipping import sheet as review

log = logging.getLogger(__name__)
UPLOADED = audit.kind("shipment_file.uploaded", "Shipment file uploaded")
ACCEPTED = audit.kind("shipment_file.accepted", "Shipment file accepted")
ASSIGNED = audit.kind("shipment_file.assigned", "Columns of a shipment file assigned")
UNDONE = audit.kind("shipment_file.undone", "Undo of a shipment file started")
FILES = Claimable(ShipmentFile.token, ShipmentFile.lease_until, lambda: 120, ShipmentFile.lost_workers)
MOST_BYTES = 1024 * 1024
MOST_UNPACKED = 8 * 1024 * 1024
"""Of a workbook: it is read while a person waits."""


def read_file(content: bytes, name: str, actor: str, *, sheet: str = "", ask: bool = False) -> ShipmentFile:
    """Read a file, or a sheet of it, and keep what each of its rows would do; nothing is shipped yet. With ``ask`` a person assigns the
    columns of a file whose headings are not known. Raises InvalidInput for what is no such file."""
    if len(content) > MOST_BYTES:
        raise InvalidInput("The file is larger than 1 MB.", "Split it into several.")
    layout = wrong_rows.layout(lambda: _opened(content, sheet))
    headings = layout.headings
    preset = presets.find_preset(assignment.KIND, headings)
    asks = ask and preset is None and not file_rows.is_known(headings) and 1 < len(headings) <= MOST_COLUMNS
    read_as = ""
    rows: list[dict[str, Any]] = []
    if not asks:
        chosen = None if preset is None else _assignment(headings, preset.columns, preset.options, preset.name)
        read_as, rows = file_rows.read(_opened(content, sheet), chosen)
        file_check.check(rows)
    with writing() as session:
        file = ShipmentFile(
            actor=actor, name=name[:200], rows=rows, read_as=read_as, asks=asks, content=content, sheet=sheet[:100],
            columns=None if preset is None else {"columns": preset.columns, "options": preset.options}, layout=layout.kept(),
        )  # fmt: skip
        session.add(file)
        session.flush()
        file_id = file.id
        record_change(UPLOADED, About(file_id, file.name), {"rows": (None, len(rows))}, actor)
    return get_file(file_id)


def assign(file_id: int, columns: Mapping[str, str], options: Mapping[str, Any], actor: str) -> None:
    """Read a file again with the columns that a person has assigned, and remember them for files with these headings. Raises NotFound,
    InvalidInput for columns that cannot be used, or Conflict for a file that was accepted."""
    headings = sample(file_id, 0)[0]
    options = assignment.check_preset(headings, columns, options)
    file = get_file(file_id)
    rows = file_rows.read(_opened(file.content or b"", file.sheet), _assignment(headings, columns, options, ""))[1]
    file_check.check(rows)
    name = file.name
    with writing() as session:
        changed = session.execute(
            update(ShipmentFile)
            .where(ShipmentFile.id == file_id, ShipmentFile.wanted_at.is_(None))
            .values(rows=rows, asks=False, columns={"columns": dict(columns), "options": options}, read_as="")
            .execution_options(synchronize_session=False)
        )
        if changed_rows(changed) != 1:
            raise Conflict("That file has been shipped already.", "Its orders show their shipments.")
        record_change(ASSIGNED, About(file_id, name), {"rows": (None, len(rows))}, actor)
    presets.remember(assignment.KIND, headings, columns, options, name=name, actor=actor)


def sample(file_id: int, rows: int) -> tuple[list[str], list[list[str]]]:
    """The headings of a file that is not accepted yet, and the cells of its first rows. Raises NotFound, or Conflict."""
    file = get_file(file_id)
    if file.content is None or file.wanted_at is not None:
        raise Conflict("The columns of that file cannot be changed any more.", "Choose the file again.")
    return csv_files.sample(_opened(file.content, file.sheet), rows)


def _opened(content: bytes, sheet: str) -> csv_files.Source:
    return csv_files.opened(lambda: [content], sheet=sheet, most=MOST_UNPACKED)[0]


def _assignment(
    headings: Sequence[str], columns: Mapping[str, str], options: Mapping[str, Any], name: str
) -> file_rows.Assignment:  # fmt: skip
    return file_rows.Assignment(assignment.columns_of(headings, columns), str(options.get("carrier") or ""), name)


def get_file(file_id: int) -> ShipmentFile:
    """Raises NotFound."""
    file = db.session.get(ShipmentFile, file_id, populate_existing=True)
    if file is None:
        raise no_such_file()
    return file


def no_such_file() -> NotFound:
    return NotFound("There is no such file. It was never uploaded, or it is no longer kept.")


def wrong_rows_of(file: ShipmentFile) -> tuple[Layout, list[wrong_rows.Wrong]]:
    """The rows of a file that cannot be used, each with the reason, and how they are written: as the file was, or with our own headings where
    its cells are not kept any more."""
    bad = [row for row in file.rows if row["problem"]]
    if file.layout is not None and bad and all("cells" in row for row in bad):
        shape = wrong_rows.from_kept(file.layout)
        return shape, [(f"Line {row['line']}: {row['problem']}", row["cells"]) for row in bad]
    fields = {"number": "number", "carrier": "carrier", "tracking": "tracking", "integration": "shop", "id": "id"}
    rows: list[wrong_rows.Wrong] = [
        (f"Line {row['line']}: {row['problem']}", [row.get(key, "") for key in fields.values()]) for row in bad
    ]
    return Layout(wrong_rows.CSV, list(fields)), rows


def forget_cells(before: datetime) -> None:
    """Forget the cells of rows of old files: they name customers, of other orders too."""
    with reading() as session:
        ids = list(
            session.scalars(select(ShipmentFile.id).where(ShipmentFile.created_at < before, ShipmentFile.layout.is_not(None)))
        )
    for file_id in ids:
        with writing() as session:
            file = session.get(ShipmentFile, file_id, with_for_update=True, populate_existing=True)
            if file is not None:
                without_cells(file)


def without_cells(file: ShipmentFile) -> None:
    """Call it inside ``writing()``."""
    file.layout = None
    file.rows = [{name: value for name, value in row.items() if name != "cells"} for row in file.rows]


def of_batch(name: str) -> int | None:
    """The id of the file whose shipments have this name of a batch (``ShipmentFile.batch``); None for a sheet's."""
    kind, _, number = name.partition("-")
    return whole_numbers.parse(number) if kind == "file" else None


def accept(file_id: int, *, whole: bool = False) -> None:
    """Accept a file: a worker ships its good rows, with ``whole`` also what is not in stock of their orders. Raises Conflict for one that was
    accepted already, NotFound for one that is gone."""
    waits = (ShipmentFile.wanted_at.is_(None), ShipmentFile.applied_at.is_(None), ShipmentFile.asks.is_(False))
    with writing() as session:
        accepted = session.execute(
            update(ShipmentFile)
            .where(ShipmentFile.id == file_id, *waits)
            .values(wanted_at=utcnow(), content=None)
            .execution_options(synchronize_session=False)
        )
        if changed_rows(accepted) != 1:
            if session.get(ShipmentFile, file_id) is None:
                raise no_such_file()
            raise Conflict("That file has been shipped already.", "Its orders show their shipments.")
        if whole:
            file = session.get_one(ShipmentFile, file_id, populate_existing=True)
            file.rows = file_parts.shipped_whole(file.rows)
        record_change(ACCEPTED, _about(file_id), {"shipped_whole": (None, True)} if whole else None)


def want_undo(file_id: int, actor: str) -> None:
    """Have a worker undo what a file has shipped and its shop cannot know of. Nothing of it is sent from now on, until that is done.
    Raises NotFound, or Conflict where there is nothing to undo."""
    file = get_file(file_id)
    if file.applied_at is None:
        raise Conflict(
            "That file is not shipped yet." if file.wanted_at is None else "That file is being shipped. Wait until it is done."
        )
    undo.hold_back(file.batch)
    with writing() as session:
        wanted = session.execute(
            update(ShipmentFile)
            .where(ShipmentFile.id == file_id, ShipmentFile.undo_wanted_at.is_(None))
            .values(undo_wanted_at=utcnow(), undo_actor=actor)
            .execution_options(synchronize_session=False)
        )
        if changed_rows(wanted) != 1:
            raise Conflict("That file was undone already.", "Its orders show their shipments.")
        record_change(UNDONE, _about(file_id), actor=actor)


def _about(file_id: int) -> About:
    return About(file_id, db.session.scalar(select(ShipmentFile.name).where(ShipmentFile.id == file_id)) or "")


def _waits() -> tuple[ColumnElement[bool], ...]:
    """Files that are to be shipped, or to be undone."""
    to_ship = (ShipmentFile.wanted_at.is_not(None), ShipmentFile.applied_at.is_(None))
    return (or_(and_(*to_ship), and_(ShipmentFile.undo_wanted_at.is_not(None), ShipmentFile.undone_at.is_(None))),)


def is_at_work(file: ShipmentFile) -> bool:
    """Whether a worker ships it or undoes it, or is about to."""
    ships = file.wanted_at is not None and file.applied_at is None
    return ships or (file.undo_wanted_at is not None and file.undone_at is None)


def notes_of(rows: Sequence[dict[str, Any]]) -> list[review.ShopNote]:
    """What the shops of good rows will be sent of orders that become complete, and of those to which they only add parcels."""
    complete = {row["order_id"] for row in rows if not file_parts.adds_parcel(row)} - {
        row["order_id"] for row in rows if file_parts.part_of(row)
    }
    added = {row["order_id"] for row in rows if row.get("parcel")} - {row["order_id"] for row in rows if not row.get("parcel")}
    return review.notes_of(complete, added)


def due_files() -> list[int]:
    """Accepted files that no worker has claimed, or whose worker has died."""
    with reading() as session:
        return list(session.scalars(select(ShipmentFile.id).where(*_waits(), FILES.free())))


def work(file_id: int) -> None:
    """Ship the good rows of an accepted file, or undo what a file has shipped, from where the last worker stopped. Rows that can no longer
    be shipped or undone are named. A file that another worker has claimed is left alone."""
    claim = FILES.claim(file_id, *_waits(), FILES.free())
    if claim is None:
        return
    with suppress(LeaseLost):
        if get_file(file_id).undo_wanted_at is not None:
            _undo(file_id, claim)
        else:
            _ship(file_id, claim)


def _undo(file_id: int, claim: Claim) -> None:
    """The newest first. A shipment that was tried in vain is tried again by the next worker. Where none gets further, all that are left are
    kept. Raises LeaseLost."""
    with reading():
        file = get_file(file_id)
        actor, kept = file.undo_actor, []
    lost = _lost(claim, "the undo of a shipment of this file", "Undo the shipments on the orders’ pages.")
    for shipment_id, order_id, number in undo.of_batch(file.batch):
        try:
            if lost is not None:
                raise lost
            undo.undo(shipment_id, actor, partial(claim.hold, lost_workers=0))
        except LeaseLost:
            raise
        except AppError as trouble:
            kept.append({"number": number, "order_id": order_id, "reason": trouble.sentence()})
            with writing():
                claim.hold()
    with writing():
        claim.end(undone_at=utcnow(), kept=kept)


def _ship(file_id: int, claim: Claim) -> None:
    """Raises LeaseLost."""
    with reading():
        file = get_file(file_id)
        actor, refused, done = file.actor, list(file.refused), file.done
        good = [row for row in file.rows if not row["problem"]]
    lost = _lost(claim, "this row, so it was left out", "Ship the order on its page.")
    first = {row["order_id"]: row["tracking"] for row in good if not row.get("parcel")}
    for row in good[done:]:
        done += 1
        hold = partial(claim.hold, done=done, lost_workers=0)
        try:
            if lost is not None:
                # It is the first row that has cost the workers: each that is done begins a new count.
                raise lost
            act = file_parts.act_of(row, first.get(row["order_id"], ""))
            together = shipments.Together(undo.WAIT, file.batch, hold)
            act(row["order_id"], actor, carrier=row["carrier"], tracking_number=row["tracking"], together=together)
        except LeaseLost:
            raise
        except AppError as trouble:
            _leave_out(refused, row, trouble, hold)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            # Nothing of this row was stored. Left to the next worker, it would end the file there again and again.
            log.exception("the order of line %s of the shipment file %s was not shipped", row["line"], file_id)
            _leave_out(refused, row, Unexpected(), hold)
        lost = None
    # All of it has the same time to be undone, however long it was.
    undo.hold_back(file.batch, undo.WAIT)
    with writing():
        claim.end(applied_at=utcnow())


def _lost(claim: Claim, what: str, advice: str) -> WorkersLost | None:
    """That so many workers in a row have ended in the middle of this that the next one would hardly survive it; None if they have not."""
    with reading():
        lost = get_file(claim.row_id).lost_workers
    ended = f"{lost} workers in a row ended in the middle of {what}."
    return WorkersLost(ended, f"{advice} If that fails too, ask the person who runs Cartlink.") if lost >= MOST_LOST else None


def _leave_out(refused: list[dict[str, Any]], row: dict[str, Any], trouble: AppError, hold: Callable[..., None]) -> None:
    number = row["number"] or row.get("id", "")
    refused.append({"line": row["line"], "number": number, "order_id": row["order_id"], "reason": trouble.sentence()})
    with writing():
        hold(refused=refused)


def return_files() -> None:
    """Return the files of this process; see ``services.common.claims.Claimable.return_own``."""
    FILES.return_own(*_waits())
