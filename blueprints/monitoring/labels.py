"""What parts of an integration, and what became of incidents, are called on a page."""

from __future__ import annotations

from flask import Flask

from services.notify.incident_texts import CAUSES

GROUPS = {"connection": "Connection", "orders": "Orders", "stock": "Stock", "write_back": "Shipment updates"}
GROUP_STATES = {
    "good": ("Good", "good"), "failing": ("Failing", "bad"), "waiting": ("Waiting", "warn"), "stopped": ("Stopped", "bad"),
    "off": ("Off", "idle"), "never": ("Not yet", "idle"),
}  # fmt: skip
STATUS = {
    "disabled": "Disabled: nothing is downloaded or sent", "key": "Enabled, but stopped until it is reauthorised",
    "paused": "Enabled, but paused", "": "Enabled and active",
}  # fmt: skip
"""What stops a whole integration (services.shops.health.stopped_by) -> what its page says below its switch."""
EVENTS = {
    "opened": ("New", "bad"), "more": ("New", "bad"), "reopened": ("Again", "bad"), "reminded": ("Still open", "warn"), "warned": ("Will be paused", "warn"),
    "paused": ("Paused", "warn"), "resumed": ("Resumed", "busy"), "muted": ("No more reminders", "idle"), "resolved": ("Resolved", "good"),
}  # fmt: skip
"""What became of an incident -> word and tone."""
RESOLUTIONS = {
    "evidence": "It ended on its own: what failed works again.", "switched_off": "It was closed because the flow was switched off.",
    "lapsed": "No approval is needed any more: the quantities have changed.",
    "removed": "It was closed because the integration was removed.", "resumed": "A person has resumed it.",
    "endpoint_removed": "It was closed because the event endpoint was removed.",
    "export_removed": "It was closed because the export, or its delivery, was removed.",
}  # fmt: skip
PARTS = {
    "connection": "connection", "orders": "orders", "stock": "stock", "listings": "listings", "shipments": "shipment updates",
    "reconciliation": "daily reconciliation",
}  # fmt: skip


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(
        GROUPS=GROUPS, GROUP_STATES=GROUP_STATES, STATUS=STATUS, EVENTS=EVENTS, RESOLUTIONS=RESOLUTIONS, CAUSES=CAUSES
    )
    app.jinja_env.filters.update(failing_parts=failing_parts)


def failing_parts(failing: str) -> str:
    """``connection orders`` -> ``connection and orders``; empty for none. Where the connection fails, that says all."""
    names = failing.split()
    if "connection" in names:
        return PARTS["connection"]
    words = [PARTS[name] for name in names if name in PARTS]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1] if words else "")))
