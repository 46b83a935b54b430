"""The flows of integrations: made with an integration, and made due."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, or_, select, update

from extensions import db
from models import Flow, FlowKind, Integration, SyncRun
from models.types import utcnow
from services.common.results import changed_rows

INTERVALS = {FlowKind.ORDERS: 300, FlowKind.STOCK: 300, FlowKind.LISTINGS: 86400}
"""Seconds, for the flows that have an interval."""
AT_ONCE = (FlowKind.ORDERS, FlowKind.STOCK, FlowKind.LISTINGS)
"""The flows that always have something to do: they are due as soon as an integration is connected, enabled or resumed."""


def new_flows(due_at: datetime | None, intervals: Mapping[FlowKind, int] = INTERVALS) -> dict[str, Flow]:
    """The flows of a new integration, for ``Integration.flows``."""
    return {
        kind: Flow(kind=kind, interval_seconds=intervals.get(kind), due_at=due_at if kind in AT_ONCE else None)
        for kind in FlowKind
        if kind != FlowKind.UNDO
    }


def of_integration(integration_id: int) -> ColumnElement[bool]:
    return Flow.integration_id == integration_id


def of_shops(shop_ids: Collection[int] | Select[int]) -> ColumnElement[bool]:
    """The flows of the integrations that connect these shops now."""
    connected = select(Integration.id).where(Integration.shop_id.in_(shop_ids), Integration.removed_at.is_(None))
    return Flow.integration_id.in_(connected)


def make_due(whose: ColumnElement[bool], *kinds: FlowKind, at: datetime | None = None) -> None:
    """Let the next runs start now, or at a time. ``whose`` is ``of_integration`` or ``of_shops``. Call it inside ``writing()``."""
    _plan(at or utcnow(), whose, Flow.kind.in_(kinds))


def bring_forward(whose: ColumnElement[bool], *kinds: FlowKind, to: datetime | None = None) -> None:
    """Let runs that are planned for a later time start now, or at a time. Call it inside ``writing()``."""
    at = to or utcnow()
    _plan(at, whose, Flow.kind.in_(kinds), Flow.due_at > at)


def make_due_by(whose: ColumnElement[bool], kind: FlowKind, at: datetime) -> None:
    """Let the next run start at this time, unless it is planned for an earlier one. Call it inside ``writing()``."""
    _plan(at, whose, Flow.kind == kind, or_(Flow.due_at.is_(None), Flow.due_at > at))


def plan(integration_id: int, kind: FlowKind, at: datetime | None) -> None:
    """Set when the next run starts; None for no run. Call it inside ``writing()``."""
    _plan(at, of_integration(integration_id), Flow.kind == kind)


def _plan(at: datetime | None, *where: ColumnElement[bool]) -> None:
    # One statement, so that the condition holds for the row as it is now, and not as it was when it was loaded.
    db.session.execute(update(Flow).where(*where).values(due_at=at).execution_options(synchronize_session="fetch"))


def take(integration_id: int, kind: FlowKind, run_id: int) -> bool:
    """Let a run work on a flow, until it ends or pauses. False if another run works on it. Call it inside ``writing()``."""
    works = select(SyncRun.id).where(SyncRun.id == Flow.run_id, SyncRun.state == "running")
    free = or_(Flow.run_id.is_(None), Flow.run_id == run_id, ~works.exists())
    query = update(Flow).where(of_integration(integration_id), Flow.kind == kind, free).values(run_id=run_id)
    return changed_rows(db.session.execute(query.execution_options(synchronize_session=False))) == 1


def get_flow(integration_id: int, kind: FlowKind) -> Flow:
    return db.session.scalars(select(Flow).where(of_integration(integration_id), Flow.kind == kind)).one()


def next_interval(flow: Flow) -> datetime:
    return utcnow() + timedelta(seconds=flow.interval_seconds or 0)


def interval(integration_id: int, kind: FlowKind) -> int:
    """In seconds; 0 for a flow without an interval."""
    return db.session.scalar(select(Flow.interval_seconds).where(of_integration(integration_id), Flow.kind == kind)) or 0
