"""The incident of a saved export that cannot be delivered: opened when it has failed for an hour, with daily reminders, resolved when a file is
delivered, the failing file is dropped, or the delivery is removed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from extensions import db, reading, writing
from models import ExportTarget, Incident, OrderExport
from models.types import utcnow
from services.notify import notifications

CAUSE = "export_failing"
AFTER = timedelta(hours=1)
REMIND_EVERY = timedelta(days=1)


def review() -> int:
    """Called by each tick. Returns how many incidents it opened, resolved or reminded of."""
    with reading():
        now = utcnow()
        failing = set(db.session.scalars(select(ExportTarget.export_id).where(ExportTarget.failing_since <= now - AFTER)))
        kept = {each.order_export_id: each.remind_at for each in db.session.scalars(_open())}
    reminded = {export_id for export_id, at in kept.items() if at is not None and at <= now}
    touched = (failing ^ kept.keys()) | reminded
    try:
        return sum(_bring_in_line(export_id, now) for export_id in sorted(touched, key=lambda each: each or 0))
    except IntegrityError:
        return 0  # another tick has just opened the same one


def _open() -> Any:
    return select(Incident).where(Incident.cause == CAUSE, Incident.resolved_at.is_(None))


def _bring_in_line(export_id: int | None, now: datetime) -> bool:
    with writing() as session:
        target = None if export_id is None else session.scalar(select(ExportTarget).where(ExportTarget.export_id == export_id))
        fails = target is not None and target.failing_since is not None and target.failing_since <= now - AFTER
        which = Incident.order_export_id.is_(None) if export_id is None else Incident.order_export_id == export_id
        incidents = list(session.scalars(_open().where(which).with_for_update()))
        if target is not None and fails and not incidents:
            return _begin(target, now)
        for incident in incidents:
            if target is None or target.failing_since is None:
                _end(incident, "export_removed" if target is None else "evidence", now)
            elif incident.remind_at is not None and incident.remind_at <= now:
                incident.facts, incident.remind_at = _facts(target), now + REMIND_EVERY
                notifications.notify(incident, notifications.note_event(incident, "reminded", now))
        return bool(incidents)


def _facts(target: ExportTarget) -> dict[str, Any]:
    name = db.session.get_one(OrderExport, target.export_id).name
    return {
        "name": name,
        "code": target.error_code,
        "message": target.error,
        "advice": target.advice,
        "failures": target.failures,
    }


def _begin(target: ExportTarget, now: datetime) -> bool:
    incident = Incident(
        order_export_id=target.export_id, cause=CAUSE, since=target.failing_since, opened_at=now, remind_at=now + REMIND_EVERY, reopened=0,
        facts=_facts(target),
    )  # fmt: skip
    db.session.add(incident)
    db.session.flush()
    notifications.notify(incident, notifications.note_event(incident, "opened", now))
    return True


def _end(incident: Incident, resolution: str, now: datetime) -> None:
    incident.resolved_at, incident.resolution, incident.remind_at = now, resolution, None
    event = notifications.note_event(incident, "resolved", now)
    if resolution == "evidence":
        notifications.notify(incident, event)
    else:
        # A person has removed it and needs no mail about that.
        notifications.mark_read_for_all(incident.id)
