"""What the pages of incidents show: what happened, what Cartlink does automatically, and what a person can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select

from errors import NotFound
from extensions import db
from models import Incident, IncidentEvent, Integration
from services.common.paging import Page, page_of
from services.notify import incident_texts
from services.notify.incident_texts import CAUSES, NAME, Cause

PAGE_SIZE = 25
STATES = ("open", "over", "all")
SORTS: dict[str, Any] = {
    "": (Incident.resolved_at.is_not(None), Incident.opened_at.desc(), Incident.id.desc()),
    "newest": (Incident.opened_at.desc(), Incident.id.desc()), "oldest": (Incident.opened_at, Incident.id),
    "integration": (func.coalesce(Integration.name_key, ""), Incident.opened_at.desc(), Incident.id.desc()),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """``about`` is the name of its integration, event endpoint or saved export.
    ``happened`` are sentences; ``words`` is the cause with what it means; ``paused`` whether it has paused its integration;
    ``elsewhere`` whether another end point may fix it; ``order`` is the number of the order that it is about, with ``order_id``, where it is
    about one. ``quiet`` means that its cause is not there at the moment, and the incident stays open only because it came back before."""

    id: int
    integration_id: int | None
    event_endpoint_id: int | None
    order_export_id: int | None
    about: str
    removed: bool
    enabled: bool
    paused: bool
    since: datetime
    opened_at: datetime
    resolved_at: datetime | None
    resolution: str
    muted: bool
    happened: list[str]
    does: str
    can: str
    elsewhere: bool
    words: Cause
    order_id: int | None
    order: str
    quiet: bool

    @property
    def open(self) -> bool:
        return self.resolved_at is None


@dataclass(frozen=True, slots=True)
class IncidentSeen:
    """One incident, the shop's address, and what became of it, oldest first."""

    row: IncidentRow
    endpoint: str
    events: Sequence[IncidentEvent]


COLUMNS = (Incident, NAME.label("name"), Integration.removed_at, Integration.enabled, Integration.paused_at)


def list_page(
    place: str = "", *, state: str = "open", integration: str = "", topic: str = "", sort: str = ""
) -> Page[IncidentRow]:
    """Open ones first, then the newest first, unless ``sort`` is another of ``SORTS``. ``state`` is one of STATES, ``integration`` a part of a name, ``topic`` one of
    incident_texts.TOPICS."""
    query = select(*COLUMNS).outerjoin(Integration).where(*_matching(state, integration, topic))
    # Where all are open or all are over, the newest first is the same order, and an index has it.
    order = SORTS.get(sort or ("" if state == "all" else "newest"), SORTS[""])
    return page_of(query, order, place, PAGE_SIZE, lambda found: [_row(row) for row in found])


def _matching(state: str, integration: str, topic: str) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if state == "open":
        where.append(Incident.resolved_at.is_(None))
    elif state == "over":
        where.append(Incident.resolved_at.is_not(None))
    if integration:
        where.append(Integration.name_key.contains(integration.casefold(), autoescape=True))
    if topic:
        where.append(Incident.cause.in_([name for name, cause in CAUSES.items() if cause.topic == topic]))
    return where


def of_integration(integration_id: int) -> list[IncidentRow]:
    """The open incidents of one integration, the oldest first."""
    query = select(*COLUMNS).join(Integration).where(Incident.integration_id == integration_id, Incident.resolved_at.is_(None))
    return [_row(row) for row in db.session.execute(query.order_by(Incident.since))]


def rows_of(incident_ids: Sequence[int]) -> list[IncidentRow]:
    """Incidents by their ids, in no order."""
    return [_row(row) for row in db.session.execute(select(*COLUMNS).outerjoin(Integration).where(Incident.id.in_(incident_ids)))]


def get_incident(incident_id: int) -> IncidentSeen:
    """Raises NotFound."""
    found = db.session.execute(
        select(*COLUMNS, Integration.endpoint).outerjoin(Integration).where(Incident.id == incident_id)
    ).first()
    if found is None:
        raise NotFound("There is no such incident.", "It may have ended so long ago that it was deleted.")
    events = db.session.scalars(
        select(IncidentEvent).where(IncidentEvent.incident_id == incident_id).order_by(IncidentEvent.id)
    ).all()
    return IncidentSeen(_row(found), found.endpoint or "", events)


def _row(found: Any) -> IncidentRow:
    incident: Incident = found[0]
    return IncidentRow(
        id=incident.id, integration_id=incident.integration_id, event_endpoint_id=incident.event_endpoint_id,
        order_export_id=incident.order_export_id, about=found.name,
        removed=found.removed_at is not None,
        enabled=incident.integration_id is None or found.enabled, paused=found.paused_at is not None and incident.cause == "outage",
        since=incident.since, opened_at=incident.opened_at,
        resolved_at=incident.resolved_at, resolution=incident.resolution, muted=incident.open and incident.remind_at is None,
        happened=incident_texts.happened(incident), does=incident_texts.does(incident),
        can=incident_texts.can(incident), elsewhere=incident.facts.get("code") in incident_texts.ELSEWHERE, words=CAUSES[incident.cause],
        order_id=incident.facts.get("order_id"), order=incident.facts.get("order", ""), quiet="quiet_since" in incident.facts,
    )  # fmt: skip
