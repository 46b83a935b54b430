"""Read an uploaded file of quantities row by row, as a worker does: good rows are staged, wrong ones are kept with their reason and counted by
cause, and what applying the good ones would do is summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

from sqlalchemy import case, delete, func, insert, select, true, update

from errors import InvalidInput
from extensions import db, reading, writing
from models import StockFile, StockFilePart, StockFileRow, StockFileWrongRow, StockItem
from models.types import utcnow
from services.common import csv_files, wrong_rows
from services.common.batches import batches
from services.common.claims import Claim
from services.common.deadlocks import retry_on_deadlock
from services.common.wrong_rows import Layout, Room
from services.stock import file_columns, file_rows, skus
from services.stock.file_columns import Plan

CHUNK = 2000
MOST_WRONG = 1000
"""Wrong rows that a file's list of problems names."""
IN_ONE_STATEMENT = 500
Opened = Callable[[], csv_files.Source]
"""Opens the file from its beginning."""


def pieces(file_id: int) -> Iterator[bytes]:
    """The uploaded bytes, one piece in memory at a time, with no transaction open while it is worked on."""
    for position in count():
        with reading():
            piece = db.session.scalar(
                select(StockFilePart.content).where(StockFilePart.file_id == file_id, StockFilePart.position == position)
            )
        if piece is None:
            return
        yield piece


def forget_content(file_id: int) -> None:
    """Delete what was read of a file and its bytes. Call it inside ``writing()``."""
    tables: list[Any] = [StockFileRow, StockFilePart, StockFileWrongRow]
    for table in tables:
        db.session.execute(delete(table).where(table.file_id == file_id).execution_options(synchronize_session=False))


