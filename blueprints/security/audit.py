"""The audit trail: who changed which setting, from what to what."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for

from blueprints.downloads import download
from blueprints.files import csv_file
from blueprints.security.forms import ChangeFilter
from services.security import audit

bp = Blueprint("audit", __name__, url_prefix="/activity")


@bp.get("/changes")
def show_changes() -> str:
    form = ChangeFilter(request.args)
    chosen = form.chosen()
    page = audit.list_page(form.integration_id, form.q.data, request.args.get("page", ""), form.sort.data)
    return render_template(
        "security/changes.html", page=page, form=form, filters=chosen,
        link=lambda number: url_for(".show_changes", page=number, **chosen),
    )  # fmt: skip


@bp.get("/changes.csv")
@download
def download_changes() -> Response:
    form = ChangeFilter(request.args)
    rows = (
        (row.at.isoformat(timespec="seconds"), row.actor, row.integration, row.subject, row.name, row.before, row.after)
        for row in audit.iter_changes(form.integration_id, form.q.data, form.sort.data)
    )
    return csv_file("changes-of-settings.csv", ("at", "who", "integration", "subject", "setting", "before", "after"), rows)
