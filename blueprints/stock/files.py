"""Stock files: upload, preview and import. A worker reads and applies them, the page polls its progress."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.column_choice import ROWS, Choice, column_page, is_preview
from blueprints.downloads import download
from blueprints.files import chosen_sheet, csv_file, uploaded_text, wrong_rows_file
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.stock.quantity_columns import posted_choice, shown_choice
from errors import InvalidInput, QueueAway
from jobs.stock_files import enqueue_file
from models import StockFile
from services.common import wrong_rows
from services.stock import file_columns, file_results, file_rows, file_undo, files

FORM_BYTES = 64 * 1024
"""Bytes of the form around the file."""
SHOWN = 100
"""Rows of each table of the preview."""
NAMED = 5
"""Stock items that the preview names of those with less than is reserved."""
bp = Blueprint("stock_files", __name__, url_prefix="/stock/files")


@bp.url_value_preprocessor
def allow_large_files(endpoint: str | None, values: dict[str, object] | None) -> None:
    """The upload accepts more than other pages. The limit is set before the form is parsed for its token, and lowered
    again without a sign-in (blueprints/access.py)."""
    if endpoint == "stock_files.upload":
        request.max_content_length = files.MOST_BYTES + FORM_BYTES


@bp.get("")
def show_upload() -> str:
    return render_template("stock/upload.html", wrong=None, files=files.list_files())


@bp.post("")
def upload() -> tuple[str, int] | Response | AnyResponse:
    try:
        content, name = uploaded_text("file", files.MOST_BYTES)
        file_id = files.upload(content, name, current_actor(), sheet=chosen_sheet(), ask=True)
    except InvalidInput as wrong:
        return render_template("stock/upload.html", wrong=wrong, files=files.list_files()), 422
    _enqueue(file_id)
    asks = files.get_file(file_id).state == "columns"
    return go_to(url_for(".assign_columns" if asks else ".show_file", file_id=file_id))


@bp.route("/<int:file_id>/columns", methods=["GET", "POST"])
def assign_columns(file_id: int) -> Response | AnyResponse:
    headings, rows = files.sample(file_id, ROWS)
    file = files.get_file(file_id)
    choice = posted_choice() if request.method == "POST" else _present(file, headings)
    if not is_preview() and choice.wrong is None:
        try:
            files.assign(file_id, choice.chosen, choice.options, current_actor())
        except InvalidInput as wrong:
            choice = Choice(choice.chosen, choice.options, wrong)
        else:
            _enqueue(file_id)
            return go_to(url_for(".show_file", file_id=file_id))
    read = partial(file_columns.sample, headings, rows, most=file_rows.MOST)
    return column_page(
        "stock/columns.html", headings, file_columns.FIELDS, choice, read, file=file, preview=is_preview(), form_url=request.path
    )


def _present(file: StockFile, headings: list[str]) -> Choice:
    """What is assigned, or what fits best."""
    return shown_choice(file.columns or {"columns": file_columns.suggest(headings)})


@bp.get("/<int:file_id>")
def show_file(file_id: int) -> str | Response:
    file = files.get_file(file_id)
    shown: dict[str, Any] = {
        "file": file,
        "live": file.state in ("uploaded", "wanted"),
        "silent": files.is_silent(file),
        **_preview(file),
    }
    if wants_fragment("stock-file"):
        return fragment("stock/_file.html", **shown)
    return render_template("stock/file.html", **shown)


def _preview(file: StockFile) -> dict[str, Any]:
    """The first rows of what a file would do, by title, and those that cannot be used."""
    tables = []
    if file.state == "applied":
        rows = file_results.preview_rows(file.id, "applied", SHOWN)
        tables = [{"what": "applied", "title": "What changed", "total": file.changed, "rows": rows}] if rows else []
    if file.state == "checked":
        kinds = (
            ("zeroed", "Set to 0", file.zeroed), ("lowered", "Lower than now", file.lowered), ("raised", "Higher than now", file.raised),
            # A file that was read before these were kept apart.
            ("changes", "Would change", file.changed - file.zeroed - file.lowered - file.raised), ("unknown", "Unknown SKUs", file.unknown),
        )  # fmt: skip
        tables = [
            {"what": what, "title": title, "total": total, "rows": file_results.preview_rows(file.id, what, SHOWN)}
            for what, title, total in kinds
            if total
        ]
    undoable, why_not, undone_by = file_undo.undoable(file)
    kept = file.wrong and file.layout is not None and file.state != "dropped"
    again = file.state == "refused" and files.can_be_read_again(file.id)
    return {
        "again": again,
        "undoable": undoable,
        "why_not": why_not,
        "undone_by": undone_by,
        "kept_items": file_undo.kept_items(file),
        "tables": tables,
        "below_reserved": file_results.below_reserved(file.id, NAMED) if file.state == "checked" else (0, []),
        "wrong": file_results.wrong_rows(file.id, SHOWN) if kept else [],
        "most_kept": wrong_rows.MOST,
    }


@bp.get("/<int:file_id>/<any('changes', 'zeroed', 'lowered', 'raised', 'unknown', 'applied'):what>.csv")
@download
def download_rows(file_id: int, what: str) -> Response:
    rows = (row for batch in file_results.iter_preview(file_id, what) for row in batch)
    return csv_file(f"{what}.csv", ("line", "sku", "before" if what == "applied" else "now", "quantity"), rows)


@bp.get("/<int:file_id>/rows-with-problems")
@download
def download_wrong_rows(file_id: int) -> Response:
    return wrong_rows_file(files.get_file(file_id).layout, file_results.iter_wrong(file_id))


@bp.post("/<int:file_id>/accept")
def accept(file_id: int) -> Response | AnyResponse:
    files.accept(file_id, request.form.get("unknown") == "add")
    _enqueue(file_id)
    return go_to(url_for(".show_file", file_id=file_id))


@bp.post("/<int:file_id>/drop")
def drop(file_id: int) -> Response | AnyResponse:
    files.drop(file_id)
    undone_id = files.get_file(file_id).undoes_id
    if undone_id is not None:
        toast("The undo was discarded. Nothing was changed.", "info")
        return go_to(url_for(".show_file", file_id=undone_id))
    toast("The file was discarded. Nothing was changed. To import it after all, choose it again.", "info")
    return go_to(url_for(".show_upload"))


@bp.post("/<int:file_id>/undo")
def undo_file(file_id: int) -> Response | AnyResponse:
    """Opens the file that takes this one back: nothing is changed before a person has seen what it would do."""
    made = file_undo.undo_file(file_id, current_actor())
    _enqueue(made)
    return go_to(url_for(".show_file", file_id=made))


def _enqueue(file_id: int) -> None:
    with suppress(QueueAway):
        enqueue_file(file_id)
