"""The list of integrations with its status switches."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.forms import yes_or_no
from blueprints.htmx import back_to, fragment, wants_fragment
from blueprints.integrations.forms import IntegrationFilter
from blueprints.integrations.integration import live_part
from blueprints.labels import HEALTH
from blueprints.numbers import argument
from errors import NotFound
from services.integrations import lifecycle, overview, removed
from services.integrations import page as integrations_page
from services.onboarding import drafts

bp = Blueprint("integrations", __name__, url_prefix="/settings/sales-channels")


@bp.get("")
def list_integrations() -> str | Response:
    form = IntegrationFilter(request.args)
    number = argument("page") or 1
    page = overview.list_page(number, search=form.search.data, status=form.status.data, sort=form.sort.data)
    filters = form.chosen()
    context: dict[str, Any] = {
        "page": page, "filters": filters, "back": request.full_path.rstrip("?"),
        "link": lambda wanted: url_for(".list_integrations", page=wanted, **filters),
    }  # fmt: skip
    gone = removed.list_removed() if number == 1 and not filters else []
    return render_template(
        "integrations/list.html", form=form, drafts=drafts.list_drafts(current_actor()), removed=gone, **context
    )


@bp.get("/<int:integration_id>/row")
def show_row(integration_id: int) -> Response | AnyResponse:
    if not wants_fragment(f"integration-{integration_id}"):
        return redirect(url_for(".list_integrations"), code=303)
    try:
        row = overview.get_row(integration_id)
    except NotFound:
        # Removed in another tab: the row disappears, and its polling ends.
        return make_response("")
    return fragment("integrations/_row.html", row=row, announce=f"{row.name}: {HEALTH[row.health][0]}")


@bp.post("/<int:integration_id>/status")
def set_enabled(integration_id: int) -> Response | AnyResponse:
    lifecycle.set_enabled(integration_id, yes_or_no("enabled"), current_actor())
    if wants_fragment(f"integration-{integration_id}"):
        row = overview.get_row(integration_id)
        return fragment("integrations/_row.html", row=row, announce=_state_words(row.name, row.enabled, row.health))
    if wants_fragment("live"):
        seen = integrations_page.overview(integration_id)
        return live_part(seen, _state_words(seen.row.name, seen.row.enabled, seen.row.health))
    return redirect(back_to(url_for(".list_integrations")), code=303)


def _state_words(name: str, enabled: bool, health: str) -> str:
    """What a screen reader says after the switch was used."""
    return f"{name}: {'enabled' if enabled else 'disabled'}. {HEALTH[health][0]}"
