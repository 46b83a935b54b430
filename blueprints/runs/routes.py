"""The page of sync runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for

from blueprints.downloads import download
from blueprints.files import csv_file
from blueprints.htmx import back_to, fragment, go_to, toast, wants_fragment
from blueprints.labels import plural
from blueprints.numbers import argument
from blueprints.runs.forms import RunFilter
from blueprints.tables import table_of
from services.runs import activity, lifecycle

bp = Blueprint("runs", __name__, url_prefix="/activity")


@bp.get("")
def list_runs() -> str | Response:
    wanted = RunFilter(request.args)
    page = activity.list_page(
        integration=wanted.integration.data, kind=wanted.kind.data, outcome=wanted.outcome.data,
        before=argument("before"), after=argument("after"), sort=wanted.sort.data, place=request.args.get("page", ""),
    )  # fmt: skip
    filters = wanted.chosen()
    shown: dict[str, Any] = {
        "page": page,
        "filters": filters,
        "table": table_of("runs", "runs.list_runs", wanted),
        "link": lambda number: url_for(".list_runs", page=number, **filters),
    }
    if wants_fragment("runs"):
        return fragment("runs/_runs.html", announce=_announcement(page.runs), **shown)
    return render_template("runs/list.html", counts={} if wanted.narrowed_beside("outcome") else activity.counts(), **shown)


def _announcement(runs: Sequence[activity.RunRow]) -> str:
    """What a screen reader says when the list was loaded again."""
    live = sum(run.live for run in runs)
    return f"{plural(live, 'run')} running" if live else "No run is running"


@bp.get("/runs.csv")
@download
def download_runs() -> Response:
    wanted = RunFilter(request.args)
    batches = activity.iter_rows(
        integration=wanted.integration.data, kind=wanted.kind.data, outcome=wanted.outcome.data, sort=wanted.sort.data
    )
    return csv_file("runs.csv", activity.HEADER, (activity.row_for_file(row) for batch in batches for row in batch))


@bp.post("/<int:run_id>/stop")
def request_stop(run_id: int) -> Response:
    lifecycle.request_stop(run_id)
    toast("The run stops before its next request to the shop. To start it again, open it and choose ‘Run again’.", "info")
    return go_to(back_to(url_for(".list_runs")))
