"""``integrations``: the connected shops, their health, and their switch."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from api.operations import Call, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from extensions import db
from jobs.schedule import start_due_runs
from models import Integration as Row
from services.integrations import lifecycle, overview
from services.shops import finding, health


class Integration(Struct):
    """``health`` is the worst that is true now; ``failing`` names the flows that fail."""

    id: str
    name: str
    kind: str
    generation: str
    endpoint: str
    enabled: bool
    health: str
    health_message: str
    failing: list[str]
    orders_synced_at: datetime | None
    stock_synced_at: datetime | None
    held_orders: int
    failed_listings: int
    approval_waits: bool
    open_incidents: int


class HealthGroup(Struct):
    name: str
    state: str
    message: str
    succeeded_at: datetime | None
    failing_since: datetime | None
    next_at: datetime | None


class Health(Struct):
    """``groups`` are connection, orders, stock and write_back."""

    health: str
    message: str
    groups: list[HealthGroup]


@operation(
    "GET", "/integrations", "List integrations", scope="integrations:read", query=ListQuery, answers={200: Page[Integration]}
)
def list_integrations(call: Call) -> Reply:
    query = finding.present().with_only_columns(Row.id)
    return list_page(call, query, [Row.id], _load, newest=False)


@operation(
    "GET", "/integrations/<int:integration_id>", "Get an integration", scope="integrations:read", answers={200: Integration}
)
def get_integration(call: Call, integration_id: int) -> Integration:
    finding.get_integration(integration_id)
    return _load([integration_id])[integration_id]


@operation(
    "GET", "/integrations/<int:integration_id>/health", "Get the health of an integration", scope="integrations:read",
    answers={200: Health},
)  # fmt: skip
def get_health(call: Call, integration_id: int) -> Health:
    row = overview.get_row(integration_id)
    groups = health.groups(finding.get_integration(integration_id))
    return Health(
        row.health, row.health_message,
        [HealthGroup(each.name, each.state, each.sentence, each.good_at, each.failing_since, each.next_at) for each in groups],
    )  # fmt: skip


@operation(
    "POST", "/integrations/<int:integration_id>/enable", "Enable an integration", scope="integrations:write", role="manager",
    answers={200: Integration},
)  # fmt: skip
def enable_integration(call: Call, integration_id: int) -> Reply:
    lifecycle.set_enabled(integration_id, True, call.actor)
    return Reply(_load([integration_id])[integration_id], after=_start)


@operation(
    "POST", "/integrations/<int:integration_id>/disable", "Disable an integration: no more requests are sent to its shop",
    scope="integrations:write", role="manager", answers={200: Integration},
)  # fmt: skip
def disable_integration(call: Call, integration_id: int) -> Integration:
    lifecycle.set_enabled(integration_id, False, call.actor)
    return _load([integration_id])[integration_id]


def _start() -> None:
    start_due_runs()


def _load(ids: list[int]) -> dict[int, Integration]:
    known = {row.id: row for row in db.session.scalars(finding.present().where(Row.id.in_(ids)))}
    return {row_id: _shown(known[row_id], overview.get_row(row_id)) for row_id in ids if row_id in known}


def _shown(row: Row, seen: overview.IntegrationRow) -> Integration:
    return Integration(
        str(row.id), row.name, row.kind, row.generation, row.endpoint, row.enabled, seen.health, seen.health_message,
        seen.failing.split(), seen.orders_done_at, seen.stock_done_at, seen.held_orders, seen.failed_listings, seen.preview_waits,
        seen.incidents,
    )  # fmt: skip
