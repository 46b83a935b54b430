"""Find an order, and import older orders by number or by date. A worker asks the shops while the page polls."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.numbers import field
from errors import AppError, TooMany
from jobs.lookups import enqueue_lookup
from jobs.schedule import start_due_runs
from services.integrations import lifecycle, settings
from services.orders import lookups
from services.shops import finding

bp = Blueprint("lookup", __name__, url_prefix="/orders/find")


@bp.get("")
def show_lookup() -> str:
    return _page()


@bp.post("")
def find_order() -> tuple[str, int] | Response | AnyResponse:
    number, integration_id = request.form.get("number", ""), field("shop")
    try:
        return _watch(lookups.ask_where(number, integration_id, current_actor()))
    except TooMany:
        raise
    except AppError as wrong:
        return _page(number=number, shop=integration_id, wrong=wrong), wrong.status


@bp.post("/bring-in")
def bring_in() -> Response | AnyResponse:
    integration_id = field("integration") or 0
    return _watch(lookups.ask_to_bring_in(integration_id, request.form.get("order", ""), current_actor()))


@bp.post("/older")
def count_older() -> tuple[str, int] | Response | AnyResponse:
    typed: dict[str, Any] = {"integration": field("integration") or 0, "since": request.form.get("since", "")}
    try:
        return _watch(lookups.ask_count(typed["integration"], lifecycle.parse_since(typed["since"]), current_actor()))
    except TooMany:
        raise
    except AppError as wrong:
        return _page(typed=typed, older_wrong=wrong), wrong.status


@bp.get("/<int:lookup_id>")
def show_answer(lookup_id: int) -> str | Response | AnyResponse:
    lookup = lookups.get_lookup(lookup_id, current_actor())
    order_id = lookup.found.get("order_id")
    if order_id is not None:
        toast("The order was imported.")
        return go_to(url_for("order.show_order", order_id=order_id))
    shown: dict[str, Any] = {
        "lookup": lookup, "late": lookups.is_late(lookup), "answers": lookups.answers_of(lookup),
        "names": {each.id: each.name for each in finding.list_integrations()},
    }  # fmt: skip
    if wants_fragment("lookup"):
        return fragment("orders/_lookup.html", announce=lookup.phase or "The answer is here", **shown)
    asked = lookup.asked
    typed = {"integration": asked["integration"], "since": asked["since"][:10]} if lookup.kind == "count" else {}
    return _page(number=asked.get("number", ""), shop=asked["integration"], typed=typed, **shown)


@bp.post("/older/fetch")
def fetch_older() -> Response | AnyResponse:
    integration_id = field("integration") or 0
    since = lifecycle.parse_since(request.form.get("since", ""))
    settings.change_settings(integration_id, {"orders_since": since}, current_actor())
    start_due_runs()
    toast("The older orders are being downloaded.", "info")
    return go_to(url_for("runs.list_runs"))


def _watch(lookup_id: int) -> Response | AnyResponse:
    """Raises QueueAway."""
    if lookups.get_lookup(lookup_id, current_actor()).state != "done":
        enqueue_lookup(lookup_id)
    return go_to(url_for(".show_answer", lookup_id=lookup_id))


def _page(**given: object) -> str:
    shown: dict[str, Any] = {
        "number": "", "shop": None, "lookup": None, "late": False, "answers": [], "names": {}, "wrong": None, "typed": {},
        "older_wrong": None, **given,
    }  # fmt: skip
    return render_template("orders/lookup.html", integrations=finding.list_integrations(), **shown)
