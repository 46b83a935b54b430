"""‘Remove account’: a page of its own that says what is still open; with JavaScript the same in a dialog."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template, url_for

from blueprints.actors import current_actor
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from services import integration_page, integrations

bp = Blueprint("removal", __name__, url_prefix="/settings/sales-channels/<int:integration_id>/remove")


@bp.get("")
def confirm_removal(integration_id: int) -> Response:
    integration = integrations.get_integration(integration_id)
    context = {"integration": integration, "open": integration_page.open_work(integration)}
    if wants_fragment("dialog"):
        return fragment("sales_channels/_remove.html", in_dialog=True, **context)
    return make_response(render_template("sales_channels/remove.html", in_dialog=False, **context))


@bp.post("")
def remove_integration(integration_id: int) -> Response:
    name = integrations.get_integration(integration_id).name
    integrations.remove_integration(integration_id, current_actor())
    toast(f"{name} is removed. Its orders are kept, and taken up again when you add the same site.")
    return go_to(url_for("sales_channels.list_integrations"))
