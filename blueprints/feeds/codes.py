"""Codes in suppliers' files that belong to no stock item: linked to one, created as new ones, or ignored."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.feeds.forms import CodeFilter
from blueprints.files import numbers
from blueprints.forms import Answer
from blueprints.htmx import back_to, go_to, toast
from blueprints.labels import plural
from errors import AppError, InvalidInput
from jobs.schedule import start_due_runs
from services.common import whole_numbers
from services.feeds import code_pages, offers, unknown_codes
from services.stock import views as stock

bp = Blueprint("unknown_codes", __name__, url_prefix="/suppliers/unknown-codes")
MOST_FOUND = 20


@bp.get("")
def list_codes() -> str:
    form = CodeFilter(request.args)
    chosen = form.chosen()
    page = code_pages.list_codes(form.wanted(), request.args.get("page", ""))
    return render_template(
        "feeds/codes.html", form=form, page=page, filters=chosen, back=request.full_path.rstrip("?"),
        link=lambda number: url_for(".list_codes", page=number, **chosen),
    )  # fmt: skip


@bp.post("/selected")
def act_on_selected() -> Response | AnyResponse:
    ids, act = numbers(request.form.getlist("offer")), request.form.get("act")
    if not ids or act not in ("create", "ignore", "ask"):
        toast("Select at least one code first.", "warning")
    elif act == "create":
        done = unknown_codes.create_items(ids, current_actor())
        start_due_runs()
        toast(f"{plural(done.created, 'fed item')} created.")
        if done.left:
            toast(" ".join(done.left[:10]), "warning")
    else:
        changed = offers.ignore(ids, act == "ignore", current_actor())
        toast(f"{plural(changed, 'code')} {'ignored' if act == 'ignore' else 'asked about again'}.")
    return go_to(back_to(url_for(".list_codes")))


@bp.route("/<int:offer_id>", methods=["GET", "POST"])
def link_code(offer_id: int) -> Answer:
    """Search the stock item that a code stands for, and link it."""
    wrong = None
    if request.method == "POST":
        try:
            return _link(offer_id)
        except AppError as error:
            wrong = error
    offer = code_pages.get_code(offer_id)
    search = request.values.get("q", offer.code).strip()[:200]
    shown: dict[str, Any] = {
        "offer": offer,
        "search": search,
        "items": stock.quick_search(search, MOST_FOUND),
        "typed": request.form,
    }
    return make_response(render_template("feeds/code.html", wrong=wrong, **shown), wrong.status if wrong else 200)


def _link(offer_id: int) -> Response:
    """Raises InvalidInput, NotFound."""
    sku = request.form.get("item", "")
    if not sku:
        raise InvalidInput("Choose the item that this code stands for.")
    units = whole_numbers.read(request.form.get("units", "1") or "1", "units", "number of units")
    offers.link(offer_id, sku, current_actor(), units=units)
    start_due_runs()
    toast("The code is linked.")
    return go_to(url_for(".list_codes"))
