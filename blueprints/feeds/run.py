"""One run of a feed: what it changed or would change, and the decisions about it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.downloads import download
from blueprints.feeds import answers
from blueprints.feeds.labels import RUN_STATES
from blueprints.files import csv_file
from blueprints.forms import Answer
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.unreadable import choice
from errors import Conflict
from jobs.schedule import start_due_runs
from models import FeedRun
from services.feeds import applying, run_pages, runs

bp = Blueprint("feed_run", __name__, url_prefix="/suppliers/runs")
WORKING = ("queued", "running", "approved")
HEADER = ("line", "code", "sku", "what", "before", "quantity", "reason")


@bp.get("/<int:run_id>")
def show_run(run_id: int) -> Answer:
    run = run_pages.get_run(run_id)
    shown = _shown(run, choice("kind", run_pages.GROUPS))
    if wants_fragment("feed-run"):
        return fragment("feeds/_run.html", announce=f"Run {run.id}: {RUN_STATES[run.state][0]}", **shown)
    return render_template("feeds/run.html", **shown)


def _shown(run: FeedRun, kind: str) -> dict[str, Any]:
    working = run.state in WORKING
    return {
        "run": run, "working": working, "kind": kind,
        "only_offers": run.state == "approved" and not run_pages.sets_quantities(run), "groups": [] if working else run_pages.group_rows(run.id),
        "page": run_pages.list_rows(run.id, kind, request.args.get("page", "")),
        "reasons": run_pages.group_problems(run.id) if run.unreadable else [],
        "own_items": run_pages.count_own_items(run.id) if run.state == "waiting" else 0, "undoable": run_pages.is_newest_applied(run),
        "link": lambda number: url_for(".show_run", run_id=run.id, kind=kind or None, page=number),
    }  # fmt: skip


@bp.get("/<int:run_id>/rows.csv")
@download
def download_rows(run_id: int) -> Response:
    run_pages.get_run(run_id)
    rows = (
        (row.line or "", row.code, row.sku, row.label, row.before, row.quantity, row.problem)
        for batch in run_pages.iter_rows(run_id, choice("kind", run_pages.GROUPS)) for row in batch
    )  # fmt: skip
    return csv_file(f"feed-run-{run_id}.csv", HEADER, rows)


@bp.post("/<int:run_id>/approve")
def approve(run_id: int) -> Response | AnyResponse:
    runs.approve(run_id, current_actor(), make_fed=request.form.get("make_fed") == "yes")
    answers.enqueue(run_id)
    sets = run_pages.sets_quantities(run_pages.get_run(run_id))
    toast(
        "Approved. Cartlink is setting the quantities."
        if sets
        else "Approved. Cartlink is storing the offers. Your own quantities stay.",
        "info",
    )
    return go_to(url_for(".show_run", run_id=run_id))


@bp.post("/<int:run_id>/drop")
def drop(run_id: int) -> Response | AnyResponse:
    runs.drop(run_id, current_actor())
    toast("The file was dropped. Nothing has changed.", "info")
    return go_to(url_for(".show_run", run_id=run_id))


@bp.get("/<int:run_id>/undo")
def confirm_undo(run_id: int) -> str:
    run = run_pages.get_run(run_id)
    if not run_pages.is_newest_applied(run):
        raise Conflict("This run cannot be undone.", "Only the newest run of a feed that changed something can be.")
    return render_template("feeds/undo.html", run=run)


@bp.post("/<int:run_id>/undo")
def undo(run_id: int) -> Response | AnyResponse:
    applying.undo(run_id, current_actor())
    start_due_runs()
    toast("The run is undone. The next run of this feed needs your approval.")
    return go_to(url_for(".show_run", run_id=run_id))
