"""The page of one integration: how it is, what it did, and what can be done with it."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.sales_channels import chart
from blueprints.times import reader_zone
from blueprints.words import HEALTH, RUN_KINDS
from errors import AlreadyRunning, InvalidInput, NotFound, QueueAway
from jobs import start_run
from services import integration_page, integration_settings
from services.catalogue import get_kind, statuses_of

bp = Blueprint("integration", __name__, url_prefix="/settings/sales-channels/<int:integration_id>")


@bp.get("")
def show_integration(integration_id: int) -> str | Response:
    try:
        seen = integration_page.overview(integration_id)
    except NotFound as error:
        if not wants_fragment("live"):
            raise
        toast(error.message, "info")
        return go_to(url_for("sales_channels.list_integrations"))
    if wants_fragment("live"):
        return fragment("sales_channels/_live.html", seen=seen, announce=f"{seen.row.name}: {HEALTH[seen.row.health][0]}")
    days = integration_page.last_days(seen.integration, reader_zone())
    names = {
        status.code or status.external_id: status.name for status in statuses_of(seen.integration) if status.kind == "shipping"
    }
    return render_template(
        "sales_channels/integration.html", seen=seen, chart=chart.draw(days), kind=get_kind(seen.integration.kind),
        processed=names.get(seen.integration.processed_status, seen.integration.processed_status),
    )  # fmt: skip


@bp.post("/sync")
def sync_now(integration_id: int) -> Response:
    """‘Sync orders now’ and ‘Update stock now’."""
    kind = request.form.get("kind", "")
    if kind not in RUN_KINDS:
        raise InvalidInput("There is no such kind of run.", "Load the page again.")
    try:
        start_run(integration_id, kind, current_actor())
    except AlreadyRunning:
        toast(f"{RUN_KINDS[kind]}: already under way.", "info")
    except QueueAway:
        toast(f"{RUN_KINDS[kind]}: kept, but the queue does not answer. It starts when the queue is back.", "warning")
    return _back(integration_id)


@bp.post("/flow")
def set_flow(integration_id: int) -> Response:
    """Downloading orders or updating stock by itself."""
    wanted = [(flow, request.form[flow]) for flow in integration_settings.FLOWS if request.form.get(flow) in ("yes", "no")]
    if len(wanted) != 1:
        raise InvalidInput("The switch was sent without Yes or No.", "Load the page again.")
    flow, answer = wanted[0]
    integration_settings.set_flow(integration_id, flow, answer == "yes", current_actor())
    return _back(integration_id)


def _back(integration_id: int) -> Response:
    if wants_fragment("live"):
        return fragment("sales_channels/_live.html", seen=integration_page.overview(integration_id))
    return go_to(url_for(".show_integration", integration_id=integration_id))
