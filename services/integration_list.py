"""What the list of integrations shows: each row with its health, its last syncs and what is waiting, in a handful of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import ColumnElement, Row, Select, bindparam, case, func, or_, select
from sqlalchemy import Integer as SqlInteger

import channels
from errors import NotFound
from extensions import db
from models import Incident, Integration, Listing, Order, SyncRun
from models.sync_run import LIVE
from models.types import utcnow

PAGE_SIZE = 50
STARTING = timedelta(seconds=30)
"""How long a run that is due counts as about to start; afterwards the schedule is away, and asking again is no use."""


@dataclass(frozen=True, slots=True)
class LiveRun:
    """``total`` is None while it is not known."""

    id: int
    kind: str
    state: str
    done: int
    total: int | None


@dataclass(slots=True)
class IntegrationRow:
    """``health`` is disabled, needs_reauthorising, paused, syncing, retrying, never_checked or connected; ``failing`` names the
    parts of models.HealthPart that fail, with blanks, ``incidents`` counts the open ones; ``live`` says whether the row is
    about to change by itself."""

    id: int
    name: str
    label: str
    logo: str
    endpoint: str
    enabled: bool
    health: str
    health_message: str
    orders_done_at: datetime | None
    stock_done_at: datetime | None
    held_orders: int
    failed_listings: int
    preview_waits: bool
    failing: str
    incidents: int
    runs: tuple[LiveRun, ...]
    live: bool


@dataclass(frozen=True, slots=True)
class IntegrationPage:
    rows: list[IntegrationRow]
    total: int
    number: int
    pages: int

    @property
    def live(self) -> bool:
        return any(row.live for row in self.rows)


# Whoever looks at the list or clicks a switch is waiting: on the tables a statement costs half of what it does on the classes.
_integration, _run = Integration.__table__.c, SyncRun.__table__.c
HELD = select(func.count()).where(Order.shop_id == _integration.shop_id, Order.held).scalar_subquery()
FAILED = (
    select(func.count())
    .where(Listing.shop_id == _integration.shop_id, Listing.push_failed, Listing.gone_at.is_(None))
    .scalar_subquery()
)
INCIDENTS = (
    select(func.count()).where(Incident.integration_id == _integration.id, Incident.resolved_at.is_(None)).scalar_subquery()
)
COLUMNS = (
    _integration.id, _integration.shop_id, _integration.kind, _integration.name, _integration.endpoint, _integration.enabled,
    _integration.health, _integration.health_message, _integration.orders_done_at, _integration.stock_done_at,
    _integration.orders_due_at, _integration.stock_due_at, _integration.listings_due_at, _integration.waiting_run_id,
    _integration.failing, _integration.paused_at,
    HELD.label("held_orders"), FAILED.label("failed_listings"), INCIDENTS.label("incidents"),
)  # fmt: skip
PRESENT = _integration.removed_at.is_(None)


SORTS = {
    "name": (_integration.name_key,),
    "health": (
        _integration.enabled.desc(),
        case({"needs_reauthorising": 0, "retrying": 1, "never_checked": 2}, value=_integration.health, else_=3),
        _integration.name_key,
    ),
    "oldest": (_integration.orders_done_at.is_not(None), _integration.orders_done_at, _integration.name_key),
}
"""What the list can be sorted by: name, worst health first, longest without orders first."""


def list_page(number: int = 1, *, search: str = "", status: str = "", sort: str = "name") -> IntegrationPage:
    """Fifty integrations; a page that is not there is the nearest one that is. ``search`` is a part of the name or the end
    point, ``status`` is enabled, disabled or attention, ``sort`` one of SORTS."""
    count, query = _statements(search.casefold(), status, sort)
    total = db.session.scalar(count) or 0
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(number, 1), pages)
    return IntegrationPage(_complete(db.session.execute(query, {"skip": (number - 1) * PAGE_SIZE}).all()), total, number, pages)


@lru_cache(maxsize=64)
def _statements(word: str, status: str, sort: str) -> tuple[Select, Select]:
    """How many match, and a page of them: making the statements takes as long as running them."""
    where = [PRESENT, *_matching(word, status)]
    page = select(*COLUMNS).where(*where).order_by(*SORTS[sort]).limit(PAGE_SIZE).offset(bindparam("skip", type_=SqlInteger))
    return select(func.count()).select_from(Integration).where(*where), page


def _matching(word: str, status: str) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if word:
        where.append(
            or_(Integration.name_key.contains(word, autoescape=True), Integration.endpoint.contains(word, autoescape=True))
        )
    if status in ("enabled", "disabled"):
        where.append(Integration.enabled.is_(status == "enabled"))
    if status == "attention":
        held = select(Order.id).where(Order.shop_id == Integration.shop_id, Order.held).exists()
        failed = select(Listing.id).where(Listing.shop_id == Integration.shop_id, Listing.push_failed, Listing.gone_at.is_(None))
        trouble = Integration.health.in_(("needs_reauthorising", "retrying"))
        where.append(
            or_(
                trouble & Integration.enabled,
                Integration.waiting_run_id.is_not(None),
                Integration.writes_refused,
                Integration.failing != "",
                held,
                failed.exists(),
            )
        )
    return where


ROW = select(*COLUMNS).where(PRESENT, _integration.id == bindparam("integration_id"))
LIVE_RUNS = (
    select(_run.integration_id, _run.id, _run.kind, _run.state, _run.done, _run.total)
    .where(LIVE, _run.integration_id.in_(bindparam("integration_ids", expanding=True)))
    .order_by(_run.id)
)


def get_row(integration_id: int) -> IntegrationRow:
    """Raises NotFound for one that never was or is removed."""
    found = db.session.execute(ROW, {"integration_id": integration_id}).all()
    if not found:
        raise NotFound("That integration has been removed.", "Load the list again.")
    return _complete(found)[0]


def _complete(found: list[Row]) -> list[IntegrationRow]:
    live = _live_runs([row.id for row in found])
    now = utcnow()
    return [_row(row, live.get(row.id, ()), now) for row in found]


def _live_runs(ids: list[int]) -> dict[int, tuple[LiveRun, ...]]:
    live: dict[int, tuple[LiveRun, ...]] = {}
    for owner, *values in db.session.execute(LIVE_RUNS, {"integration_ids": ids}):
        live[owner] = (*live.get(owner, ()), LiveRun(*values))
    return live


def _row(row: Row, runs: tuple[LiveRun, ...], now: datetime) -> IntegrationRow:
    kind = channels.channel_kind(row.kind)
    due = (row.orders_due_at, row.stock_due_at, row.listings_due_at)
    active = row.enabled and row.health != "needs_reauthorising" and row.paused_at is None
    starting = active and any(moment is not None and now - STARTING <= moment <= now for moment in due)
    return IntegrationRow(
        id=row.id, name=row.name, label=kind.label, logo=kind.logo, endpoint=row.endpoint, enabled=row.enabled,
        health=_health(row, runs), health_message=row.health_message if row.enabled else "",
        orders_done_at=row.orders_done_at, stock_done_at=row.stock_done_at, held_orders=row.held_orders, failed_listings=row.failed_listings,
        preview_waits=row.waiting_run_id is not None, failing=row.failing if row.enabled else "", incidents=row.incidents,
        runs=runs, live=bool(runs) or starting,
    )  # fmt: skip


def _health(row: Row, runs: tuple[LiveRun, ...]) -> str:
    if not row.enabled:
        return "disabled"
    if row.health == "needs_reauthorising":
        return row.health
    if row.paused_at is not None and not runs:
        return "paused"
    return "syncing" if runs else row.health
