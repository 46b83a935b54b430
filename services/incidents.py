"""Incidents: one for each cause an integration has, opened when it has lasted, reminded of daily, resolved by evidence.

``review`` looks at what the database says and brings the incidents in line with it. It may be called at any time, by any number
of workers at once: what is decided is decided again inside the transaction, and an index lets a cause be open once only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import Text, cast, delete, func, select
from sqlalchemy.exc import IntegrityError

from config import Config
from errors import NotFound
from extensions import db, writing
from models import HealthPart, Incident, IncidentEvent, Integration, Order, WriteBack
from models.types import utcnow
from services import health, installation, notices
from services.incident_words import CAUSES

REVIEWED = "incidents_reviewed_at"
EVERY = timedelta(seconds=30)
"""How often everything is looked at."""
LONGEST = 20.0
"""Seconds a review of everything may take; a tick has more to do."""
REMIND_EVERY = timedelta(days=1)
STEADY = timedelta(hours=1)
"""What comes back within this time is the same incident; and once it has come back, it has to stay away so long."""
UNPROBED = timedelta(minutes=15)
"""How much longer an outage may last without the shop having been asked once more whether it answers at all."""
HELD_FOR = timedelta(hours=1)
"""Orders on hold shorter than this are being worked on."""
WARN_AHEAD = timedelta(days=1)
FIRST_PROBE = timedelta(hours=1)

FLOWS = {
    "orders": "orders_failing", "stock": "stock_failing", "listings": "listings_failing", "shipments": "write_backs_failing",
    "receipts": "receipts_failing",
}  # fmt: skip
"""Part of an integration's health -> the cause of its incident, where the shop itself answers."""
SILENT = ("silence", "orders_missing")
"""What services/silence.py finds; an order that comes is the evidence that it is over."""
ABOVE_ALL = ("key_rejected", "outage")
"""While one of these is open nothing else fails for a reason of its own."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong now. ``ripe`` is false where it has not lasted long enough to open an incident; one that is open stays."""

    since: datetime
    facts: dict[str, Any] = field(default_factory=dict)
    ripe: bool = True


Key = tuple[int, str]


def is_due() -> bool:
    """Whether everything is to be looked at again."""
    last = installation.read_setting(REVIEWED)
    return last is None or not timedelta(0) <= utcnow() - datetime.fromisoformat(last) < EVERY


def review(only: int | None = None) -> int:
    """Bring the incidents of all integrations, or of one, in line with what is known; answers with how many were looked at
    closely. A handful of queries, whatever the number of integrations, where nothing has changed."""
    if only is None:
        installation.change_setting(REVIEWED, utcnow().isoformat(), "schedule")
    now = utcnow()
    found = _found(now, only)
    kept = {(incident.integration_id, incident.cause): incident for incident in _open(only)}
    touched = {integration_id for integration_id, _ in _differing(found, kept, now)}
    touched |= _to_be_paused(found, now)
    db.session.rollback()
    until = time.monotonic() + LONGEST
    for done, integration_id in enumerate(sorted(touched)):
        if only is None and time.monotonic() > until:
            # The network of us all is down, it seems. The next tick goes on; nobody waits for this one any longer.
            installation.change_setting(REVIEWED, (now - EVERY).isoformat(), "schedule")
            return done
        _bring_in_line(integration_id)
    return len(touched)


def open_by_hand(integration_id: int, cause: str, since: datetime, facts: dict[str, Any]) -> None:
    """Open an incident whose cause was found by a look of its own (services/silence.py), or bring its facts up to date."""
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
    """Resolve what a look of its own has found to be over."""
    with writing() as session:
        session.get(Integration, integration_id, with_for_update=True)
        for incident in session.scalars(_open_query(integration_id).where(Incident.cause.in_(tuple(causes)))):
            _end(incident, utcnow(), resolution)


def mute(incident_id: int, actor: str) -> None:
    """No more reminders of this one; its end is told all the same. Raises NotFound."""
    with writing() as session:
        incident = session.get(Incident, incident_id, with_for_update=True)
        if incident is None:
            raise NotFound("There is no such incident.")
        if incident.open and incident.remind_at is not None:
            incident.remind_at = None
            session.add(IncidentEvent(incident_id=incident.id, kind="muted", actor=actor))


