"""``integrations``: the connected shops, their health, and their switch."""

from __future__ import annotations

import hashlib
from datetime import datetime

from msgspec import Struct

from api.operations import Call, matches, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from extensions import db, one_transaction
from jobs.schedule import start_due_runs
from models import Integration as Row
from services.common.deadlocks import retry_on_deadlock
from services.integrations import lifecycle, overview, page
from services.shops import finding, health


class Integration(Struct):
    """``health`` is the worst that is true now; ``failing`` names the flows that fail. ``version`` changes with its name, its end point
    and its switch."""

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
    version: str


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
    return one_integration(integration_id)


def one_integration(integration_id: int) -> Integration:
    """Raises KeyError."""
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


class Removal(Struct, kw_only=True):
    """Without ``keep_reserved``, what the open orders reserve is released."""

    keep_reserved: bool = False


class OpenWork(Struct):
    """What would be left behind: orders on hold, orders that are not shipped yet, listings whose stock update failed, orders that the shop
    has not been updated about, the units that open orders reserve, and orders with something to do by hand in the shop."""

    held_orders: int
    unshipped_orders: int
    failed_listings: int
    approval_waits: bool
    orders_not_sent: int
    reserved_units: int
    orders_by_hand: int


@operation(
    "GET", "/integrations/<int:integration_id>/open-work", "Get what would be left behind if an integration was removed",
    scope="integrations:read", answers={200: OpenWork},
)  # fmt: skip
def get_open_work(call: Call, integration_id: int) -> OpenWork:
    found = page.open_work(finding.get_integration(integration_id))
    return OpenWork(
        found.held, found.unshipped, found.failed_listings, found.preview_waits, found.not_sent, found.reserved, found.by_hand
    )  # fmt: skip


@operation(
    "DELETE", "/integrations/<int:integration_id>", "Remove an integration: its key is forgotten, its orders and links stay",
    scope="integrations:write", role="owner", query=Removal, answers={204: None}, conditional=True,
)  # fmt: skip
def remove_integration(call: Call, integration_id: int) -> Reply:
    _remove(integration_id, call)
    return Reply(None, 204, after=_start)


@retry_on_deadlock
def _remove(integration_id: int, call: Call) -> None:
    with one_transaction() as session:
        row = finding.get_integration(integration_id)
        session.refresh(row, with_for_update=True)
        matches(version_of(row))
        lifecycle.remove_integration(integration_id, call.actor, keep_reserved=call.query.keep_reserved)


@operation(
    "POST", "/integrations/<int:integration_id>/release-stock", "Release what the open orders of a removed integration keep reserved",
    scope="integrations:write", role="owner", answers={204: None},
)  # fmt: skip
def release_kept_stock(call: Call, integration_id: int) -> Reply:
    lifecycle.release_kept(integration_id, call.actor)
    return Reply(None, 204, after=_start)


def version_of(row: Row) -> str:
    """A digest of what decides whether it is still the same: runs and health leave it as it is."""
    return hashlib.sha256(f"{row.id} {row.name} {row.endpoint} {row.enabled}".encode()).hexdigest()[:16]


def _start() -> None:
    start_due_runs()


def _load(ids: list[int]) -> dict[int, Integration]:
    known = {row.id: row for row in db.session.scalars(finding.present().where(Row.id.in_(ids)))}
    return {row_id: _shown(known[row_id], overview.get_row(row_id)) for row_id in ids if row_id in known}


def _shown(row: Row, seen: overview.IntegrationRow) -> Integration:
    return Integration(
        str(row.id), row.name, row.kind, row.generation, row.endpoint, row.enabled, seen.health, seen.health_message,
        seen.failing.split(), seen.orders_done_at, seen.stock_done_at, seen.held_orders, seen.failed_listings, seen.preview_waits,
        seen.incidents, version_of(row),
    )  # fmt: skip
