"""Warnings to people about an endpoint that fails: after an hour, after a day, and when it is paused."""

from __future__ import annotations

from datetime import datetime, timedelta

from models import EventEndpoint
from services.notify import notifications

AFTER = (timedelta(hours=1), timedelta(hours=24))
PAUSED = len(AFTER) + 1


def warn(endpoint: EventEndpoint, now: datetime) -> None:
    """Notify the owners once for each stage. Call it inside ``writing()``."""
    if endpoint.failing_since is None:
        return
    stage = PAUSED if endpoint.paused_at is not None else sum(now - endpoint.failing_since >= each for each in AFTER)
    if stage <= endpoint.warned:
        return
    endpoint.warned = stage
    notifications.notify_owners(_subject(endpoint), [_sentence(endpoint), f"The last answer: {endpoint.error}", _next(endpoint)])


def _subject(endpoint: EventEndpoint) -> str:
    return f"{endpoint.name}: {'paused, no events are sent' if endpoint.paused_at is not None else 'events cannot be delivered'}"


def _sentence(endpoint: EventEndpoint) -> str:
    if endpoint.paused_for == "gone":
        return f"The event endpoint {endpoint.name} answered 410: it wants no more events. Cartlink has paused it."
    since = f"{endpoint.failing_since:%d %b %Y, %H:%M} UTC"
    return f"The event endpoint {endpoint.name} has taken no event since {since}."


def _next(endpoint: EventEndpoint) -> str:
    if endpoint.paused_at is not None:
        return "Its events are kept for 30 days. When it is back, resume it under Settings → Event endpoints; it then gets what it missed."
    return "Cartlink keeps trying, at growing intervals, and pauses it after three days. Events are kept meanwhile."