def forget_before(moment: datetime) -> int:
    """Delete incidents that were resolved before a moment, with all that was told of them; answers with how many."""
    count = 0
    old = select(Incident.id).where(Incident.resolved_at < moment).order_by(Incident.id).limit(500)
    while ids := list(db.session.scalars(old)):
        with writing() as session:
            count += session.execute(delete(Incident).where(Incident.id.in_(ids), Incident.resolved_at < moment)).rowcount
    db.session.rollback()
    return count


def _open_query(integration_id: int):
    return select(Incident).where(Incident.integration_id == integration_id, Incident.resolved_at.is_(None))


def _open(only: int | None) -> Sequence[Incident]:
    query = select(Incident).where(Incident.resolved_at.is_(None))
    return db.session.scalars(query if only is None else query.where(Incident.integration_id == only)).all()


def _found(now: datetime, only: int | None) -> dict[Key, Found]:
    """Everything that is wrong, ripe or not, from what the tables say."""
    found: dict[Key, Found] = {}
    mine = (Integration.removed_at.is_(None), *(() if only is None else (Integration.id == only,)))
    trouble = (
        (Integration.health == "needs_reauthorising") | Integration.writes_refused | (Integration.waiting_run_id.is_not(None))
        | (Integration.failing != "")
    )  # fmt: skip
    for integration in db.session.scalars(select(Integration).where(*mine, trouble)):
        _of_integration(integration, found, now)
    _of_parts(found, now, mine)
    _of_rows(found, now, mine)
    return found


def _of_integration(integration: Integration, found: dict[Key, Found], now: datetime) -> None:
    since = integration.health_since or now
    if integration.health == "needs_reauthorising":
        found[integration.id, "key_rejected"] = Found(since, {"message": integration.health_message})
    elif integration.writes_refused and (integration.stock_on or integration.shipments_on):
        found[integration.id, "read_only_key"] = Found(now, {})
    if integration.waiting_run_id is not None and integration.stock_on:
        found[integration.id, "stock_waits"] = Found(now, {"run": integration.waiting_run_id})


def _of_parts(found: dict[Key, Found], now: datetime, mine: tuple) -> None:
    """What the failing parts come to. A part fails for a reason of its own only where the shop has answered since."""
    config = _config()
    outage, flow = now - timedelta(minutes=config.outage_minutes), now - timedelta(minutes=4 * config.outage_minutes)
    failing = select(HealthPart, Integration).join(Integration).where(HealthPart.failing_since.is_not(None), *mine)
    rows = db.session.execute(failing).all()
    ids = {part.integration_id for part, _ in rows if part.part != "connection"}
    good = select(HealthPart.integration_id, HealthPart.good_at).where(
        HealthPart.part == "connection", HealthPart.integration_id.in_(ids)
    )
    answered = dict(db.session.execute(good).all()) if ids else {}
    for part, integration in rows:
        if part.part == "connection":
            asked = part.probed_at is not None or part.failing_since <= outage - UNPROBED
            facts = _facts(part) | ({"paused": True} if integration.paused_at is not None else {})
            found[part.integration_id, "outage"] = Found(part.failing_since, facts, asked and part.failing_since <= outage)
        elif _is_on(integration, FLOWS[part.part]):
            at = answered.get(part.integration_id)
            ripe = part.failing_since <= flow and (part.code in health.OWN or (at is not None and at > part.failing_since))
            found[part.integration_id, FLOWS[part.part]] = Found(part.failing_since, _facts(part), ripe)


def _facts(part: HealthPart) -> dict[str, Any]:
    return {"code": part.code, "message": part.message, "advice": part.advice, "failures": part.failures}


