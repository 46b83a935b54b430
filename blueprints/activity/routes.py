"""The page of sync runs."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for

from blueprints.activity.forms import RunFilter
from blueprints.files import csv_file
from blueprints.htmx import back_to, fragment, go_to, toast, wants_fragment
from blueprints.numbers import argument
from blueprints.words import plural
from services import activity, runs

bp = Blueprint("activity", __name__, url_prefix="/activity")


@bp.get("")
def list_runs() -> str | Response:
    wanted = RunFilter(request.args)
    page = activity.list_page(
        integration=wanted.integration.data, kind=wanted.kind.data, outcome=wanted.outcome.data,
        before=argument("before"), after=argument("after"), sort=wanted.sort.data, number=argument("page") or 1,
    )  # fmt: skip
    filters = wanted.chosen()
    shown = {"page": page, "filters": filters, "link": lambda number: url_for(".list_runs", page=number, **filters)}
    if wants_fragment("runs"):
        live = sum(run.live for run in page.runs)
        announce = f"{plural(live, 'run')} under way" if live else "No run under way"
        return fragment("activity/_runs.html", announce=announce, **shown)
    return render_template("activity/list.html", form=wanted, **shown)


@bp.get("/runs.csv")
def download_runs() -> Response:
    wanted = RunFilter(request.args)
    batches = activity.iter_rows(
        integration=wanted.integration.data, kind=wanted.kind.data, outcome=wanted.outcome.data, sort=wanted.sort.data
    )
    return csv_file("runs.csv", activity.HEADER, (activity.row_for_file(row) for batch in batches for row in batch))


@bp.post("/<int:run_id>/stop")
def request_stop(run_id: int) -> Response:
    runs.request_stop(run_id)
    toast("The run stops before its next request to the shop.", "info")
    return go_to(back_to(url_for(".list_runs")))
