"""Probes: one check of an address and a key, nothing else asked. They come before an outage is called one, and now and then while
an integration is paused; a good one lets it go on."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from errors import NotFound
from extensions import db, writing
from models import Integration
from models.types import utcnow
from services import integrations

LEAST = timedelta(hours=1)
MOST = timedelta(hours=12)
MOST_AT_ONCE = 200


def due_probes() -> list[int]:
    """The integrations whose shops are to be asked now whether they answer."""
    query = (
        select(Integration.id)
        .where(
            Integration.probe_due_at <= utcnow(), Integration.enabled, Integration.removed_at.is_(None),
            Integration.health != "needs_reauthorising",
        )
        .order_by(Integration.probe_due_at)
        .limit(MOST_AT_ONCE)
    )  # fmt: skip
    ids = list(db.session.scalars(query))
    db.session.rollback()
    return ids


def probe(integration_id: int) -> str:
    """Ask a shop whether address and key work; answers with the verdict, empty where nobody needs to know any more.

    The next probe is planned before this one is made: a worker that dies over it does not end the asking."""
    with writing() as session:
        integration = session.get(Integration, integration_id, with_for_update=True)
        now = utcnow()
        if integration is None or integration.probe_due_at is None or integration.probe_due_at > now:
            return ""
        integration.probe_due_at = next_probe(integration.paused_at, now)
    try:
        return integrations.check_integration(integration_id).verdict
    except NotFound:
        return ""


def next_probe(paused_at: datetime | None, now: datetime) -> datetime | None:
    """The longer it has been paused, the rarer: an hour at first, twelve hours from the fourth day on. None where it is not."""
    if paused_at is None:
        return None
    return now + min(MOST, max(LEAST, (now - paused_at) / 8))
