"""The audit trail: who changed what, when, from what to what."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for

from blueprints.actors import current_person, may_see_customers
from blueprints.downloads import download
from blueprints.files import csv_file
from blueprints.numbers import argument
from blueprints.security import places, words
from blueprints.security.forms import ChangeFilter
from services.security import trail
from services.security.trail import Entry, Reader

bp = Blueprint("audit", __name__, url_prefix="/activity")
bp.record_once(words.use_all)
HEADER = ("at", "who", "what", "object", "id", "name", "integration", "field", "before", "after")
SHOWN = 20
"""Entries of an object's history on its page."""


def reader() -> Reader:
    """Who reads the trail in this request."""
    person = current_person()
    return Reader(
        f"user:{person.name}" if person else "", person is not None and person.may("owner"), may_see_customers()
    )  # fmt: skip


@bp.get("/changes")
def show_changes() -> str:
    form, about = ChangeFilter(request.args), argument("id")
    wanted = form.wanted(reader(), about)
    chosen = {**form.chosen(), **({"id": about} if about and form.of.data else {})}
    page = trail.list_page(wanted, request.args.get("page", ""))
    return render_template(
        "security/changes.html", page=page, form=form, filters=chosen, about=chosen.get("id"), place_of=places.place_of,
        link=lambda number: url_for(".show_changes", page=number, **chosen),
    )  # fmt: skip


@bp.get("/changes.csv")
@download
def download_changes() -> Response:
    wanted = ChangeFilter(request.args).wanted(reader(), argument("id"))
    rows = (row for batch in trail.iter_entries(wanted) for entry in batch for row in _lines(entry))
    return csv_file("audit-trail.csv", HEADER, rows)


def _lines(entry: Entry) -> list[tuple[object, ...]]:
    """A line for each field that changed, at least one."""
    about = (
        entry.at.isoformat(timespec="seconds"), entry.actor, entry.what, entry.object, entry.object_id, entry.subject, entry.integration,
    )  # fmt: skip
    return [(*about, *change) for change in entry.changes or [("", "", "")]]


@bp.app_template_global()
def history_of(object: str, object_id: int) -> list[Entry]:
    """The newest entries about an object, for the *History* of its page."""
    return trail.history(object, object_id, reader(), SHOWN)