def _of_rows(found: dict[Key, Found], now: datetime, mine: tuple) -> None:
    """Write-backs the shop refused, and orders on hold."""
    refused = (
        select(Integration.id, func.count(), func.min(WriteBack.finished_at))
        .join(WriteBack, WriteBack.shop_id == Integration.shop_id)
        .where(WriteBack.state == "failed", *mine)
        .group_by(Integration.id)
    )
    for integration_id, count, first in db.session.execute(refused):
        found[integration_id, "write_backs_refused"] = Found(first or now, {"count": count})
    held = select(Integration.id, func.count(), func.min(Order.first_seen_at)).join(Order, Order.shop_id == Integration.shop_id)
    held = held.where(Order.held, *mine).group_by(Integration.id)
    for integration_id, count, first in db.session.execute(held):
        found[integration_id, "orders_held"] = Found(first, {"count": count}, first <= now - HELD_FOR)
    if any(cause == "orders_held" for _, cause in found):
        unreadable = held.where(cast(Order.held_codes, Text).contains('"unreadable"'))
        for integration_id, count, first in db.session.execute(unreadable):
            found[integration_id, "orders_unreadable"] = Found(first, {"count": count})


def _differing(found: dict[Key, Found], kept: dict[Key, Incident], now: datetime) -> set[Key]:
    """Where there is something to open, to resolve, to remind of or to say anew."""
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
        if key[1] == "outage" and not each.ripe and each.since <= now - timedelta(minutes=_config().outage_minutes)
    }  # fmt: skip
    return opened | changed | unasked


def _reminds(incident: Incident, now: datetime) -> bool:
    return incident.remind_at is not None and incident.remind_at <= now


def _to_be_paused(found: dict[Key, Found], now: datetime) -> set[int]:
    """Integrations that have been failing long enough to be warned of a pause, or paused."""
    ahead = now - timedelta(days=_config().pause_days) + WARN_AHEAD
    return {
        integration_id for (integration_id, cause), each in found.items()
        if cause == "outage" and each.since <= ahead and each.facts["failures"] >= _config().pause_failures and not each.facts.get("paused")
    }  # fmt: skip


def _bring_in_line(integration_id: int) -> None:
    try:
        with writing() as session:
            integration = session.get(Integration, integration_id, with_for_update=True, populate_existing=True)
            if integration is not None:
                _align(integration, utcnow())
    except IntegrityError:
        # Somebody else has opened the same one at this very moment.
        return


def _align(integration: Integration, now: datetime) -> None:
    found = {cause: each for (_, cause), each in _found(now, integration.id).items()}
    kept = {incident.cause: incident for incident in db.session.scalars(_open_query(integration.id))}
    over: set[str] = set()
    for cause, incident in list(kept.items()):
        if _is_over(integration, incident, found.get(cause), now):
            _end(incident, now, _why_over(integration, cause))
            del kept[cause]
            over.add(cause)
            if cause == "outage":
                # What the outage kept from working gets its full time to work again.
                health.begin_anew(integration.id)
        else:
            _go_on(integration, incident, found.get(cause), now)
    if not integration.enabled or integration.removed_at is not None:
        return
    _ask_first(integration, found.get("outage"), kept, now)
    for cause in sorted(found, key=lambda name: name not in ABOVE_ALL):
        overshadowed = cause in FLOWS.values() and any(each in kept or each in over for each in ABOVE_ALL)
        if cause not in kept and found[cause].ripe and not overshadowed:
            kept[cause] = _begin(integration, cause, found[cause], now)
    if "outage" in kept:
        _pause(integration, kept["outage"], found.get("outage"), now)


def _is_over(integration: Integration, incident: Incident, each: Found | None, now: datetime) -> bool:
    if integration.removed_at is not None or not _is_on(integration, incident.cause):
        return True
    if incident.cause in SILENT:
        return _have_come(incident)
    if each is not None:
        return False
    if not incident.reopened:
        return True
    # What keeps coming back has to stay away for a while before it counts as over.
    last = incident.facts.get("seen_at")
    return last is None or datetime.fromisoformat(last) <= now - STEADY


def _have_come(incident: Incident) -> bool:
    """Whether an order has come that is newer than the last one before the silence."""
    newer = (
        select(Order.id).join(Integration, Integration.shop_id == Order.shop_id).where(Integration.id == incident.integration_id)
    )
    return db.session.scalar(newer.where(Order.placed_at > datetime.fromisoformat(incident.facts["last"])).limit(1)) is not None


