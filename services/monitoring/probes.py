"""Probes: one check of an address and a key. They are made before an outage becomes an incident, and from time to time while an
integration is paused or its key is not accepted; a good one resumes it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from channels.base import Check
from errors import NotFound
from extensions import db, reading, writing
from models import Flow, FlowKind, Integration
from models.types import utcnow
from services.monitoring import incidents
from services.monitoring.connection_state import make_all_due, note_good, note_trouble
from services.shops import health
from services.shops.connection import check_integration

SOON = timedelta(minutes=10)
"""After a key was rejected, it is tried again: a guard that gives the shop's answer for a while, or a key that is put back, needs no person."""
LEAST = timedelta(hours=1)
MOST = timedelta(hours=12)
MOST_AT_ONCE = 200


def due_probes() -> list[int]:
    """The integrations whose shops have to be probed now."""
    query = (
        select(Flow.integration_id)
        .join(Integration)
        .where(
            Flow.kind == FlowKind.CONNECTION, Flow.due_at <= utcnow(), Integration.enabled, Integration.removed_at.is_(None),
        )
        .order_by(Flow.due_at)
        .limit(MOST_AT_ONCE)
    )  # fmt: skip
    with reading():
        return list(db.session.scalars(query))


def probe(integration_id: int) -> str:
    """Probe a shop. Returns the verdict, empty if the probe is no longer needed.

    The next probe is planned before this one is made, so that a worker that dies does not end the probes."""
    with writing() as session:
        integration = session.get(Integration, integration_id, with_for_update=True)
        now = utcnow()
        if integration is None:
            return ""
        connection = integration.flows[FlowKind.CONNECTION]
        if connection.due_at is None or connection.due_at > now:
            return ""
        connection.due_at = next_probe(integration, now)
    try:
        return probe_integration(integration_id).verdict
    except NotFound:
        return ""


def next_probe(integration: Integration, now: datetime) -> datetime | None:
    """An hour after a pause began or the key was rejected, later rarer, twelve hours from the fourth day on. Each hour while a key may only
    read. None if nothing is to be found out."""
    since = integration.health_since if integration.health == "needs_reauthorising" else integration.paused_at
    if since is not None:
        return now + min(MOST, max(LEAST, (now - since) / 8))
    return now + LEAST if integration.writes_refused else None


def probe_integration(integration_id: int) -> Check:
    """Check an integration and record the answer: a good one clears failures and makes all flows due, a rejected key needs a person.
    What is wrong with a key says nothing about one that has replaced it meanwhile."""
    with reading() as session:
        key = session.scalar(select(Integration.key_encrypted).where(Integration.id == integration_id))
    check = check_integration(integration_id)
    with writing() as session:
        integration = session.get(Integration, integration_id, with_for_update=True)
        if integration is None or integration.removed_at is not None:
            raise NotFound("That integration has been removed.")
        if integration.key_encrypted != key:
            return check
        if check.good:
            health.note_answer(integration)
            integration.writes_refused = False
            note_good(integration)
            integration.generation, integration.admin_script = check.generation, check.admin_script
            make_all_due(integration)
        elif check.verdict == "read_only_key":
            integration.writes_refused = True
            note_trouble(integration, "connected", check.message)
        else:
            state = "needs_reauthorising" if check.verdict == "wrong_key" else "retrying"
            note_trouble(integration, state, check.message)
        if not check.good:
            health.note_no_answer(integration, check.verdict, check.message, check.advice)
    incidents.review(integration_id)
    return check
