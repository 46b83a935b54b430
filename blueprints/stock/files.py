"""Stock files: upload, preview and import. A worker reads and applies them, the page polls its progress."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.downloads import download
from blueprints.files import chosen_sheet, csv_file, uploaded
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from errors import InvalidInput, QueueAway
from jobs.stock_files import enqueue_file
from services.stock import files

FORM_BYTES = 64 * 1024
"""Bytes of the form around the file."""
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
        content, name = uploaded("file", files.MOST_BYTES)
        file_id = files.upload(content, name, current_actor(), sheet=chosen_sheet())
    except InvalidInput as wrong:
        return render_template("stock/upload.html", wrong=wrong, files=files.list_files()), 422
    _enqueue(file_id)
    return go_to(url_for(".show_file", file_id=file_id))


@bp.get("/<int:file_id>")
def show_file(file_id: int) -> str | Response:
    file = files.get_file(file_id)
    changes = unknown = []
    if file.state == "checked":
        changes, unknown = files.preview_rows(file_id, unknown=False), files.preview_rows(file_id, unknown=True)
    shown: dict[str, Any] = {"file": file, "changes": changes, "unknown": unknown, "live": file.state in ("uploaded", "wanted")}
    if wants_fragment("stock-file"):
        return fragment("stock/_file.html", **shown)
    return render_template("stock/file.html", **shown)


@bp.get("/<int:file_id>/<any('changes', 'unknown'):what>.csv")
@download
def download_rows(file_id: int, what: str) -> Response:
    rows = (row for batch in files.iter_preview(file_id, unknown=what == "unknown") for row in batch)
    return csv_file(f"{what}.csv", ("line", "sku", "now", "quantity"), rows)


@bp.post("/<int:file_id>/accept")
def accept(file_id: int) -> Response | AnyResponse:
    files.accept(file_id, request.form.get("unknown") == "add")
    _enqueue(file_id)
    return go_to(url_for(".show_file", file_id=file_id))


@bp.post("/<int:file_id>/drop")
def drop(file_id: int) -> Response | AnyResponse:
    files.drop(file_id)
    toast("The file was discarded. Nothing was changed.", "info")
    return go_to(url_for(".show_upload"))


def _enqueue(file_id: int) -> None:
    with suppress(QueueAway):
        enqueue_file(file_id)