def _why_over(integration: Integration, cause: str) -> str:
    if integration.removed_at is not None:
        return "removed"
    return "evidence" if _is_on(integration, cause) else "switched_off"


def _is_on(integration: Integration, cause: str) -> bool:
    """Whether the flow is switched on without which there is no such incident."""
    flow = CAUSES[cause].flow
    return not flow or bool(getattr(integration, flow))


def _go_on(integration: Integration, incident: Incident, each: Found | None, now: datetime) -> None:
    """An incident that stays: its facts as they are now, and a reminder where one is due. A disabled integration is left in
    peace."""
    if each is not None:
        seen = {"seen_at": now.isoformat()} if incident.reopened else {}
        paused = {"paused": True} if incident.facts.get("paused") and integration.paused_at is not None else {}
        if incident.facts.get("paused") and integration.paused_at is None:
            _note(incident, "resumed", now)
        incident.facts = {**each.facts, **seen, **paused}
    if integration.enabled and _reminds(incident, now):
        incident.remind_at = now + REMIND_EVERY
        _tell(incident, "reminded", now)


def _ask_first(integration: Integration, each: Found | None, kept: dict[str, Incident], now: datetime) -> None:
    """Before an outage is called one, the shop is asked once whether it answers at all."""
    if each is None or each.ripe or "outage" in kept or integration.probe_due_at is not None:
        return
    if each.since <= now - timedelta(minutes=_config().outage_minutes):
        integration.probe_due_at = now


def _pause(integration: Integration, incident: Incident, each: Found | None, now: datetime) -> None:
    """A day after a warning, and after both many failures and days: stop asking, but for a probe now and then."""
    config = _config()
    if each is None or integration.paused_at is not None or each.facts["failures"] < config.pause_failures:
        return
    lasted = now - each.since
    if integration.pause_warned_at is None:
        if lasted >= timedelta(days=config.pause_days) - WARN_AHEAD:
            integration.pause_warned_at = now
            _tell(incident, "warned", now)
    elif lasted >= timedelta(days=config.pause_days) and now - integration.pause_warned_at >= WARN_AHEAD:
        integration.paused_at, integration.probe_due_at = now, now + FIRST_PROBE
        incident.facts = {**incident.facts, "paused": True}
        incident.remind_at = now + REMIND_EVERY if incident.remind_at is not None else None
        _tell(incident, "paused", now)


def _begin(integration: Integration, cause: str, each: Found, now: datetime) -> Incident:
    """A new incident, or the last one of the same cause again where it was over only a moment ago."""
    recent = select(Incident).where(
        Incident.integration_id == integration.id, Incident.cause == cause, Incident.resolved_at > now - STEADY,
        Incident.resolution == "evidence",
    )  # fmt: skip
    incident = db.session.scalar(recent.order_by(Incident.id.desc()).limit(1))
    if incident is not None:
        incident.resolved_at, incident.resolution = None, ""
        incident.reopened += 1
        incident.facts, incident.remind_at = {**each.facts, "seen_at": now.isoformat()}, now + REMIND_EVERY
        _tell(incident, "reopened", now)
        return incident
    incident = Incident(
        integration_id=integration.id, cause=cause, since=each.since, opened_at=now, remind_at=now + REMIND_EVERY, facts=each.facts,
        reopened=0,
    )  # fmt: skip
    db.session.add(incident)
    db.session.flush()
    _tell(incident, "opened", now)
    return incident


def _end(incident: Incident, now: datetime, resolution: str) -> None:
    incident.resolved_at, incident.resolution, incident.remind_at = now, resolution, None
    if resolution == "evidence":
        _tell(incident, "resolved", now)
    else:
        # A person has switched it off or removed it: who did that needs no mail about it.
        _note(incident, "resolved", now)
        notices.settle(incident.id)


def _note(incident: Incident, kind: str, now: datetime) -> IncidentEvent:
    event = IncidentEvent(incident_id=incident.id, kind=kind, at=now)
    db.session.add(event)
    db.session.flush()
    return event


def _tell(incident: Incident, kind: str, now: datetime) -> None:
    notices.tell(incident, _note(incident, kind, now))


def _config() -> Config:
    return current_app.config["CARTLINK"]
