"""The bell: the user's notifications."""

from __future__ import annotations

from flask import Blueprint, Response, g, redirect, render_template, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from blueprints.actors import current_person
from blueprints.htmx import fragment, go_to, toast, wants_fragment
from blueprints.numbers import argument
from services.notify import notifications

bp = Blueprint("notifications", __name__, url_prefix="/notifications")


@bp.get("")
def list_notifications() -> str:
    page = notifications.list_notifications(current_user.id, argument("page") or 1)
    return render_template(
        "notify/notifications.html", page=page, link=lambda wanted: url_for(".list_notifications", page=wanted)
    )


@bp.get("/bell")
def show_bell() -> Response | AnyResponse:
    """The bell alone. Open pages poll it."""
    if not wants_fragment("bell"):
        return redirect(url_for(".list_notifications"), code=303)
    return fragment("partials/_bell.html")


@bp.post("/<int:notification_id>/read")
def read_notification(notification_id: int) -> Response:
    """Mark a notification as read and open its incident."""
    return go_to(
        url_for("incidents.show_incident", incident_id=notifications.read_notification(current_user.id, notification_id))
    )


@bp.post("/read")
def read_all() -> Response:
    notifications.read_all(current_user.id)
    toast("All notifications are marked as read.")
    return go_to(url_for(".list_notifications"))


def count_unread() -> int:
    """For the bell: one query a page."""
    if "unread" not in g:
        person = current_person()
        g.unread = notifications.count_unread(person.id) if person is not None else 0
    return g.unread
