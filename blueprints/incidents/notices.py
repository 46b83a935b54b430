"""The bell: what is new for the person who asks."""

from __future__ import annotations

from flask import Blueprint, Response, g, redirect, render_template, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_person
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.numbers import argument
from services import notices

bp = Blueprint("notices", __name__, url_prefix="/notifications")


@bp.get("")
def list_notices() -> str:
    page = notices.list_notices(current_user.id, argument("page") or 1)
    return render_template("incidents/notices.html", page=page, link=lambda wanted: url_for(".list_notices", page=wanted))


@bp.get("/bell")
def show_bell() -> Response | AnyResponse:
    """The bell alone, asked for now and then by pages that stay open."""
    if not wants_fragment("bell"):
        return redirect(url_for(".list_notices"), code=303)
    return fragment("partials/_bell.html")


@bp.post("/<int:notice_id>/read")
def read_notice(notice_id: int) -> Response:
    """Mark a notice as read and open what it tells of."""
    return go_to(url_for("incidents.show_incident", incident_id=notices.read_notice(current_user.id, notice_id)))


@bp.post("/read")
def read_all() -> Response:
    notices.read_all(current_user.id)
    toast("All are marked as read.")
    return go_to(url_for(".list_notices"))


def count_unread() -> int:
    """For the bell: asked once a page."""
    if "unread" not in g:
        person = current_person()
        g.unread = notices.count_unread(person.id) if person is not None else 0
    return g.unread
