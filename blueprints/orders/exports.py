"""Exports of orders: choose the columns, save them, download the file."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.access import may
from blueprints.actors import current_actor, may_see_customers
from blueprints.downloads import download
from blueprints.files import sent_file
from blueprints.formats import reader_zone
from blueprints.htmx import go_to, toast
from blueprints.numbers import argument, field
from blueprints.orders.forms import OrderFilter
from blueprints.orders.saved_exports import saved_row
from blueprints.unreadable import choice
from errors import AppError, InvalidInput
from services.orders import export_columns, export_files, export_filters, export_records, export_targets, exports, list_ids
from services.orders.exports import Placed, Spec
from services.orders.views import Wanted
from services.security import trail

bp = Blueprint("exports", __name__, url_prefix="/orders/export")


@bp.get("")
def show_export() -> str:
    saved = argument("saved")
    kept = exports.get_saved(saved) if saved else None
    by = kept.by if kept else choice("by", exports.BY) or "order"
    names = kept.columns if kept else exports.first_spec(by, with_customers=may_see_customers()).header
    return _page(by, names, name=kept.name if kept else "", format=kept.format if kept else "csv", opened=kept and kept.id)


@bp.route("/file.<any(csv, xlsx):suffix>", methods=["GET", "POST"])
@download
def download_export(suffix: str) -> Response:
    """With ``saved``, the export saved under that id; otherwise the columns given as ``column``, of the orders of the list."""
    try:
        spec, placed = _spec(), _placed()
    except InvalidInput as wrong:
        return make_response(_page(request.values.get("by", ""), request.values.getlist("column"), wrong=wrong), wrong.status)
    kind = export_files.FORMATS[suffix]
    rows = exports.rows_of(spec, exports.ids_of(_wanted(), placed))
    return sent_file(f"orders-by-{spec.by}.{suffix}", kind.media_type, kind.make(spec.columns, rows))


@bp.post("/save")
def save_export() -> tuple[str, int] | Response | AnyResponse:
    given, form = request.form, OrderFilter(request.form)
    name, kind, agreed = given.get("name", ""), given.get("format", "csv"), exports.Agreed(field("opened"), given.get("seen", ""))
    try:
        saved = exports.save(name, _spec(), current_actor(), wanted=form.wanted(), format_name=kind, agreed=agreed)
    except AppError as wrong:
        kept = {"name": name, "format": kind, "opened": agreed.opened, "replacing": replacing(wrong)}
        return _page(given.get("by", ""), given.getlist("column"), wrong=wrong, **kept), wrong.status
    toast("Saved.")
    return go_to(url_for(".show_export", saved=saved, **form.chosen()))


@bp.post("/enter")
def press_enter() -> tuple[str, int] | Response | AnyResponse:
    """Enter in a field of the form, without JavaScript: save where a name is given, else download."""
    if request.form.get("name", "").strip() and may("exports.save_export"):
        return save_export()
    return download_export("csv")


@bp.post("/<int:export_id>/remove")
def remove_export(export_id: int) -> Response | AnyResponse:
    export_targets.remove_saved(export_id, current_actor())
    toast("The saved export is removed.")
    return go_to(url_for(".show_export", **OrderFilter(request.form).chosen()))


def replacing(wrong: AppError) -> dict[str, Any] | None:
    """What the question shows before an export is replaced; None for any other error."""
    if not isinstance(wrong, exports.WouldReplace):
        return None
    place = export_targets.places_of([wrong.export_id]).get(wrong.export_id, "")
    changes = [trail.in_words("order_export", None, field, *each) for field, each in wrong.changes.items()]
    return {"name": wrong.name, "place": place, "changes": changes, "seen": wrong.seen}


def _spec() -> Spec:
    """Raises NotFound or InvalidInput."""
    saved = argument("saved")
    if saved:
        return exports.spec_of(exports.get_saved(saved), with_customers=may_see_customers())
    by, names = choice("by", exports.BY) or request.form.get("by", ""), request.values.getlist("column")
    if request.method == "GET" and not names:
        return exports.first_spec(by, with_customers=may_see_customers())
    return exports.make_spec(by, names, with_customers=may_see_customers())


def _wanted() -> Wanted:
    """The orders that were saved with an export, or else those of the list. Raises NotFound."""
    saved = argument("saved")
    orders = exports.get_saved(saved).orders if saved else None
    if orders is None:
        return OrderFilter(request.values).wanted()
    return export_filters.wanted_of(orders, with_customers=may_see_customers())


def _placed() -> Placed:
    """The days of the form, in the reader's zone; the last one counts whole. Raises InvalidInput."""
    since, until = _day("since"), _day("until")
    if since and until and until < since:
        raise InvalidInput("The last day is before the first day.", "Choose a later last day.", field="until")
    if since and since > datetime.now(reader_zone()).date():
        raise InvalidInput("The first day is in the future.", "Choose today or an earlier day.", field="since")
    return Placed(_start(since), _start(until + timedelta(days=1) if until else None))


def _day(name: str) -> date | None:
    text = request.values.get(name, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInput(f"{text[:20]!r} is not a date.", "Enter it like 2026-11-30.", field=name) from None


def _start(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), reader_zone()).astimezone(UTC)


def _page(by: str, names: list[str], **more: Any) -> str:
    by = by if by in exports.BY else "order"
    form, kept = OrderFilter(request.values), exports.list_saved()
    groups: dict[str, list[export_columns.Column]] = {}
    for column in export_columns.offered(by, with_customers=may_see_customers()):
        groups.setdefault(column.group, []).append(column)
    shown: dict[str, Any] = {
        "by": by, "names": set(names), "groups": groups, "saved": [saved_row(row) for row in kept],
        "delivered": export_records.last_done([row.id for row in kept]), "places": export_targets.places_of([row.id for row in kept]),
        "filters": {name: value for name, value in form.chosen().items() if name != "sort"}, "sort": form.sort,
        "words": form.in_words(), "found": list_ids.ids_page(form.wanted(), "", 1), "typed": request.values, "wrong": None,
        "format": "csv", "formats": export_files.FORMATS, "opened": None, "replacing": None, **more,
    }  # fmt: skip
    return render_template("orders/export.html", **shown)
