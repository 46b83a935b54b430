"""Drift: quantities that somebody changed in a shop, and the decision whose quantity to use."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.downloads import download
from blueprints.files import csv_file
from blueprints.htmx import go_to, toast
from blueprints.listings.forms import DriftFilter
from errors import InvalidInput
from jobs.schedule import start_due_runs
from services.listings import views

bp = Blueprint("drift", __name__, url_prefix="/listings/drift")


@bp.get("")
def show_drift() -> str:
    form = DriftFilter(request.args)
    chosen = form.chosen()
    page = views.drift_page(
        request.args.get("page", ""), integration_id=form.integration_id, open_only=not form.all.data, sort=form.sort.data
    )
    return render_template(
        "listings/drift.html", page=page, form=form, filters=chosen,
        link=lambda number: url_for(".show_drift", page=number, **chosen),
    )  # fmt: skip


@bp.get("/drift.csv")
@download
def download_drift() -> Response:
    form = DriftFilter(request.args)
    batches = views.iter_drift(form.integration_id, open_only=not form.all.data, sort=form.sort.data)
    return csv_file(
        "drift.csv", ("seen_at", "integration", "sku", "name", "expected", "found", "state", "decided_by"),
        ((row.seen_at.isoformat(timespec="seconds"), row.integration, row.sku, row.name, row.expected, row.found, row.state,
          row.decided_by) for batch in batches for row in batch),
    )  # fmt: skip


@bp.post("/<int:drift_id>")
def settle(drift_id: int) -> Response | AnyResponse:
    whose = request.form.get("whose", "")
    if whose not in ("ours", "theirs"):
        raise InvalidInput("Choose whose quantity to use.", "Load the page again.")
    views.settle_drift(drift_id, whose, current_actor())
    start_due_runs()
    toast("Our quantity is kept." if whose == "ours" else "The shop's quantity is ours now.")
    return go_to(url_for(".show_drift"))
