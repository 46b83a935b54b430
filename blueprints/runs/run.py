"""One sync run with its rows. A person can start it again, or undo a stock update."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_actor
from blueprints.downloads import download
from blueprints.files import csv_file
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.labels import ROW_RESULTS
from blueprints.unreadable import choice
from errors import Conflict
from jobs import enqueue_run, start_run
from jobs.schedule import start_due_runs
from services.listings import undo
from services.runs import activity, queries

bp = Blueprint("run", __name__, url_prefix="/activity")
RESULTS = tuple(ROW_RESULTS)
WHERE: dict[str, undo.Where] = {"both": "both", "here": "here", "shop": "shop"}
HEADER = ("row", "what", "result", "now", "wanted", "stored", "reason")


@bp.get("/<int:run_id>")
def show_run(run_id: int) -> str | Response:
    result = choice("result", RESULTS)
    results = (result,) if result else RESULTS
    run, numbers = activity.get_row(run_id), queries.count_items(run_id)
    sent = run.kind == "stock" and not run.live and "sent" in numbers
    shown: dict[str, Any] = {
        "run": run, "page": queries.page_of_items(run_id, results, request.args.get("page", "")),
        "numbers": numbers, "result": result, "sent": sent, "no_undo": undo.refusal(run_id) if sent else "",
        "undone": undo.undone(run_id) if sent or run.kind == "undo" else None,
    }  # fmt: skip
    if wants_fragment("run"):
        return fragment("runs/_run.html", link=None, **shown)
    return render_template(
        "runs/run.html", link=lambda number: url_for(".show_run", run_id=run_id, result=result or None, page=number), **shown
    )


@bp.get("/<int:run_id>/rows.csv")
@download
def download_rows(run_id: int) -> Response:
    activity.get_row(run_id)
    rows = (
        (item["external_id"], item["sku"], item["result"], item["now"], item["wanted"], item["stored"], item["reason"])
        for item in queries.list_items(run_id, results=RESULTS)
    )
    return csv_file(f"run-{run_id}.csv", HEADER, rows)


@bp.post("/<int:run_id>/retry")
def retry(run_id: int) -> Response | AnyResponse:
    run = activity.get_row(run_id)
    if run.live or run.kind == "undo":
        raise Conflict("That run cannot be started again.", "Wait until it has ended.")
    started = start_run(run.integration_id, run.kind, current_actor())
    toast(f"Run {started.id} was started.", "info")
    return go_to(url_for(".show_run", run_id=started.id))


@bp.get("/<int:run_id>/undo")
def confirm_undo(run_id: int) -> str:
    return render_template("runs/undo.html", run=activity.get_row(run_id), preview=undo.preview(run_id))


@bp.post("/<int:run_id>/undo")
def undo_run(run_id: int) -> Response | AnyResponse:
    given = request.form.get("where", "both")
    started = undo.start_undo(run_id, current_actor(), WHERE.get(given, "both"))
    start_due_runs()
    if started is None:
        toast("The numbers here are restored. The next stock update of this shop needs your approval.")
        return go_to(url_for(".show_run", run_id=run_id))
    enqueue_run(started.id)
    toast("Cartlink is restoring the previous quantities. The next stock update needs your approval.", "info")
    return go_to(url_for(".show_run", run_id=started.id))
