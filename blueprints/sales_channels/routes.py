"""The list of integrations and its switches."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.htmx import back_to, fragment, wants_fragment
from blueprints.numbers import argument
from blueprints.sales_channels.forms import ListFilter
from blueprints.words import HEALTH
from errors import InvalidInput, NotFound
from services import drafts, integration_list, integration_page, integrations

bp = Blueprint("sales_channels", __name__, url_prefix="/settings/sales-channels")


@bp.get("")
def list_integrations() -> str | Response:
    form = ListFilter(request.args)
    number = argument("page") or 1
    page = integration_list.list_page(number, search=form.search.data, status=form.status.data, sort=form.sort.data)
    filters = form.chosen()
    context = {
        "page": page, "filters": filters, "back": request.full_path.rstrip("?"),
        "link": lambda wanted: url_for(".list_integrations", page=wanted, **filters),
    }  # fmt: skip
    if wants_fragment("integrations"):
        return fragment("sales_channels/_list.html", **context)
    unfinished = drafts.list_drafts(current_actor())
    return render_template("sales_channels/list.html", form=form, drafts=unfinished, **context)


@bp.get("/<int:integration_id>/row")
def show_row(integration_id: int) -> Response | AnyResponse:
    if not wants_fragment(f"integration-{integration_id}"):
        return redirect(url_for(".list_integrations"), code=303)
    try:
        row = integration_list.get_row(integration_id)
    except NotFound:
        # Removed in another tab: the row goes, and with it the asking.
        return make_response("")
    return fragment("sales_channels/_row.html", row=row, announce=f"{row.name}: {HEALTH[row.health][0]}")


@bp.post("/<int:integration_id>/status")
def set_enabled(integration_id: int) -> Response | AnyResponse:
    wanted = request.form.get("enabled")
    if wanted not in ("yes", "no"):
        raise InvalidInput("The switch was sent without Yes or No.", "Load the page again.")
    integrations.set_enabled(integration_id, wanted == "yes", current_actor())
    if wants_fragment(f"integration-{integration_id}"):
        return fragment("sales_channels/_row.html", row=integration_list.get_row(integration_id))
    if wants_fragment("live"):
        return fragment("sales_channels/_live.html", seen=integration_page.overview(integration_id))
    return redirect(back_to(url_for(".list_integrations")), code=303)
