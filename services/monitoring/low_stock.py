"""The incident of low stock: one for the installation, open while any stock item is at or below its threshold. Everyone who chose the topic
is notified when items become low, once for each fall.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from extensions import db, writing
from models import Incident
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.notify import notifications
from services.stock import low_stock

CAUSE = "low_stock"
NAMED = 20
"""Items that the incident names, those that became low last."""


def review() -> int:
    """Called by each tick. Returns how many items became low."""
    try:
        return _review() if low_stock.has_changed() else 0
    except IntegrityError:
        return 0  # another tick has just done it for the first time


@retry_on_deadlock
def _review() -> int:
    with writing() as session:
        marked = low_stock.mark()
        if not marked.fallen and not marked.risen:
            return 0
        session.flush()
        now, count = utcnow(), low_stock.count_low()
        incident = session.scalar(
            select(Incident).where(Incident.cause == CAUSE, Incident.resolved_at.is_(None)).with_for_update()
        )
        if incident is not None and not count:
            incident.resolved_at, incident.resolution = now, "evidence"
            notifications.note_event(incident, "resolved", now)
            notifications.mark_read_for_all(incident.id)
        elif count:
            _show(incident, count, now, bool(marked.fallen))
        return len(marked.fallen)


def _show(incident: Incident | None, count: int, now: datetime, fallen: bool) -> None:
    default = low_stock.default_threshold()
    items = [[item.sku, item.available, default if item.low_at is None else item.low_at] for item in low_stock.newest_low(NAMED)]
    facts: dict[str, Any] = {"name": "Stock", "count": count, "items": items}
    kind = "opened" if incident is None else "more"
    if incident is None:
        incident = Incident(cause=CAUSE, since=now, opened_at=now, remind_at=None, reopened=0, facts=facts)
        db.session.add(incident)
        db.session.flush()
    incident.facts = facts
    if fallen:
        notifications.notify(incident, notifications.note_event(incident, kind, now))
