"""Tracking numbers imported from a CSV or Excel file: uploaded, shown with each row's problem, then shipped by a worker."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.column_choice import ROWS, Choice, column_page, is_preview, posted_columns
from blueprints.downloads import download
from blueprints.files import chosen_sheet, uploaded_text, wrong_rows_file
from blueprints.htmx import fragment, go_to, wants_fragment
from blueprints.shipping.batches import about_batch
from errors import InvalidInput, QueueAway
from jobs.shipment_files import enqueue_shipments
from models import ShipmentFile
from services.shipping import assignment, batches, carriers, customer_mails, file_check, file_parts, files
from services.shipping.same_numbers import same_numbers

bp = Blueprint("shipment_files", __name__, url_prefix="/orders/tracking-numbers")
PAGE = 200


@bp.get("")
def show_upload() -> str:
    return render_template("shipping/upload.html", wrong=None)


@bp.post("")
def upload() -> str | tuple[str, int] | Response | AnyResponse:
    try:
        content, name = uploaded_text("file", files.MOST_BYTES)
        file = files.read_file(content, name, current_actor(), sheet=chosen_sheet(), ask=True)
    except InvalidInput as wrong:
        return render_template("shipping/upload.html", wrong=wrong), 422
    return go_to(url_for(".assign_columns" if file.asks else ".show_file", file_id=file.id))


@bp.route("/<int:file_id>/columns", methods=["GET", "POST"])
def assign_columns(file_id: int) -> Response | AnyResponse:
    headings, rows = files.sample(file_id, ROWS)
    file = files.get_file(file_id)
    choice = _posted() if request.method == "POST" else _present(file, headings)
    if not is_preview():
        try:
            files.assign(file_id, choice.chosen, choice.options, current_actor())
        except InvalidInput as wrong:
            choice = Choice(choice.chosen, choice.options, wrong)
        else:
            return go_to(url_for(".show_file", file_id=file_id))
    shown = {"file": file, "carriers": carriers.list_carriers(), "preview": is_preview(), "form_url": request.path}
    return column_page(
        "shipping/columns.html", headings, assignment.FIELDS, choice, partial(assignment.sample, headings, rows), **shown
    )


def _present(file: ShipmentFile, headings: list[str]) -> Choice:
    """What is assigned, or what fits best."""
    kept = file.columns or {"columns": assignment.suggest(headings), "options": {"carrier": ""}}
    return Choice({field.name: kept["columns"].get(field.name, "") for field in assignment.FIELDS}, kept["options"])


def _posted() -> Choice:
    return Choice(posted_columns(assignment.FIELDS), {"carrier": request.form.get("carrier", "").strip()})


@bp.get("/<int:file_id>")
def show_file(file_id: int) -> str | Response | AnyResponse:
    file = files.get_file(file_id)
    if file.asks:
        return go_to(url_for(".assign_columns", file_id=file_id))
    shown = _shown(file)
    if wants_fragment("shipment-file"):
        return fragment("shipping/_file.html", **shown)
    return render_template("shipping/file.html", **shown)


def _shown(file: ShipmentFile) -> dict[str, Any]:
    """What the page of a file shows: before it is shipped with what the shops will be sent, and numbers that several orders have."""
    good = [row for row in file.rows if not row["problem"]]
    parcels = sum(file_parts.adds_parcel(row) for row in good)
    places = ((row["tracking"], row["order_id"], f"order {row['number'] or row.get('id')} (line {row['line']})") for row in good)
    return {
        "file": file, "good": good, "bad": [row for row in file.rows if row["problem"]], "most": PAGE, "causes": file_check.causes(file.rows), "live": files.is_at_work(file),
        "shipped": None if file.applied_at is None else _shipped(file), "notes": [] if file.wanted_at else files.notes_of(good),
        "short": [row for row in good if row.get("part")],
        "out_of_stock": [row for row in good if not file.wanted_at and file_parts.has_nothing_in_stock(row)],
        "parcels": parcels, "orders": len(good) - parcels, "does": file_parts.sentence,
        "same": [] if file.wanted_at else same_numbers(places), "untracked": [row for row in good if not file.wanted_at and not row["tracking"]],
    }  # fmt: skip


def _shipped(file: ShipmentFile) -> dict[str, object] | None:
    """The banner about what the file has shipped."""
    batch = batches.find_batch(file.batch)
    return None if batch is None else about_batch(batch, url_for(".show_file", file_id=file.id))


@bp.post("/<int:file_id>/undo")
def undo_file(file_id: int) -> Response | AnyResponse:
    files.want_undo(file_id, current_actor())
    with suppress(QueueAway):
        enqueue_shipments(file_id)
    return go_to(url_for(".show_file", file_id=file_id))


@bp.get("/<int:file_id>/problems.csv")
@download
def download_problems(file_id: int) -> Response:
    layout, rows = files.wrong_rows_of(files.get_file(file_id))
    return wrong_rows_file(layout.kept(), rows)


@bp.post("/<int:file_id>")
def accept(file_id: int) -> Response | AnyResponse:
    files.accept(file_id, whole=request.form.get("pieces") == "whole")
    customer_mails.note_warning_shown([row["order_id"] for row in files.get_file(file_id).rows if not row["problem"]])
    with suppress(QueueAway):
        enqueue_shipments(file_id)
    return go_to(url_for(".show_file", file_id=file_id))
