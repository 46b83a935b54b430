"""The start page is Today; and the page with the links to all settings."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

bp = Blueprint("settings", __name__)


@bp.get("/")
def open_front_door() -> Response:
    return redirect(url_for("today.show_today"))


@bp.get("/settings")
def show_settings() -> str:
    return render_template("settings/settings.html")