class _Wrong:
    """The wrong rows of a file: counted by cause, the first ones named, and kept as long as there is room."""

    def __init__(self, file_id: int) -> None:
        self.file_id, self.room = file_id, Room()
        self.count = 0
        self.causes: Counter[str] = Counter()
        self.named: list[tuple[int, str]] = []

    def add(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """Count a row. Returns it as a row of StockFileWrongRow where it is to be kept, else nothing."""
        self.count += 1
        self.causes[row["cause"]] += 1
        if len(self.named) < MOST_WRONG:
            self.named.append((row["line"], row["problem"]))
        if not self.room.takes(row["cells"]):
            return []
        return [{name: row[name] for name in ("line", "cause", "problem", "cells")} | {"file_id": self.file_id}]

    def summary(self) -> dict[str, Any]:
        """As columns of StockFile."""
        problems = [f"Line {line}: {problem}" for line, problem in sorted(self.named)]
        return {"wrong": self.count, "problems": problems, "causes": self.causes.most_common()}


def stage(claim: Claim) -> None:
    """Read an uploaded file, so that it waits for a person: for its approval, or for its columns. Raises InvalidInput for a file that is wrong as
    a whole, or LeaseLost."""
    file_id = claim.row_id
    with writing() as session:
        claim.hold(done=0, total=0)
        for table in (StockFileRow, StockFileWrongRow):
            session.execute(delete(table).where(table.file_id == file_id))
    with reading() as session:
        file = session.get_one(StockFile, file_id, populate_existing=True)
        sheet, assigned = file.sheet, file.columns

    def opened() -> csv_files.Source:
        return csv_files.opened(partial(pieces, file_id), sheet=sheet)[0]

    if assigned is None:
        assigned = _looked_up(claim, opened)
        if assigned is None:
            return
    layout = _layout(opened)
    plan = file_columns.plan(layout.headings, assigned)
    wrong = _read(claim, opened, plan, csv_files.opened(partial(pieces, file_id), sheet=sheet)[1])
    _link(claim)
    _leave_out(claim, wrong, partial(file_rows.cells_of, opened(), plan), _fed_lines(file_id), file_rows.FED)
    with reading() as session:
        good = session.scalar(select(StockFileRow.id).where(StockFileRow.file_id == file_id).limit(1))
    if not good and not wrong.count:
        raise InvalidInput("The file has no rows.", "Give it one row for each SKU.")
    with writing():
        claim.hold(layout=layout.kept(), **wrong.summary())
    if good:
        _sum_up(claim)
    else:
        _refuse(claim)


def _refuse(claim: Claim) -> None:
    """No row can be used. It may be the columns that are wrong, so the bytes are kept for a person to change these; of everybody only those of
    their newest refused file."""
    with writing() as session:
        claim.end(state="refused", finished_at=utcnow())
        actor = select(StockFile.actor).where(StockFile.id == claim.row_id).scalar_subquery()
        others = select(StockFile.id).where(StockFile.actor == actor, StockFile.state == "refused", StockFile.id != claim.row_id)
        session.execute(
            delete(StockFilePart).where(StockFilePart.file_id.in_(others)).execution_options(synchronize_session=False)
        )


def _layout(opened: Opened) -> Layout:
    if file_rows.is_json_lines(opened()):
        return Layout(wrong_rows.JSON_LINES, ())
    return wrong_rows.layout(opened)


def _read(claim: Claim, opened: Opened, plan: Plan, lines: int) -> _Wrong:
    """Stage the good rows and keep the others. Raises InvalidInput, or LeaseLost."""
    wrong, file_id, done = _Wrong(claim.row_id), claim.row_id, 0
    firsts: set[int] = set()
    for chunk in _chunks(file_rows.read(opened(), plan)):
        done += len(chunk)
        bad = [row for row in chunk if row["problem"]]
        firsts |= {row["first"] for row in bad if row["first"]}
        kept = [each for row in bad for each in wrong.add(row)]
        good = [{**row, "file_id": file_id} for row in chunk if not row["problem"]]
        with writing() as session:
            claim.hold(done=done, total=max(lines, done), wrong=wrong.count)
            if good:
                session.execute(insert(StockFileRow.__table__), good)
            if kept:
                session.execute(insert(StockFileWrongRow.__table__), kept)
    # Of rows with one SKU nobody knows which is right: the first one is left out too.
    _leave_out(claim, wrong, partial(file_rows.cells_of, opened(), plan), firsts, file_rows.TWICE)
    return wrong


def _leave_out(
    claim: Claim, wrong: _Wrong, cells_of: Callable[[set[int]], Iterator[Any]], lines: set[int], cause: str
) -> None:  # fmt: skip
    """Take rows that were staged among the wrong ones. Raises LeaseLost."""
    file_id, row = claim.row_id, StockFileRow
    staged: set[int] = set()
    for batch in batches(sorted(lines), IN_ONE_STATEMENT):
        of_file = (row.file_id == file_id, row.line.in_(batch))
        with writing() as session:
            claim.hold()
            staged |= set(session.scalars(select(row.line).where(*of_file)))
            session.execute(delete(row).where(*of_file).execution_options(synchronize_session=False))
    if not staged:
        return
    for found in _chunks(cells_of(staged)):
        rows = [
            {"line": line, "cause": cause, "problem": file_rows.SAID[cause](sku), "cells": cells} for line, sku, cells in found
        ]
        kept = [each for row in rows for each in wrong.add(row)]
        with writing() as session:
            claim.hold(wrong=wrong.count)
            if kept:
                session.execute(insert(StockFileWrongRow.__table__), kept)


def _fed_lines(file_id: int) -> set[int]:
    """The rows that would change what is on hand of fed stock items."""
    row = StockFileRow
    which = (row.file_id == file_id, StockItem.id == row.stock_item_id, StockItem.fed == true(), row.before != row.quantity)
    with reading() as session:
        return set(session.scalars(select(row.line).where(*which)))


def _looked_up(claim: Claim, opened: Opened) -> dict[str, Any] | None:
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


def _chunks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@retry_on_deadlock
def _link(claim: Claim) -> None:
    """Find each row's stock item and what it has on hand now."""
    row, item = StockFileRow, StockItem
    with writing() as session:
        for column, value in ((row.stock_item_id, item.id), (row.before, item.on_hand)):
            found = select(value).where(skus.same_sku(item, row)).limit(1).scalar_subquery()
            session.execute(
                update(row).where(row.file_id == claim.row_id).values({column: found})
                .execution_options(synchronize_session=False)
            )  # fmt: skip
        claim.hold()


@retry_on_deadlock
def _sum_up(claim: Claim) -> None:
    """Sum up what applying would do; the file then waits for a person."""
    with writing() as session:
        counted = session.execute(_sums(StockFileRow).where(StockFileRow.file_id == claim.row_id)).one()
        whole, unknown, zeroed, raised, lowered = (int(each or 0) for each in counted)
        changed = zeroed + raised + lowered
        claim.end(
            state="checked", unknown=unknown, changed=changed, unchanged=whole - unknown - changed, total=whole, done=whole,
            zeroed=zeroed, raised=raised, lowered=lowered,
        )  # fmt: skip


def _sums(row: type[StockFileRow]) -> Any:
    known = row.stock_item_id.is_not(None)
    wheres = (
        row.stock_item_id.is_(None), known & (row.quantity == 0) & (row.before != 0), known & (row.quantity > row.before),
        known & (row.quantity < row.before) & (row.quantity != 0),
    )  # fmt: skip
    return select(func.count(), *(func.sum(case((where, 1), else_=0)) for where in wheres))
