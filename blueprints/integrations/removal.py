"""‘Remove account’: a page that lists what is still open; with JavaScript a dialog."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from jobs.schedule import start_due_runs
from services.integrations import lifecycle, page
from services.shops import finding

bp = Blueprint("removal", __name__, url_prefix="/settings/sales-channels/<int:integration_id>")


@bp.get("/remove")
def confirm_removal(integration_id: int) -> Response:
    integration = finding.get_integration(integration_id)
    context: dict[str, Any] = {"integration": integration, "open": page.open_work(integration)}
    if wants_fragment("dialog"):
        return fragment("integrations/_remove.html", in_dialog=True, **context)
    return make_response(render_template("integrations/remove.html", in_dialog=False, **context))


@bp.post("/remove")
def remove_integration(integration_id: int) -> Response:
    name = finding.get_integration(integration_id).name
    lifecycle.remove_integration(integration_id, current_actor(), keep_reserved=request.form.get("reserved") == "keep")
    start_due_runs()
    toast(f"{name} is removed. Its orders are kept. Cartlink can continue its history when you add the same shop again.")
    return go_to(url_for("integrations.list_integrations"))


@bp.post("/release")
def release_stock(integration_id: int) -> Response:
    """Later, what was kept reserved when the integration was removed."""
    lifecycle.release_kept(integration_id, current_actor())
    start_due_runs()
    toast("The stock is released. Other orders and shops can have it.")
    return go_to(url_for("integration.show_integration", integration_id=integration_id))
