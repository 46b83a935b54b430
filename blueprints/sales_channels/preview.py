"""The preview of a stock update that waits for a person: what each listing has now, what it would have, and why."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for

from blueprints.actors import current_actor
from blueprints.files import csv_file
from blueprints.htmx import go_to, toast
from blueprints.numbers import argument
from blueprints.words import plural
from jobs.schedule import start_due_runs
from services import integrations, push

bp = Blueprint("preview", __name__, url_prefix="/settings/sales-channels/<int:integration_id>/preview")

PAGE_SIZE = 100


@bp.get("")
def show_preview(integration_id: int) -> str:
    integration = integrations.get_integration(integration_id)
    preview = push.preview(integration_id)
    pages = max(1, -(-len(preview.rows) // PAGE_SIZE))
    number = min(max(argument("page") or 1, 1), pages)
    return render_template(
        "sales_channels/preview.html", integration=integration, preview=preview, page={"number": number, "pages": pages},
        rows=preview.rows[(number - 1) * PAGE_SIZE : number * PAGE_SIZE], zeroed=sum(row.would_be == 0 for row in preview.rows),
        link=lambda wanted: url_for(".show_preview", integration_id=integration_id, page=wanted),
    )  # fmt: skip


@bp.get("/rows.csv")
def download_preview(integration_id: int) -> Response:
    integrations.get_integration(integration_id)
    rows = ((row.sku, row.name, row.now, row.would_be, row.why) for row in push.preview(integration_id).rows)
    return csv_file("stock-preview.csv", ("sku", "name", "now", "would_be", "why"), rows)


@bp.post("")
def approve(integration_id: int) -> Response:
    integrations.get_integration(integration_id)
    if request.form.get("run") != str(push.preview(integration_id).run_id):
        toast("The preview has changed since you looked at it. Nothing was sent; here it is as it stands now.", "warning")
        return go_to(url_for(".show_preview", integration_id=integration_id))
    number = push.approve(integration_id, current_actor())
    start_due_runs()
    toast(f"{plural(number, 'change')} approved. The stock is being updated.")
    return go_to(url_for("integration.show_integration", integration_id=integration_id))
