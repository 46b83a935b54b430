"""The page of one integration: its health, its last runs, and its actions."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.charts import DayChart, draw_days
from blueprints.formats import reader_zone
from blueprints.forms import yes_or_no
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.integrations.forms import named_statuses, ready_label
from blueprints.labels import HEALTH, RUN_KINDS
from errors import AlreadyRunning, InvalidInput, NotFound, QueueAway
from jobs import start_run
from models import Integration
from services.integrations import page, removed, settings
from services.shops.kinds import get_kind, statuses_of

bp = Blueprint("integration", __name__, url_prefix="/settings/sales-channels/<int:integration_id>")


@bp.get("")
def show_integration(integration_id: int) -> str | Response:
    try:
        seen = page.overview(integration_id)
    except NotFound as error:
        if not wants_fragment("live"):
            return _removed_page(integration_id)
        toast(error.message, "info")
        return go_to(url_for("integrations.list_integrations"))
    if wants_fragment("live"):
        return live_part(seen, announce=f"{seen.row.name}: {HEALTH[seen.row.health][0]}")
    return render_template("integrations/integration.html", seen=seen, chart=_chart(seen), **_labels(seen.integration))


def _chart(seen: page.Overview) -> DayChart:
    return draw_days(page.last_days(seen.integration, reader_zone()), with_failures=True)


def _removed_page(integration_id: int) -> str:
    """What is kept of a removed integration. Raises NotFound for one that never was."""
    seen = removed.removed_page(integration_id, request.args.get("page", ""))

    def link(place: str) -> str:
        return url_for(".show_integration", integration_id=integration_id, page=place)

    return render_template("integrations/removed.html", seen=seen, link=link)


def _labels(integration: Integration) -> dict[str, Any]:
    """The kind of shop, and what the answers about statuses are called."""
    kind, processed = get_kind(integration.kind), integration.processed_status
    return {
        "kind": kind, "processed": named_statuses(statuses_of(integration)).get(processed, processed),
        "ready": ready_label(kind.facts.ready_choices, integration.work_statuses),
    }  # fmt: skip


@bp.post("/sync")
def sync_now(integration_id: int) -> Response:
    """‘Sync orders now’, ‘Update stock now’ and ‘Read listings now’."""
    kind = request.form.get("kind", "")
    if kind not in RUN_KINDS:
        raise InvalidInput("There is no such type of run.", "Load the page again.")
    try:
        start_run(integration_id, kind, current_actor())
    except AlreadyRunning as error:
        toast(error.message, "info")
    except QueueAway:
        toast(f"{RUN_KINDS[kind]}: saved, but the queue does not answer. It starts when the queue is back.", "warning")
    return _back(integration_id)


@bp.post("/flow")
def set_flow(integration_id: int) -> Response:
    """Switch the flow of orders or stock on or off."""
    named = [flow for flow in settings.SWITCHES if flow in request.form]
    flow = named[0] if len(named) == 1 else ""
    settings.set_flow(integration_id, flow, yes_or_no(flow), current_actor())
    return _back(integration_id)


def live_part(seen: page.Overview, announce: str = "") -> Response:
    """How the integration is at the moment, for htmx, with the actions beside the title and the chart; after a switch with the history."""
    changed = request.method == "POST"
    return fragment("integrations/_live.html", seen=seen, chart=_chart(seen), beside=True, changed=changed, announce=announce)


def _back(integration_id: int) -> Response:
    if wants_fragment("live"):
        return live_part(page.overview(integration_id))
    return go_to(url_for(".show_integration", integration_id=integration_id))
