"""Warnings to people about an endpoint that fails: after an hour and after a day. When it is paused, an incident says so (pauses.py)."""

from __future__ import annotations

from datetime import datetime, timedelta

from models import EventEndpoint
from services.notify import notifications

AFTER = (timedelta(hours=1), timedelta(hours=24))
NEXT = "Cartlink keeps trying, at growing intervals, and pauses it after three days. Events are kept meanwhile."


def warn(endpoint: EventEndpoint, now: datetime) -> None:
    """Notify the owners once for each stage. Call it inside ``writing()``."""
    if endpoint.failing_since is None or endpoint.paused_at is not None:
        return
    stage = sum(now - endpoint.failing_since >= each for each in AFTER)
    if stage <= endpoint.warned:
        return
    endpoint.warned = stage
    since = f"{endpoint.failing_since:%d %b %Y, %H:%M} UTC"
    notifications.notify_owners(
        f"{endpoint.name}: events cannot be delivered",
        [f"The event endpoint {endpoint.name} has taken no event since {since}.", f"The last answer: {endpoint.error}", NEXT],
    )
