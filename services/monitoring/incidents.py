"""Incidents of integrations (those of event endpoints are in services/events/pauses.py): one for each cause, opened when it has lasted, with daily reminders, resolved by evidence.

``review`` updates the incidents by what the database says. Several workers may call it at any time: each decision is made again inside
the transaction, and an index allows one open incident for each cause.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError

from config import current_config
from errors import NotFound
from extensions import db, reading, writing
from models import FlowKind, Incident, IncidentEvent, Integration, Order, SyncRun
from models.types import utcnow
from services.common import installation
from services.common.batches import delete_in_batches
from services.events import pauses
from services.monitoring.causes import FLOWS, Found, Key, find, is_on
from services.notify import notifications
from services.security import audit
from services.security.audit import About, record_change
from services.shops import health

MUTED = audit.kind("incident.muted", "Reminders switched off")
REVIEWED = "incidents_reviewed_at"
EVERY = timedelta(seconds=30)
"""How often all integrations are reviewed."""
LONGEST = 20.0
"""Seconds that a review of all integrations may take; a tick has more to do."""
REMIND_EVERY = timedelta(days=1)
STEADY = timedelta(hours=1)
"""A cause that returns within this time is the same incident. After that it is resolved only if it stays away so long."""
WARN_AHEAD = timedelta(days=1)
FIRST_PROBE = timedelta(hours=1)

DECIDED = ("stock_waits",)
"""Causes that a person decides. What was decided is over, also if the same had to be decided an hour ago. What needs no decision any more has lapsed:
nobody gets a message about that, and none if it has to be decided again within ``REMIND_EVERY`` of the last message."""
LAPSED = "lapsed"
SILENT = ("silence", "orders_missing")
"""What services/monitoring/inactivity.py finds; an order that comes is the evidence that it is over."""
ABOVE_ALL = ("key_rejected", "outage")
"""While one of these is open, it is the reason for all other failures."""


def is_due() -> bool:
    """Whether all integrations have to be reviewed again."""
    last = installation.read_setting(REVIEWED)
    return last is None or not timedelta(0) <= utcnow() - datetime.fromisoformat(last) < EVERY


def review(only: int | None = None) -> int:
    """Bring the incidents of all integrations, or of one, in line with what is known; returns how many were looked at
    closely. A handful of queries, whatever the number of integrations, where nothing has changed."""
    if only is None:
        installation.change_setting(REVIEWED, utcnow().isoformat(), "schedule")
    now = utcnow()
    if only is None:
        pauses.remind()
    with reading():
        found = find(now, only)
        kept = {
            (incident.integration_id, incident.cause): incident for incident in _open(only) if incident.integration_id is not None
        }
        touched = {integration_id for integration_id, _ in _differing(found, kept, now)}
        touched |= _to_be_paused(found, now)
    until = time.monotonic() + LONGEST
    for done, integration_id in enumerate(sorted(touched)):
        if only is None and time.monotonic() > until:
            # Probably the whole network is down. The next tick continues.
            installation.change_setting(REVIEWED, (now - EVERY).isoformat(), "schedule")
            return done
        _bring_in_line(integration_id)
    return len(touched)


def open_by_hand(integration_id: int, cause: str, since: datetime, facts: dict[str, Any]) -> None:
    """Open an incident whose cause was found by a separate check (services/monitoring/inactivity.py), or update its facts."""
    try:
        with writing() as session:
            integration = session.get(Integration, integration_id, with_for_update=True)
            if integration is None or integration.removed_at is not None:
                return
            kept = session.scalar(_open_query(integration_id).where(Incident.cause == cause))
            if kept is not None:
                kept.facts = facts
                return
            _begin(integration, cause, Found(since, facts), utcnow())
    except IntegrityError:
        return


def resolve(integration_id: int, causes: Iterable[str], resolution: str = "evidence") -> None:
    """Resolve incidents that a separate check has found to be over."""
    with writing() as session:
        session.get(Integration, integration_id, with_for_update=True)
        for incident in session.scalars(_open_query(integration_id).where(Incident.cause.in_(tuple(causes)))):
            _end(incident, utcnow(), resolution)


def mute(incident_id: int, actor: str) -> None:
    """Stop the reminders of an incident; people are still notified of its end. Raises NotFound."""
    with writing() as session:
        incident = session.get(Incident, incident_id, with_for_update=True)
        if incident is None:
            raise NotFound("There is no such incident.")
        if incident.open and incident.remind_at is not None:
            incident.remind_at = None
            session.add(IncidentEvent(incident_id=incident.id, kind="muted", actor=actor))
            record_change(MUTED, About(incident.id, incident.cause, incident.integration_id), actor=actor)


def forget_before(moment: datetime) -> int:
    """Delete incidents that were resolved before a moment, with their events and notifications; returns how many."""
    return delete_in_batches(Incident, Incident.resolved_at < moment)


def _open_query(integration_id: int) -> Select[Incident]:
    return select(Incident).where(Incident.integration_id == integration_id, Incident.resolved_at.is_(None))


def _open(only: int | None) -> Sequence[Incident]:
    query = select(Incident).where(Incident.resolved_at.is_(None), Incident.integration_id.is_not(None))
    return db.session.scalars(query if only is None else query.where(Incident.integration_id == only)).all()


def _differing(found: dict[Key, Found], kept: dict[Key, Incident], now: datetime) -> set[Key]:
    """The incidents to open, to resolve, to remind of or to update."""
    opened = {key for key, each in found.items() if each.ripe and key not in kept}
    changed = set()
    for key, incident in kept.items():
        each = found.get(key)
        if incident.cause in SILENT:
            if _reminds(incident, now) or _have_come(incident):
                changed.add(key)
        elif each is None or _reminds(incident, now) or each.facts != incident.facts:
            changed.add(key)
    unasked = {
        key for key, each in found.items()
        if key[1] == "outage" and not each.ripe and each.since <= now - timedelta(minutes=current_config().outage_minutes)
    }  # fmt: skip
    return opened | changed | unasked


def _reminds(incident: Incident, now: datetime) -> bool:
    return incident.remind_at is not None and incident.remind_at <= now


def _to_be_paused(found: dict[Key, Found], now: datetime) -> set[int]:
    """Integrations that have been failing long enough to be warned of a pause, or paused."""
    ahead = now - timedelta(days=current_config().pause_days) + WARN_AHEAD
    return {
        integration_id for (integration_id, cause), each in found.items()
        if cause == "outage" and each.since <= ahead and each.facts["failures"] >= current_config().pause_failures and not each.facts.get("paused")
    }  # fmt: skip


def _bring_in_line(integration_id: int) -> None:
    try:
        with writing() as session:
            integration = session.get(Integration, integration_id, with_for_update=True, populate_existing=True)
            if integration is not None:
                _align(integration, utcnow())
    except IntegrityError:
        # Another worker has just opened the same one.
        return


def _align(integration: Integration, now: datetime) -> None:
    found = {cause: each for (_, cause), each in find(now, integration.id).items()}
    kept = {incident.cause: incident for incident in db.session.scalars(_open_query(integration.id))}
    over: set[str] = set()
    for cause, incident in list(kept.items()):
        if _is_over(integration, incident, found.get(cause), now):
            _end(incident, now, _why_over(integration, incident))
            del kept[cause]
            over.add(cause)
            if cause == "outage":
                # The flows that the outage stopped get their full time to work again.
                health.restart_failures(integration)
        else:
            _go_on(integration, incident, found.get(cause), now)
    if not integration.enabled or integration.removed_at is not None:
        return
    _ask_first(integration, found.get("outage"), kept, now)
    for cause in sorted(found, key=lambda name: name not in ABOVE_ALL):
        overshadowed = cause in (*FLOWS.values(), "stock_rows_wait", "write_backs_wait") and any(
            each in kept or each in over for each in ABOVE_ALL
        )
        if cause not in kept and found[cause].ripe and not overshadowed:
            kept[cause] = _begin(integration, cause, found[cause], now)
    if "outage" in kept:
        _pause(integration, kept["outage"], found.get("outage"), now)


def _is_over(integration: Integration, incident: Incident, each: Found | None, now: datetime) -> bool:
    if integration.removed_at is not None or not is_on(integration, incident.cause):
        return True
    if incident.cause in SILENT:
        return _have_come(incident)
    if each is not None:
        return False
    if not incident.reopened or incident.cause in DECIDED:
        return True
    # A cause that keeps returning has to stay away for a while before the incident is over.
    last = incident.facts.get("seen_at")
    return last is None or datetime.fromisoformat(last) <= now - STEADY


def _have_come(incident: Incident) -> bool:
    """Whether an order has come that is newer than the last one before the silence."""
    newer = (
        select(Order.id).join(Integration, Integration.shop_id == Order.shop_id).where(Integration.id == incident.integration_id)
    )
    return db.session.scalar(newer.where(Order.placed_at > datetime.fromisoformat(incident.facts["last"])).limit(1)) is not None


def _why_over(integration: Integration, incident: Incident) -> str:
    if integration.removed_at is not None:
        return "removed"
    if not is_on(integration, incident.cause):
        return "switched_off"
    return LAPSED if incident.cause in DECIDED and not _was_decided(incident) else "evidence"


def _was_decided(incident: Incident) -> bool:
    """Whether a person has approved the stock update that waited, or one that took its place."""
    later = select(SyncRun.counts).where(
        SyncRun.integration_id == incident.integration_id, SyncRun.kind == FlowKind.STOCK, SyncRun.id >= incident.facts["run"]
    )
    return any("approved" in counts for counts in db.session.scalars(later))


def _go_on(integration: Integration, incident: Incident, each: Found | None, now: datetime) -> None:
    """An incident that stays: its facts as they are now, and a reminder where one is due. A disabled integration gets no
    reminders."""
    if each is not None:
        seen = {"seen_at": now.isoformat()} if incident.reopened else {}
        paused = {"paused": True} if incident.facts.get("paused") and integration.paused_at is not None else {}
        if incident.facts.get("paused") and integration.paused_at is None:
            notifications.note_event(incident, "resumed", now)
        incident.facts = {**each.facts, **seen, **paused}
    elif incident.cause not in SILENT:
        incident.facts = {"quiet_since": now.isoformat()} | incident.facts
    if integration.enabled and _reminds(incident, now):
        incident.remind_at = now + REMIND_EVERY
        _tell(incident, "reminded", now)


def _ask_first(integration: Integration, each: Found | None, kept: dict[str, Incident], now: datetime) -> None:
    """Before an outage becomes an incident, plan one probe of the shop, or bring forward the one that waits for a rejected key."""
    connection = integration.flows[FlowKind.CONNECTION]
    if each is None or each.ripe or "outage" in kept or (connection.due_at is not None and connection.due_at <= now):
        return
    if each.since <= now - timedelta(minutes=current_config().outage_minutes):
        connection.due_at = now


def _pause(integration: Integration, incident: Incident, each: Found | None, now: datetime) -> None:
    """A day after a warning, and after both many failures and days: pause the integration, with occasional probes."""
    config = current_config()
    if each is None or integration.paused_at is not None or each.facts["failures"] < config.pause_failures:
        return
    lasted = now - each.since
    if integration.pause_warned_at is None:
        if lasted >= timedelta(days=config.pause_days) - WARN_AHEAD:
            integration.pause_warned_at = now
            _tell(incident, "warned", now)
    elif lasted >= timedelta(days=config.pause_days) and now - integration.pause_warned_at >= WARN_AHEAD:
        integration.paused_at, integration.flows[FlowKind.CONNECTION].due_at = now, now + FIRST_PROBE
        incident.facts = {**incident.facts, "paused": True}
        incident.remind_at = now + REMIND_EVERY if incident.remind_at is not None else None
        _tell(incident, "paused", now)


def _begin(integration: Integration, cause: str, each: Found, now: datetime) -> Incident:
    """Open a new incident, or the last one of the same cause again if it has just ended. What waits for a decision is a new incident, unless
    the last one has lapsed: it has not waited since the one that was decided."""
    last = _lapsed(integration, cause, now) if cause in DECIDED else _just_ended(integration, cause, now)
    if last is not None:
        _reopen(last, each, now)
        return last
    incident = Incident(
        integration_id=integration.id, cause=cause, since=each.since, opened_at=now, remind_at=now + REMIND_EVERY, facts=each.facts,
        reopened=0,
    )  # fmt: skip
    db.session.add(incident)
    db.session.flush()
    _tell(incident, "opened", now)
    return incident


def _just_ended(integration: Integration, cause: str, now: datetime) -> Incident | None:
    """The last incident of a cause that ended by itself, where that was less than ``STEADY`` ago."""
    query = select(Incident).where(
        Incident.integration_id == integration.id, Incident.cause == cause, Incident.resolved_at > now - STEADY,
        Incident.resolution == "evidence",
    )  # fmt: skip
    return db.session.scalar(query.order_by(Incident.id.desc()).limit(1))


def _lapsed(integration: Integration, cause: str, now: datetime) -> Incident | None:
    """The last incident of a cause, where it has lapsed and people had a message of it less than ``REMIND_EVERY`` ago."""
    query = select(Incident).where(Incident.integration_id == integration.id, Incident.cause == cause)
    last = db.session.scalar(query.order_by(Incident.id.desc()).limit(1))
    return last if last is not None and last.resolution == LAPSED and _last_message(last) > now - REMIND_EVERY else None


def _reopen(incident: Incident, each: Found, now: datetime) -> None:
    """Open an incident again. Where it had lapsed, people know of it: the next message is its daily reminder, unless a person has switched that
    off."""
    had_lapsed = incident.resolution == LAPSED
    incident.resolved_at, incident.resolution = None, ""
    incident.reopened += 1
    if had_lapsed:
        remind_at = None if _was_muted(incident) else _last_message(incident) + REMIND_EVERY
        incident.facts, incident.remind_at = each.facts, remind_at
        notifications.note_event(incident, "reopened", now)
    else:
        incident.facts, incident.remind_at = {**each.facts, "seen_at": now.isoformat()}, now + REMIND_EVERY
        _tell(incident, "reopened", now)


def _was_muted(incident: Incident) -> bool:
    """Whether a person has switched the reminders off since the last message."""
    query = select(IncidentEvent.kind).where(
        IncidentEvent.incident_id == incident.id, IncidentEvent.kind.in_(("opened", "reminded", "muted"))
    )
    return db.session.scalar(query.order_by(IncidentEvent.id.desc()).limit(1)) == "muted"


def _last_message(incident: Incident) -> datetime:
    """When people had a message that there is something to decide."""
    query = select(IncidentEvent.at).where(
        IncidentEvent.incident_id == incident.id, IncidentEvent.kind.in_(("opened", "reminded"))
    )
    return db.session.scalar(query.order_by(IncidentEvent.id.desc()).limit(1)) or incident.opened_at


def _end(incident: Incident, now: datetime, resolution: str) -> None:
    incident.resolved_at, incident.resolution, incident.remind_at = now, resolution, None
    if resolution == "evidence":
        _tell(incident, "resolved", now)
    elif resolution == LAPSED:
        notifications.note_event(incident, "resolved", now)
    else:
        # A person has switched it off or removed it and needs no mail about that.
        notifications.note_event(incident, "resolved", now)
        notifications.mark_read_for_all(incident.id)


def _tell(incident: Incident, kind: str, now: datetime) -> None:
    notifications.notify(incident, notifications.note_event(incident, kind, now))
