"""The incident of a paused endpoint: opened when Cartlink pauses it, resolved when a person resumes or removes it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Select, select

from extensions import db, reading, writing
from models import EventEndpoint, Incident
from models.types import utcnow
from services.notify import notifications

CAUSE = "endpoint_paused"
REMIND_EVERY = timedelta(days=1)


def begin(endpoint: EventEndpoint, now: datetime) -> None:
    """Open the incident and notify people. Call it inside ``writing()``."""
    incident = Incident(
        event_endpoint_id=endpoint.id, cause=CAUSE, since=endpoint.failing_since or now, opened_at=now, remind_at=now + REMIND_EVERY,
        reopened=0, facts={"name": endpoint.name, "paused_for": endpoint.paused_for, "message": endpoint.error},
    )  # fmt: skip
    db.session.add(incident)
    db.session.flush()
    notifications.notify(incident, notifications.note_event(incident, "opened", now))


def end(endpoint_id: int, resolution: str, actor: str) -> None:
    """Resolve the incident, if there is one. Who resumed or removed the endpoint needs no message. Call it inside ``writing()``."""
    now = utcnow()
    for incident in db.session.scalars(_open().where(Incident.event_endpoint_id == endpoint_id).with_for_update()):
        incident.resolved_at, incident.resolution, incident.remind_at = now, resolution, None
        notifications.note_event(incident, "resolved", now, actor)
        notifications.mark_read_for_all(incident.id)


def remind() -> int:
    """Remind people of endpoints that are still paused, once a day; returns how many."""
    due = _open().where(Incident.event_endpoint_id.is_not(None), Incident.remind_at <= utcnow())
    with reading():
        if db.session.scalar(due.limit(1)) is None:
            return 0
    with writing() as session:
        now, found = utcnow(), session.scalars(due.with_for_update()).all()
        for incident in found:
            incident.remind_at = now + REMIND_EVERY
            notifications.notify(incident, notifications.note_event(incident, "reminded", now))
        return len(found)


def _open() -> Select[Incident]:
    return select(Incident).where(Incident.cause == CAUSE, Incident.resolved_at.is_(None))
