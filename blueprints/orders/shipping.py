"""Shipping: one order or some of its lines, and many by CSV with a preview."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor, may_see_customers
from blueprints.files import csv_file, uploaded
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from errors import AppError, InvalidInput, QueueAway
from jobs.schedule import start_due_runs
from jobs.shipment_files import enqueue_shipments
from services import desk_settings, order_desk, shipment_files, shipments

bp = Blueprint("shipping", __name__, url_prefix="/orders")
PAGE = 200


@bp.post("/<int:order_id>/ship")
def ship_order(order_id: int) -> str | tuple[str, int] | Response | AnyResponse:
    try:
        pieces = _pieces()
        done = shipments.ship(
            order_id, current_actor(), carrier=request.form.get("carrier", ""), tracking_number=request.form.get("tracking", ""),
            quantities=pieces,
        )  # fmt: skip
    except AppError as wrong:
        page = order_desk.order_page(order_id, with_customers=may_see_customers())
        return render_template("orders/order.html", page=page, wrong=wrong, typed=request.form), wrong.status
    desk_settings.note_mail_told([order_id])
    start_due_runs()
    told = "the shop is being told." if done.told else "the shop is told when the rest has been shipped."
    toast(f"Shipped; {told}")
    return go_to(url_for("order.show_order", order_id=order_id))


def _pieces() -> dict[int, int]:
    """Pieces by line id. Raises InvalidInput."""
    pieces: dict[int, int] = {}
    for name, text in request.form.items():
        line, text = name.removeprefix("line-"), text.strip()
        if line == name or not line.isdigit():
            continue
        if text and not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InvalidInput(f"{text[:20]!r} is not a number of pieces.", "Use a whole number such as 2.")
        pieces[int(line)] = int(text or 0)
    return pieces


@bp.get("/ship-by-file")
def show_upload() -> str:
    return render_template("orders/ship_file.html", wrong=None)


@bp.post("/ship-by-file")
def upload() -> str | tuple[str, int] | Response | AnyResponse:
    try:
        content, name = uploaded("file", shipment_files.MOST_BYTES)
        file = shipment_files.read_file(content, name, current_actor())
    except InvalidInput as wrong:
        return render_template("orders/ship_file.html", wrong=wrong), 422
    return go_to(url_for(".show_file", file_id=file.id))


@bp.get("/ship-by-file/<int:file_id>")
def show_file(file_id: int) -> str | Response:
    file = shipment_files.get_file(file_id)
    bad = [row for row in file.rows if row["problem"]]
    good = [row for row in file.rows if not row["problem"]]
    shown = {
        "file": file,
        "good": good,
        "bad": bad,
        "most": PAGE,
        "live": file.wanted_at is not None and file.applied_at is None,
        "warn_mail": desk_settings.mail_untold(),
    }
    if wants_fragment("shipment-file"):
        return fragment("orders/_ship_file.html", **shown)
    return render_template("orders/ship_preview.html", **shown)


@bp.get("/ship-by-file/<int:file_id>/problems.csv")
def download_problems(file_id: int) -> Response:
    rows = [row for row in shipment_files.get_file(file_id).rows if row["problem"]]
    return csv_file(
        "rows-with-problems.csv", ("number", "carrier", "tracking", "integration", "line", "problem"),
        ((row["number"], row["carrier"], row["tracking"], row["shop"], row["line"], row["problem"]) for row in rows),
    )  # fmt: skip


@bp.post("/ship-by-file/<int:file_id>")
def ship_file(file_id: int) -> Response | AnyResponse:
    shipment_files.accept(file_id)
    desk_settings.note_mail_told([row["order_id"] for row in shipment_files.get_file(file_id).rows if not row["problem"]])
    with suppress(QueueAway):
        enqueue_shipments(file_id)
    return go_to(url_for(".show_file", file_id=file_id))
