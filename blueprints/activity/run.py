"""One sync run with its rows, tried again or undone; and the audit trail of settings."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from blueprints.activity.forms import ChangeFilter
from blueprints.actors import current_actor
from blueprints.files import csv_file
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.numbers import argument
from errors import Conflict
from jobs import enqueue_run, start_run
from services import activity, audit, run_list, undo

bp = Blueprint("run", __name__, url_prefix="/activity")
RESULTS = ("sent", "failed", "skipped", "preview", "unreadable")
HEADER = ("row", "what", "result", "now", "wanted", "stored", "reason")


@bp.get("/<int:run_id>")
def show_run(run_id: int) -> str | Response:
    result = request.args.get("result", "")
    results = (result,) if result in RESULTS else RESULTS
    shown = {
        "run": activity.get_row(run_id), "page": run_list.page_of_items(run_id, results, argument("page") or 1),
        "numbers": run_list.count_items(run_id), "result": result if result in RESULTS else "",
    }  # fmt: skip
    if wants_fragment("run"):
        return fragment("activity/_run.html", link=None, **shown)
    return render_template(
        "activity/run.html", link=lambda number: url_for(".show_run", run_id=run_id, result=result or None, page=number), **shown
    )


@bp.get("/<int:run_id>/rows.csv")
def download_rows(run_id: int) -> Response:
    activity.get_row(run_id)
    rows = (
        (item["external_id"], item["sku"], item["result"], item["now"], item["wanted"], item["stored"], item["reason"])
        for item in run_list.list_items(run_id, results=RESULTS)
    )
    return csv_file(f"run-{run_id}.csv", HEADER, rows)


@bp.post("/<int:run_id>/retry")
def retry(run_id: int) -> Response | AnyResponse:
    run = activity.get_row(run_id)
    if run.live or run.kind == "undo":
        raise Conflict("That run cannot be tried again.", "Wait until it has ended.")
    started = start_run(run.integration_id, run.kind, current_actor())
    toast(f"Run {started.id} was started.", "info")
    return go_to(url_for(".show_run", run_id=started.id))


@bp.post("/<int:run_id>/undo")
def undo_run(run_id: int) -> Response | AnyResponse:
    started = undo.start_undo(run_id, current_actor())
    enqueue_run(started.id)
    toast("The former quantities are being restored. The next stock update waits for your yes.", "info")
    return go_to(url_for(".show_run", run_id=started.id))


@bp.get("/settings")
def show_changes() -> str:
    form = ChangeFilter(request.args)
    chosen = form.chosen()
    page = audit.list_page(form.integration_id, form.q.data, argument("page") or 1, form.sort.data)
    return render_template(
        "activity/changes.html", page=page, form=form, filters=chosen,
        link=lambda number: url_for(".show_changes", page=number, **chosen),
    )  # fmt: skip


@bp.get("/settings.csv")
def download_changes() -> Response:
    form = ChangeFilter(request.args)
    rows = (
        (row.at.isoformat(timespec="seconds"), row.actor, row.integration, row.subject, row.name, row.before, row.after)
        for row in audit.iter_changes(form.integration_id, form.q.data, form.sort.data)
    )
    return csv_file("changes-of-settings.csv", ("at", "who", "integration", "subject", "setting", "before", "after"), rows)
