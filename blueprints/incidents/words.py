"""What parts of an integration, and what becomes of incidents, are called on a page."""

from __future__ import annotations

from flask import Flask

from blueprints.incidents.notices import count_unread
from services.incident_words import CAUSES

GROUPS = {"connection": "Connection", "orders": "Orders", "stock": "Stock", "write_back": "Write-back"}
GROUP_STATES = {
    "good": ("Good", "good"), "failing": ("Failing", "bad"), "waiting": ("Waiting", "warn"), "stopped": ("Stopped", "bad"),
    "off": ("Off", "idle"), "never": ("Not yet", "idle"),
}  # fmt: skip
EVENTS = {
    "opened": ("New", "bad"), "reopened": ("Again", "bad"), "reminded": ("Still open", "warn"), "warned": ("Will be paused", "warn"),
    "paused": ("Paused", "warn"), "resumed": ("Resumed", "busy"), "muted": ("No more reminders", "idle"), "resolved": ("Over", "good"),
}  # fmt: skip
"""What became of an incident -> word and tone."""
RESOLUTIONS = {
    "evidence": "It was over by itself: what had failed has worked.", "switched_off": "It was closed because this was switched off.",
    "removed": "It was closed because the integration was removed.",
}  # fmt: skip
PARTS = {
    "connection": "connection", "orders": "orders", "stock": "stock", "listings": "listings", "shipments": "write-back",
    "receipts": "daily comparison",
}  # fmt: skip
DELIVERIES = {
    "waiting": ("Waiting", "busy"), "sending": ("On its way", "busy"), "done": ("Delivered", "good"), "failed": ("Given up", "bad"),
    "dropped": ("Dropped", "idle"),
}  # fmt: skip


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(
        GROUPS=GROUPS, GROUP_STATES=GROUP_STATES, EVENTS=EVENTS, RESOLUTIONS=RESOLUTIONS, DELIVERIES=DELIVERIES, CAUSES=CAUSES,
        count_unread=count_unread,
    )  # fmt: skip
    app.jinja_env.filters.update(failing_words=failing_words)


def failing_words(failing: str) -> str:
    """``connection orders`` -> ``connection and orders``; empty for none. Where the connection fails, that says all."""
    names = failing.split()
    if "connection" in names:
        return PARTS["connection"]
    words = [PARTS[name] for name in names if name in PARTS]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1] if words else "")))
