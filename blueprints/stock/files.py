"""Files of quantities: uploaded, read by a worker with progress, shown, applied."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.files import csv_file, uploaded
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from errors import InvalidInput, QueueAway
from jobs.stock_files import enqueue_file
from services import stock_files

FORM_BYTES = 64 * 1024
"""What a browser sends round the file."""
bp = Blueprint("stock_files", __name__, url_prefix="/stock/files")


@bp.url_value_preprocessor
def allow_large_files(endpoint: str | None, values: dict[str, object] | None) -> None:
    """The upload takes more than other pages do. It is said before the form's token is looked for in what was sent, and taken
    back where nobody is signed in (blueprints/access.py)."""
    if endpoint == "stock_files.upload":
        request.max_content_length = stock_files.MOST_BYTES + FORM_BYTES


@bp.get("")
def show_upload() -> str:
    return render_template("stock/upload.html", wrong=None, files=stock_files.list_files())


@bp.post("")
def upload() -> tuple[str, int] | Response | AnyResponse:
    try:
        content, name = uploaded("file", stock_files.MOST_BYTES)
        file_id = stock_files.upload(content, name, current_actor())
    except InvalidInput as wrong:
        return render_template("stock/upload.html", wrong=wrong, files=stock_files.list_files()), 422
    _enqueue(file_id)
    return go_to(url_for(".show_file", file_id=file_id))


@bp.get("/<int:file_id>")
def show_file(file_id: int) -> str | Response:
    file = stock_files.get_file(file_id)
    changes = unknown = []
    if file.state == "checked":
        changes, unknown = stock_files.preview_rows(file_id, unknown=False), stock_files.preview_rows(file_id, unknown=True)
    shown = {"file": file, "changes": changes, "unknown": unknown, "live": file.state in ("uploaded", "wanted")}
    if wants_fragment("stock-file"):
        return fragment("stock/_file.html", **shown)
    return render_template("stock/file.html", **shown)


@bp.get("/<int:file_id>/<any('changes', 'unknown'):what>.csv")
def download_rows(file_id: int, what: str) -> Response:
    rows = stock_files.preview_rows(file_id, unknown=what == "unknown", limit=None)
    return csv_file(f"{what}.csv", ("line", "sku", "now", "quantity"), rows)


@bp.post("/<int:file_id>/accept")
def accept(file_id: int) -> Response | AnyResponse:
    stock_files.accept(file_id, request.form.get("unknown") == "add")
    _enqueue(file_id)
    return go_to(url_for(".show_file", file_id=file_id))


@bp.post("/<int:file_id>/drop")
def drop(file_id: int) -> Response | AnyResponse:
    stock_files.drop(file_id)
    toast("The file was dropped; nothing was changed.", "info")
    return go_to(url_for(".show_upload"))


def _enqueue(file_id: int) -> None:
    with suppress(QueueAway):
        enqueue_file(file_id)
