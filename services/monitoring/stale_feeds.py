"""The incident of stale feeds: one for the installation, open while any enabled feed has brought nothing new for longer than it should. Everyone
who chose the topic is notified when a feed becomes stale, once for each time. It reads the tables of feeds, and changes none of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, true
from sqlalchemy.exc import IntegrityError

from extensions import db, reading, writing
from models import Feed, Incident, Supplier
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.notify import notifications

CAUSE = "feed_stale"
NAMED = 20
"""Feeds that the incident names, the longest stale first."""


def review() -> int:
    """Called by each tick. Returns how many feeds are stale."""
    with reading():
        found = _stale(utcnow())
        incident = db.session.scalar(select(Incident).where(Incident.cause == CAUSE, Incident.resolved_at.is_(None)))
        same = (incident is None and not found) or (incident is not None and incident.facts == _facts(found))
    if not same:
        try:
            _review(found)
        except IntegrityError:
            return 0  # another tick has just opened it
    return len(found)


def _stale(now: datetime) -> list[tuple[int, str, datetime, str]]:
    """The stale feeds: id, what people call it, since when, and what went wrong last."""
    query = (
        select(Feed, Supplier.name)
        .join(Supplier)
        .where(Feed.enabled == true(), Feed.removed_at.is_(None), Supplier.removed_at.is_(None))
        .where((Feed.read_at.is_not(None)) | Feed.interval_seconds.is_not(None) | (Feed.failing_since.is_not(None)))
    )
    found = []
    for feed, supplier in db.session.execute(query).all():
        since = (feed.read_at or feed.created_at) + timedelta(seconds=feed.stale_after_seconds)
        if since < now:
            found.append((feed.id, f"{supplier}: {feed.name}", since, feed.error))
    return sorted(found, key=lambda each: (each[2], each[0]))


def _facts(found: list[tuple[int, str, datetime, str]]) -> dict[str, Any]:
    feeds = [[feed_id, name, since.isoformat(), error] for feed_id, name, since, error in found[:NAMED]]
    return {"name": "Supplier feeds", "count": len(found), "feeds": feeds}


@retry_on_deadlock
def _review(found: list[tuple[int, str, datetime, str]]) -> None:
    with writing() as session:
        now = utcnow()
        incident = session.scalar(
            select(Incident).where(Incident.cause == CAUSE, Incident.resolved_at.is_(None)).with_for_update()
        )
        if incident is not None and not found:
            incident.resolved_at, incident.resolution = now, "evidence"
            notifications.note_event(incident, "resolved", now)
            notifications.mark_read_for_all(incident.id)
            return
        if not found:
            return
        known = set() if incident is None else {feed_id for feed_id, *_ in incident.facts.get("feeds", ())}
        kind = "opened" if incident is None else "more"
        if incident is None:
            incident = Incident(cause=CAUSE, since=found[0][2], opened_at=now, remind_at=None, reopened=0, facts=_facts(found))
            session.add(incident)
            session.flush()
        incident.facts = _facts(found)
        if {feed_id for feed_id, *_ in found[:NAMED]} - known:
            notifications.notify(incident, notifications.note_event(incident, kind, now))
