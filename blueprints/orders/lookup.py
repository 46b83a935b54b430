"""Where is order 123? And older orders brought in, by number or by date."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.htmx import go_to, toast
from errors import AppError
from jobs.schedule import start_due_runs
from services import integration_settings, integrations, whereabouts

bp = Blueprint("lookup", __name__, url_prefix="/orders/find")


@bp.get("")
def show_lookup() -> str:
    return _page()


@bp.post("")
def find_order() -> str | tuple[str, int]:
    number = request.form.get("number", "")
    try:
        return _page(number=number, answers=whereabouts.where_is(number))
    except AppError as wrong:
        return _page(number=number, wrong=wrong), wrong.status


@bp.post("/bring-in")
def bring_in() -> Response | AnyResponse:
    integration_id = request.form.get("integration", 0, type=int)
    order_id = whereabouts.bring_in(integration_id, request.form.get("order", ""), current_actor())
    toast("The order was brought in.")
    return go_to(url_for("order.show_order", order_id=order_id))


@bp.post("/older")
def count_older() -> str | tuple[str, int]:
    typed = {"integration": request.form.get("integration", 0, type=int), "since": request.form.get("since", "")}
    try:
        since = integrations.parse_since(typed["since"])
        count = whereabouts.count_older(typed["integration"], since)
    except AppError as wrong:
        return _page(typed=typed, older_wrong=wrong), wrong.status
    return _page(typed=typed, count=count)


@bp.post("/older/fetch")
def fetch_older() -> Response | AnyResponse:
    integration_id = request.form.get("integration", 0, type=int)
    since = integrations.parse_since(request.form.get("since", ""))
    integration_settings.change_settings(integration_id, {"orders_since": since}, current_actor())
    start_due_runs()
    toast("The older orders are being downloaded.", "info")
    return go_to(url_for("activity.list_runs"))


def _page(**given: object) -> str:
    shown = {"number": "", "answers": None, "wrong": None, "typed": {}, "older_wrong": None, "count": None, **given}
    return render_template("orders/lookup.html", integrations=integrations.list_integrations(), **shown)
