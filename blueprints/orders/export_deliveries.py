"""Deliveries of a saved export: where it is sent, what was delivered, and what a person does about it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor, may_see_customers
from blueprints.downloads import download
from blueprints.expired import keeps_input
from blueprints.files import sent_file
from blueprints.forms import Answer, form_page
from blueprints.htmx import go_to, toast
from blueprints.orders.export_forms import TargetForm
from blueprints.orders.saved_exports import words_of
from errors import InvalidInput, QueueAway
from jobs.exports import enqueue_export
from models import ExportDelivery
from services.common import timetable, zones
from services.notify import notifications
from services.orders import export_files, export_records, export_targets, exports

bp = Blueprint("export_deliveries", __name__, url_prefix="/orders/export")


@bp.app_template_global()
def deliveries_link(export_id: int) -> Callable[[str], str]:
    """The addresses of the pages of an export's files."""
    return lambda place: url_for("export_deliveries.show_deliveries", export_id=export_id, place=place)


@bp.app_template_global()
def delivery_link(delivery_id: int) -> Callable[[str], str]:
    """The addresses of the pages of a file's orders."""
    return lambda place: url_for("export_deliveries.show_delivery", delivery_id=delivery_id, place=place)


@bp.app_template_global()
def after_drop(row: ExportDelivery) -> str:
    """What becomes of the orders of a file that is dropped."""
    if row.repeats is None:
        return "Its orders are in the next one."
    return "Its orders were in an earlier file, which can be sent again."


@bp.get("/<int:export_id>/deliveries")
def show_deliveries(export_id: int) -> str:
    export, target = exports.get_saved(export_id), export_targets.find_target(export_id)
    plan = None if target is None else timetable.of_row(target)
    return render_template(
        "orders/export_deliveries.html", export=export, target=target, words=words_of(export.orders or {}),
        plan=None if plan is None else timetable.in_words(plan), zone_complaint=target and zones.complaint_of(target.zone),
        where=target and export_targets.place_in_words(target),
        method=target and export_targets.METHODS[target.method], offered=target and export_targets.offered_key(target),
        next_at=target and export_targets.next_file_at(target), live=export_records.has_live(export_id),
        page=export_records.list_page(request.args.get("place", ""), export_id=export_id), kind=export_files.FORMATS[export.format].label,
    )  # fmt: skip


@bp.route("/<int:export_id>/delivery", methods=["GET", "POST"])
@keeps_input
def edit_target(export_id: int) -> Answer:
    export, target = exports.get_saved(export_id), export_targets.find_target(export_id)
    form = TargetForm.of(target)
    if form.validate_on_submit():
        try:
            export_targets.set_target(export_id, form.values(), current_actor(), secret=form.secret())
        except InvalidInput as error:
            form.refuse(error)
        else:
            doubt = export_targets.doubt_about(export_targets.get_target(export_id))
            if doubt:
                toast(doubt, "warning")
            return _done(export_id, "Saved.")
    return form_page("orders/export_target.html", form, export=export, target=target, has_mail=notifications.mail_is_set_up())


@bp.post("/<int:export_id>/send")
def send_now(export_id: int) -> Answer:
    export_targets.send_now(export_id, current_actor())
    return _done(export_id, "The export is being sent. The result appears below.", start=True)


@bp.post("/<int:export_id>/confirm-key")
def confirm_key(export_id: int) -> Answer:
    export_targets.confirm_key(export_id, request.form.get("fingerprint", ""), current_actor())
    return _done(export_id, "The host key is confirmed.", start=True)


@bp.post("/<int:export_id>/delivery/remove")
def remove_target(export_id: int) -> Answer:
    export_targets.remove_target(export_id, current_actor())
    return _done(export_id, "The export is no longer delivered. The record stays.")


@bp.get("/deliveries/<int:delivery_id>")
def show_delivery(delivery_id: int) -> str:
    row = export_records.get_delivery(delivery_id)
    page = export_records.orders_page(delivery_id, request.args.get("place", ""))
    deliverable = row.export_id is not None and export_targets.find_target(row.export_id) is not None
    return render_template("orders/export_delivery.html", row=row, page=page, deliverable=deliverable)


@bp.get("/deliveries/<int:delivery_id>/download")
@download
def download_delivery(delivery_id: int) -> Response:
    """The file's orders, as they are now."""
    row = export_records.get_delivery(delivery_id)
    spec = exports.make_spec(row.by, row.columns, with_customers=may_see_customers())
    pieces = export_files.make_file(row.format, spec.columns, exports.rows_of(spec, export_records.ids_of(delivery_id)))
    return sent_file(row.file_name, export_files.FORMATS[row.format].media_type, pieces)


@bp.post("/deliveries/<int:delivery_id>/again")
def send_again(delivery_id: int) -> Answer:
    row = export_records.get_delivery(export_records.send_again(delivery_id, current_actor()))
    return _done(row.export_id or 0, "The file is sent again under another name.", start=True)


@bp.post("/deliveries/<int:delivery_id>/drop")
def drop_delivery(delivery_id: int) -> Response | AnyResponse:
    export_records.drop(delivery_id, current_actor())
    toast(f"The file is dropped. {after_drop(export_records.get_delivery(delivery_id))}")
    return go_to(url_for(".show_delivery", delivery_id=delivery_id))


def _done(export_id: int, sentence: str, *, start: bool = False) -> Response | AnyResponse:
    if start:
        with contextlib.suppress(QueueAway):  # A tick enqueues it later.
            enqueue_export(export_id)
    toast(sentence)
    return go_to(url_for(".show_deliveries", export_id=export_id))
