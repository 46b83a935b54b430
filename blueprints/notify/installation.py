"""How notifications leave this installation: the mail server as configured. For owners."""

from __future__ import annotations

from flask import Blueprint, current_app, render_template

bp = Blueprint("notification_settings", __name__, url_prefix="/settings/notifications")


@bp.get("")
def show_settings() -> str:
    config = current_app.config["CARTLINK"]
    return render_template("notify/installation.html", mail=config if config.smtp_host else None)
