"""Listings that were missing from a reading, and the confirmation that they were deleted."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, url_for

from blueprints.actors import current_actor
from blueprints.htmx import go_to, toast
from blueprints.labels import plural
from jobs.schedule import start_due_runs
from services.listings import losses
from services.shops import finding

bp = Blueprint("losses", __name__, url_prefix="/settings/sales-channels/<int:integration_id>/missing")

MOST_ROWS = 500


@bp.get("")
def show_loss(integration_id: int) -> str:
    return render_template(
        "listings/losses.html", integration=finding.get_integration(integration_id),
        loss=losses.pending(integration_id), rows=losses.missing_rows(integration_id, MOST_ROWS), most=MOST_ROWS,
    )  # fmt: skip


@bp.post("")
def approve(integration_id: int) -> Response:
    finding.get_integration(integration_id)
    number = losses.approve(integration_id, current_actor())
    start_due_runs()
    toast(f"{plural(number, 'listing')} counted as deleted in the shop.")
    return go_to(url_for("integration.show_integration", integration_id=integration_id))
