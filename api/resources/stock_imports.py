"""``stock-imports``: files of quantities. One is uploaded, read and shown row by row, and applied at once when it is approved."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from msgspec import Meta, Struct
from sqlalchemy import select

from api.operations import Call, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.shapes import Body
from errors import Conflict, InvalidInput, QueueAway
from extensions import db
from jobs.stock_files import enqueue_file
from models import StockFile, StockFileRow, StockFileWrongRow
from services.common import workbooks, wrong_rows
from services.stock import file_results, file_undo, files

CALLED = {"wanted": "approved", "dropped": "discarded"}
"""States that have another name here."""
JSON_LINES = "application/x-ndjson"
EXCEL = wrong_rows.TYPES[wrong_rows.EXCEL]
TYPES = ("text/csv", EXCEL, JSON_LINES)


class Cause(Struct):
    """How many ``rows`` have a ``cause``."""

    cause: str
    rows: int


class StockImport(Struct):
    """``state`` is columns (a person has to say which column holds what, on the page of the file), uploaded (it is being read), checked (it
    waits for approval), approved (it is being applied), applied, refused (no row can be used, and nothing is changed) or discarded.

    Of the ``changed`` items ``zeroed`` are set to 0, ``raised`` and ``lowered`` otherwise. ``unknown`` rows name no stock item. ``wrong`` rows cannot be
    used and are left out: ``problems`` names the first thousand, ``causes`` says how many have each cause. ``undoes_import_id`` is the file that this
    one takes back; its quantities are worked out again when it is applied."""

    id: str
    name: str
    state: str
    actor: str
    created_at: datetime
    finished_at: datetime | None
    done: int
    total: int
    changed: int
    zeroed: int
    raised: int
    lowered: int
    unchanged: int
    unknown: int
    wrong: int
    problems: list[str]
    causes: list[Cause]
    undoes_import_id: str | None = None


class StockImportRow(Struct):
    """``on_hand`` is what was on hand when the file was read, or applied; null for an unknown SKU. ``result`` is changed, unchanged, unknown, or added
    (a stock item that was created)."""

    id: str
    line: int
    sku: str
    quantity: int
    on_hand: int | None
    result: str


class StockImportWrongRow(Struct):
    """A row that cannot be used. ``cells`` are as they stand in the file, in the order of ``headings``; a row of JSON lines is one cell."""

    id: str
    line: int
    cause: str
    reason: str
    headings: list[str]
    cells: list[str]


class UploadQuery(Struct, kw_only=True):
    name: Annotated[str, Meta(max_length=200, description="What people see as the file's name.")] = ""
    sheet: Annotated[str, Meta(max_length=100, description="The sheet of an Excel workbook; the first by default.")] = ""


class RowsQuery(ListQuery, kw_only=True):
    result: Literal["changed", "unchanged", "unknown", "added"] | None = None


class StockImportApproval(Body):
    """With ``add_unknown``, stock items are created for unknown SKUs; else these rows are left out. A file with ``wrong`` rows is applied without
    them only with ``skip_wrong``."""

    add_unknown: bool = False
    skip_wrong: bool = False


@operation(
    "POST", "/stock-imports", "Upload a file of quantities, of up to 16 MB: CSV or an Excel workbook with the columns sku and quantity, or JSON lines with these fields",
    scope="stock:write", role="manager", query=UploadQuery, media_types=TYPES, most_bytes=files.MOST_BYTES, answers={202: StockImport},
)  # fmt: skip
def create_stock_import(call: Call) -> Reply:
    _check_type(call.body, call.media_type)
    return _accepted(files.upload(call.body, call.query.name or call.holder.name, call.actor, sheet=call.query.sheet))


@operation(
    "GET",
    "/stock-imports",
    "List files of quantities, newest first",
    scope="stock:read",
    query=ListQuery,
    answers={200: Page[StockImport]},
)
def list_stock_imports(call: Call) -> Reply:
    return list_page(call, select(StockFile.id), [StockFile.id], _load, newest=True)


@operation("GET", "/stock-imports/<int:import_id>", "Get a file of quantities", scope="stock:read", answers={200: StockImport})
def get_stock_import(call: Call, import_id: int) -> StockImport:
    return _shown(files.get_file(import_id))


@operation(
    "GET", "/stock-imports/<int:import_id>/rows", "List what a file of quantities changes, row by row; for a week after it was applied",
    scope="stock:read", query=RowsQuery, answers={200: Page[StockImportRow]},
)  # fmt: skip
def list_stock_import_rows(call: Call, import_id: int) -> Reply:
    files.get_file(import_id)
    query = select(StockFileRow.id).where(StockFileRow.file_id == import_id)
    if call.query.result is not None:
        query = query.where(call.query.result == file_results.RESULT)
    return list_page(call, query, [StockFileRow.id], _rows, newest=False)


@operation(
    "GET", "/stock-imports/<int:import_id>/wrong-rows", "List the rows of a file of quantities that cannot be used; for a week after it was applied",
    scope="stock:read", query=ListQuery, answers={200: Page[StockImportWrongRow]},
)  # fmt: skip
def list_stock_import_wrong_rows(call: Call, import_id: int) -> Reply:
    layout = files.get_file(import_id).layout or {}
    query = select(StockFileWrongRow.id).where(StockFileWrongRow.file_id == import_id)
    return list_page(call, query, [StockFileWrongRow.id], partial(_wrong_rows, layout.get("headings", [])), newest=False)


@operation(
    "POST", "/stock-imports/<int:import_id>/approve", "Apply a file of quantities that was checked", scope="approvals:write", role="manager",
    body=StockImportApproval, answers={202: StockImport},
)  # fmt: skip
def approve_stock_import(call: Call, import_id: int) -> Reply:
    file = files.get_file(import_id)
    if file.state == "checked" and file.wrong and not call.body.skip_wrong:
        raise Conflict(f"{file.wrong} rows of the file cannot be used.", "Correct them, or approve the others with skip_wrong.")
    files.accept(import_id, call.body.add_unknown)
    return _accepted(import_id)


@operation(
    "POST", "/stock-imports/<int:import_id>/discard", "Discard a file of quantities that was checked", scope="approvals:write", role="manager",
    answers={200: StockImport},
)  # fmt: skip
def discard_stock_import(call: Call, import_id: int) -> StockImport:
    files.drop(import_id)
    return _shown(files.get_file(import_id))


@operation(
    "POST", "/stock-imports/<int:import_id>/undo",
    "Upload the file that takes back an applied file of quantities, up to a week after it; approve it as any other", scope="stock:write", role="manager",
    answers={202: StockImport},
)  # fmt: skip
def undo_stock_import(call: Call, import_id: int) -> Reply:
    return _accepted(file_undo.undo_file(import_id, call.actor))


def _check_type(content: bytes, media_type: str) -> None:
    """Files are known by their beginning. Raises InvalidInput where that is not what the program says."""
    is_json = content.lstrip(b"\xef\xbb\xbf \t").startswith(b"{")
    found = JSON_LINES if is_json else EXCEL if content.startswith(workbooks.START) else "text/csv"
    if media_type != found:
        raise InvalidInput(
            f"The body is not {media_type}.", f"Send JSON lines as {JSON_LINES}, CSV as text/csv, and Excel workbooks as {EXCEL}."
        )


def _accepted(import_id: int) -> Reply:
    """The row is stored: where the queue is away, a tick enqueues it later."""

    def follow() -> None:
        with suppress(QueueAway):
            enqueue_file(import_id)

    return Reply(_shown(files.get_file(import_id)), 202, {"Location": f"/api/v1/stock-imports/{import_id}"}, after=follow)


def _load(ids: Sequence[int]) -> dict[int, StockImport]:
    return {row.id: _shown(row) for row in db.session.scalars(select(StockFile).where(StockFile.id.in_(ids)))}


def _shown(row: StockFile) -> StockImport:
    return StockImport(
        str(row.id), row.name, CALLED.get(row.state, row.state), row.actor, row.created_at, row.finished_at, row.done, row.total, row.changed,
        row.zeroed, row.raised, row.lowered, row.unchanged, row.unknown, row.wrong, row.problems, [Cause(*each) for each in row.causes],
        None if row.undoes_id is None else str(row.undoes_id),
    )  # fmt: skip


def _wrong_rows(headings: list[str], ids: Sequence[int]) -> dict[int, StockImportWrongRow]:
    found = db.session.scalars(select(StockFileWrongRow).where(StockFileWrongRow.id.in_(ids)))
    return {row.id: StockImportWrongRow(str(row.id), row.line, row.cause, row.problem, headings, row.cells) for row in found}


def _rows(ids: Sequence[int]) -> dict[int, StockImportRow]:
    query = select(StockFileRow, file_results.RESULT).where(StockFileRow.id.in_(ids))
    return {
        row.id: StockImportRow(str(row.id), row.line, row.sku, row.quantity, row.before, result)
        for row, result in db.session.execute(query)
    }
