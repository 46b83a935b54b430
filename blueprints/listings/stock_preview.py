"""The preview of a stock update that needs approval: for each listing the present and the new quantity, and the reason."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, url_for

from blueprints.actors import current_actor
from blueprints.downloads import download
from blueprints.files import csv_file
from blueprints.htmx import go_to, toast
from blueprints.labels import plural
from blueprints.numbers import argument, field
from errors import Conflict
from jobs.schedule import start_due_runs
from services.listings import previews
from services.monitoring import decisions
from services.shops import finding

bp = Blueprint("stock_preview", __name__, url_prefix="/settings/sales-channels/<int:integration_id>/preview")

PAGE_SIZE = 100


@bp.get("")
def show_preview(integration_id: int) -> str:
    integration = finding.get_integration(integration_id)
    preview = previews.preview(integration_id)
    return render_template(
        "listings/stock_preview.html", integration=integration, preview=preview, held_back=previews.held_back(integration),
        why_asked=previews.why_asked(integration),
        page=previews.page_of_rows(preview, argument("page") or 1, PAGE_SIZE),
        link=lambda wanted: url_for(".show_preview", integration_id=integration_id, page=wanted),
    )  # fmt: skip


@bp.get("/rows.csv")
@download
def download_preview(integration_id: int) -> Response:
    finding.get_integration(integration_id)
    found = previews.batches_of_rows(previews.preview(integration_id))
    rows = ((row.sku, row.name, row.now, row.would_be, row.why) for batch in found for row in batch)
    return csv_file("stock-preview.csv", ("sku", "name", "now", "would_be", "why"), rows)


@bp.post("")
def approve(integration_id: int) -> Response:
    held_back = previews.held_back(finding.get_integration(integration_id))
    try:
        number = decisions.approve_stock_update(integration_id, current_actor(), seen=field("run") or 0)
    except Conflict as wrong:
        toast(wrong.sentence(), "warning")
        return go_to(url_for(".show_preview", integration_id=integration_id))
    start_due_runs()
    toast(
        f"{plural(number, 'change')} approved. {held_back or 'The stock is being updated.'}", "info" if held_back else "success"
    )
    return go_to(url_for("integration.show_integration", integration_id=integration_id))
