"""What the list of integrations shows: each row with its health, its last syncs and what is waiting, in a handful of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, bindparam, case, false, func, literal_column, or_, select
from sqlalchemy import Integer as SqlInteger

import channels
from errors import NotFound
from extensions import db
from models import Flow, FlowKind, Incident, Integration, Listing, SyncRun
from models.order import held_orders
from models.sync_run import LIVE
from models.types import Moment, utcnow
from services.common.paging import Page, numbered
from services.shops import health
from services.shops.flows import AT_ONCE

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
    """``health`` is one of services.shops.health.STATES, and ``health_message`` the sentence to it; ``failing`` names the
    kinds of the flows that fail, with blanks, ``incidents`` counts the open ones; ``live`` says whether the row is
    about to change without a person."""

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


class IntegrationPage(Page[IntegrationRow]):
    """``live``: one of its integrations has a run now, or will have one in a moment."""

    @property
    def live(self) -> bool:
        return any(row.live for row in self.rows)


# A person waits for the list. On tables a statement costs half of what it costs on classes.
_integration, _run, _flow = Integration.__table__.c, SyncRun.__table__.c, Flow.__table__.c
FAILED = (
    select(func.count())
    .where(Listing.shop_id == _integration.shop_id, Listing.push_failed, Listing.gone_at.is_(None))
    .scalar_subquery()
)
INCIDENTS = (
    select(func.count()).where(Incident.integration_id == _integration.id, Incident.resolved_at.is_(None)).scalar_subquery()
)


def _succeeded_at(kind: FlowKind) -> ScalarSelect[datetime | None]:
    # Written out: the sort by it is then the same expression, and read once.
    mine = (_flow.integration_id == _integration.id, _flow.kind == literal_column(f"'{kind}'"))
    return select(_flow.succeeded_at).where(*mine).correlate(Integration.__table__).scalar_subquery()


ORDERS_READ_AT = _succeeded_at(FlowKind.ORDERS)
COLUMNS = (
    _integration.id, _integration.shop_id, _integration.kind, _integration.name, _integration.endpoint, _integration.enabled,
    _integration.health, _integration.health_message, _integration.waiting_run_id, _integration.paused_at,
    _integration.writes_refused,
    ORDERS_READ_AT.label("orders_done_at"), _succeeded_at(FlowKind.STOCK).label("stock_done_at"),
    held_orders(_integration.shop_id).label("held_orders"), FAILED.label("failed_listings"), INCIDENTS.label("incidents"),
)  # fmt: skip
PRESENT = _integration.removed_at.is_(None)
FAILING = (
    select(_flow.id)
    .where(_flow.integration_id == _integration.id, _flow.failing_since.is_not(None), _flow.enabled)
    .correlate(Integration.__table__)
    .exists()
)

_refused = (
    select(Listing.id)
    .where(Listing.shop_id == _integration.shop_id, Listing.push_failed, Listing.gone_at.is_(None))
    .correlate(Integration.__table__)
    .exists()
)
_trouble = _integration.enabled & or_(
    _integration.health.in_(("needs_reauthorising", "retrying")), _integration.writes_refused, FAILING
)
STATUSES: Mapping[str, ColumnElement[bool]] = {
    "enabled": _integration.enabled.is_(True), "disabled": _integration.enabled.is_(False), "trouble": _trouble, "refused": _refused,
    "attention": or_(_trouble, _refused, _integration.waiting_run_id.is_not(None), held_orders(_integration.shop_id) > 0),
}  # fmt: skip
"""What the list can be narrowed to. ``trouble``: it is enabled, and something of it fails or its key is not accepted. ``refused``: its shop refused quantities."""

SORTS = {
    "name": (_integration.name_key,),
    "health": (
        _integration.enabled.desc(),
        case(
            (_integration.health == "needs_reauthorising", 0),
            (_integration.writes_refused, 1),
            ((_integration.health == "retrying") | FAILING | _integration.paused_at.is_not(None), 2),
            (_integration.health == "never_checked", 3),
            else_=4,
        ),
        _integration.name_key,
    ),
    "oldest": (ORDERS_READ_AT.is_not(None), ORDERS_READ_AT, _integration.name_key),
}
"""What the list can be sorted by: name, worst health first, longest without orders first."""


def list_page(number: int = 1, *, search: str = "", status: str = "", sort: str = "name") -> IntegrationPage:
    """Fifty integrations; a page that is not there is the nearest one that is. ``search`` is a part of the name or the end
    point, ``status`` one of STATUSES, ``sort`` one of SORTS."""
    count, query = _statements(search.casefold(), status, sort)
    number = max(number, 1)
    found = db.session.execute(query, {"skip": (number - 1) * PAGE_SIZE}).all()
    total = found[0].total if found else db.session.scalar(count) or 0
    asked, (number, pages) = number, numbered(total, number, PAGE_SIZE)
    if number != asked:
        found = db.session.execute(query, {"skip": (number - 1) * PAGE_SIZE}).all()
    return IntegrationPage(_complete(found), total, number, pages, goes_on=number < pages)


def count(status: str) -> int:
    """How many integrations the list shows with a status."""
    return db.session.scalar(_statements("", status, "name")[0]) or 0


def only_name(status: str) -> str:
    """The name of the integration with a status where it is the only one, else empty."""
    names = db.session.scalars(select(_integration.name).where(PRESENT, *_matching("", status)).limit(2)).all()
    return names[0] if len(names) == 1 else ""


def has_one_from_before(moment: datetime) -> bool:
    """Whether there is an integration that was added by this moment."""
    query = select(Integration.id).where(Integration.removed_at.is_(None), Integration.created_at <= moment)
    return db.session.scalar(query.limit(1)) is not None


@lru_cache(maxsize=64)
def _statements(word: str, status: str, sort: str) -> tuple[Select[*tuple[Any, ...]], Select[*tuple[Any, ...]]]:
    """How many match, and a page of them, each row with their number: making the statements takes as long as running them."""
    where = [PRESENT, *_matching(word, status)]
    count = select(func.count()).select_from(Integration.__table__).where(*where)
    total = count.correlate(None).scalar_subquery().label("total")
    page = select(*COLUMNS, total).where(*where).order_by(*SORTS[sort])
    return count, page.limit(PAGE_SIZE).offset(bindparam("skip", type_=SqlInteger))


def _matching(word: str, status: str) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if word:
        where.append(
            or_(Integration.name_key.contains(word, autoescape=True), Integration.endpoint.contains(word, autoescape=True))
        )
    if status in STATUSES:
        where.append(STATUSES[status])
    return where


ROW = select(*COLUMNS).where(PRESENT, _integration.id == bindparam("integration_id"))
LIVE_RUNS = (
    select(_run.integration_id, _run.id, _run.kind, _run.state, _run.done, _run.total)
    .where(LIVE, _run.integration_id.in_(bindparam("integration_ids", expanding=True)))
    .order_by(_run.id)
)
_lately = _flow.due_at.between(bindparam("lately", type_=Moment()), bindparam("now", type_=Moment()))
_starting = _flow.kind.in_(AT_ONCE) & _lately
_failing = _flow.failing_since.is_not(None) & _flow.enabled
FLOWS = select(
    _flow.integration_id, _flow.kind, _flow.error, case((_failing, _flow.failing_since)).label("failing_since"),
    func.coalesce(_starting, false()).label("starting"),
).where(
    _flow.integration_id.in_(bindparam("integration_ids", expanding=True)),
    or_(_failing, _starting),
)  # fmt: skip


def get_row(integration_id: int) -> IntegrationRow:
    """Raises NotFound for one that never was or is removed."""
    found = db.session.execute(ROW, {"integration_id": integration_id}).all()
    if not found:
        raise NotFound("That integration has been removed.", "Load the list again.")
    return _complete(found)[0]


@dataclass(slots=True)
class _Seen:
    """What a row shows of its flows: which fail since when and why, and whether one is about to start."""

    failing: list[tuple[datetime, str, str]] = field(default_factory=list)
    starting: bool = False


def _complete(found: Sequence[Any]) -> list[IntegrationRow]:
    live = _live_runs([row.id for row in found])
    flows = _flows([row.id for row in found])
    return [_row(row, live.get(row.id, ()), flows.get(row.id) or _Seen()) for row in found]


def _live_runs(ids: list[int]) -> dict[int, tuple[LiveRun, ...]]:
    live: dict[int, tuple[LiveRun, ...]] = {}
    for owner, *values in db.session.execute(LIVE_RUNS, {"integration_ids": ids}).all():
        live[owner] = (*live.get(owner, ()), LiveRun(*values))
    return live


def _flows(ids: list[int]) -> dict[int, _Seen]:
    now = utcnow()
    found: dict[int, _Seen] = {}
    rows = db.session.execute(FLOWS, {"integration_ids": ids, "now": now, "lately": now - STARTING}).all()
    for owner, kind, error, failing_since, starting in rows:
        seen = found.setdefault(owner, _Seen())
        seen.starting = seen.starting or bool(starting)
        if failing_since is not None:
            seen.failing.append((failing_since, kind, error))
    return found


def _row(row: Any, runs: tuple[LiveRun, ...], flows: _Seen) -> IntegrationRow:
    kind = channels.channel_kind(row.kind)
    active = row.enabled and row.health != "needs_reauthorising" and row.paused_at is None
    parts = " ".join(sorted(kind for _, kind, _ in flows.failing))
    state = health.state_of(
        enabled=row.enabled, key_rejected=row.health == "needs_reauthorising", reads_only=row.writes_refused,
        paused=row.paused_at is not None, failing=row.health == "retrying" or bool(parts), syncing=bool(runs),
        checked=row.health != "never_checked",
    )  # fmt: skip
    message = {
        "disabled": "",
        "read_only": health.READ_ONLY,
        "retrying": min(flows.failing)[2] if flows.failing else row.health_message,
    }.get(state, row.health_message)
    return IntegrationRow(
        id=row.id, name=row.name, label=kind.label, logo=kind.logo, endpoint=row.endpoint, enabled=row.enabled,
        health=state, health_message=message,
        orders_done_at=row.orders_done_at, stock_done_at=row.stock_done_at, held_orders=row.held_orders,
        failed_listings=row.failed_listings,
        preview_waits=row.waiting_run_id is not None, failing=parts if row.enabled else "", incidents=row.incidents,
        runs=runs, live=bool(runs) or (active and flows.starting),
    )  # fmt: skip
