"""What deliveries are called on a page, and the count beside the bell."""

from __future__ import annotations

from flask import Flask

from blueprints.notify.notifications import count_unread

DELIVERIES = {
    "waiting": ("Waiting", "busy"), "sending": ("Sending", "busy"), "done": ("Delivered", "good"), "failed": ("Failed", "bad"),
    "dropped": ("Discarded", "idle"),
}  # fmt: skip


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(DELIVERIES=DELIVERIES, count_unread=count_unread)
