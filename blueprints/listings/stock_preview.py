"""The preview of a stock update that needs approval: for each listing the present and the new quantity, and the reason."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.downloads import download
from blueprints.files import csv_file
from blueprints.htmx import go_to, toast
from blueprints.labels import plural
from blueprints.numbers import argument
from jobs.schedule import start_due_runs
from services.common.paging import slice_of
from services.listings import stock_push
from services.shops import finding

bp = Blueprint("stock_preview", __name__, url_prefix="/settings/sales-channels/<int:integration_id>/preview")

PAGE_SIZE = 100


@bp.get("")
def show_preview(integration_id: int) -> str:
    integration = finding.get_integration(integration_id)
    preview = stock_push.preview(integration_id)
    return render_template(
        "listings/stock_preview.html", integration=integration, preview=preview,
        page=slice_of(preview.rows, argument("page") or 1, PAGE_SIZE), zeroed=sum(row.would_be == 0 for row in preview.rows),
        link=lambda wanted: url_for(".show_preview", integration_id=integration_id, page=wanted),
    )  # fmt: skip


@bp.get("/rows.csv")
@download
def download_preview(integration_id: int) -> Response:
    finding.get_integration(integration_id)
    rows = ((row.sku, row.name, row.now, row.would_be, row.why) for row in stock_push.preview(integration_id).rows)
    return csv_file("stock-preview.csv", ("sku", "name", "now", "would_be", "why"), rows)


@bp.post("")
def approve(integration_id: int) -> Response:
    finding.get_integration(integration_id)
    if request.form.get("run") != str(stock_push.preview(integration_id).run_id):
        toast("The preview has changed since you opened it. Nothing was sent. This is the current preview.", "warning")
        return go_to(url_for(".show_preview", integration_id=integration_id))
    number = stock_push.approve(integration_id, current_actor())
    start_due_runs()
    toast(f"{plural(number, 'change')} approved. The stock is being updated.")
    return go_to(url_for("integration.show_integration", integration_id=integration_id))
