"""``incidents``: ongoing problems that a person should know about, and those that are over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct
from sqlalchemy import select

from api.operations import Call, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.shapes import Id, row_id
from errors import NotFound
from extensions import db
from models import Incident as Row
from services.monitoring import incident_list


class Incident(Struct):
    """It is about an integration, an event endpoint, a saved export, or all of Cartlink.

    ``cause`` is stable; ``title``, ``happened``, ``does`` and ``can`` are sentences for people. ``resolved_at`` is null while it
    is open."""

    id: str
    integration_id: str | None
    integration: str
    event_endpoint_id: str | None
    event_endpoint: str
    order_export_id: str | None
    order_export: str
    cause: str
    title: str
    since: datetime
    opened_at: datetime
    resolved_at: datetime | None
    resolution: str
    muted: bool
    happened: list[str]
    does: str
    can: str


class IncidentsQuery(ListQuery, kw_only=True):
    integration: Id | None = None
    state: Literal["open", "over", "all"] = "all"


@operation(
    "GET",
    "/incidents",
    "List incidents, newest first",
    scope="incidents:read",
    query=IncidentsQuery,
    answers={200: Page[Incident]},
)
def list_incidents(call: Call) -> Reply:
    wanted: IncidentsQuery = call.query
    query = select(Row.id)
    if wanted.integration is not None:
        query = query.where(Row.integration_id == row_id(wanted.integration))
    if wanted.state != "all":
        query = query.where(Row.resolved_at.is_(None) if wanted.state == "open" else Row.resolved_at.is_not(None))
    return list_page(call, query, [Row.id], _load, newest=True)


@operation("GET", "/incidents/<int:incident_id>", "Get an incident", scope="incidents:read", answers={200: Incident})
def get_incident(call: Call, incident_id: int) -> Incident:
    found = _load([incident_id]).get(incident_id)
    if found is None:
        raise NotFound("There is no such incident.")
    return found


def _load(ids: Sequence[int]) -> dict[int, Incident]:
    causes = dict(db.session.execute(select(Row.id, Row.cause).where(Row.id.in_(ids))).all())
    return {row.id: _shown(row, causes[row.id]) for row in incident_list.rows_of(ids)}


def _shown(row: incident_list.IncidentRow, cause: str) -> Incident:
    of_endpoint, of_export = (row.about if row.words.topic == topic else "" for topic in ("programs", "exports"))
    return Incident(
        str(row.id), _text(row.integration_id), row.about if row.integration_id is not None else "", _text(row.event_endpoint_id), of_endpoint,
        _text(row.order_export_id), of_export, cause, row.words.title, row.since, row.opened_at, row.resolved_at,
        row.resolution, row.muted, list(row.happened), row.does, row.can,
    )  # fmt: skip


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
