"""``drift``: quantities that somebody changed in a shop, and the decision whose quantity counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from api.operations import Call, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.shapes import Body, Id, row_id
from errors import NotFound
from jobs.schedule import start_due_runs
from models import Drift as Row
from services.listings import views


class Drift(Struct):
    """The shop was expected to have ``expected`` and had ``found``. ``state`` is open until somebody has decided: ``ours`` or ``theirs``.
    ``can_take_theirs`` is false for a listing that takes from several stock items."""

    id: str
    listing_id: str
    integration_id: str
    integration: str
    sku: str
    name: str
    seen_at: datetime
    expected: int
    found: int
    state: str
    decided_by: str
    can_take_theirs: bool


class DriftQuery(ListQuery, kw_only=True):
    integration: Id | None = None
    state: Literal["open", "all"] = "open"


class DriftDecision(Body):
    """``ours``: our quantity stays and is sent to the shop again. ``theirs``: on hand becomes what makes us offer the shop's number."""

    whose: Literal["ours", "theirs"]


@operation("GET", "/drift", "List drift, newest first", scope="listings:read", query=DriftQuery, answers={200: Page[Drift]})
def list_drift(call: Call) -> Reply:
    wanted: DriftQuery = call.query
    integration_id = None if wanted.integration is None else row_id(wanted.integration)
    return list_page(call, views.drift_ids(integration_id, wanted.state == "open"), [Row.id], _load, newest=True)


@operation("GET", "/drift/<int:drift_id>", "Get a drift", scope="listings:read", answers={200: Drift})
def get_drift(call: Call, drift_id: int) -> Drift:
    return _one(drift_id)


def _one(drift_id: int) -> Drift:
    found = _load([drift_id]).get(drift_id)
    if found is None:
        raise NotFound("There is no such drift.")
    return found


@operation(
    "POST", "/drift/<int:drift_id>/settle", "Decide whose quantity counts", scope="approvals:write", role="manager", body=DriftDecision,
    answers={200: Drift},
)  # fmt: skip
def settle_drift(call: Call, drift_id: int) -> Reply:
    _one(drift_id)
    views.settle_drift(drift_id, call.body.whose, call.actor)
    return Reply(_one(drift_id), after=_start)


def _start() -> None:
    start_due_runs()


def _load(ids: Sequence[int]) -> dict[int, Drift]:
    return {
        row.id: Drift(
            str(row.id), str(row.listing_id), str(row.integration_id), row.integration, row.sku, row.name, row.seen_at, row.expected,
            row.found, row.state, row.decided_by, row.takeable,
        )
        for row in views.drift_rows(ids).values()
    }  # fmt: skip
