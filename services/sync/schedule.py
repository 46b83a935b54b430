"""Start what is due. The database decides, so several schedulers may run at once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, update

from extensions import db, reading, writing
from models import Flow, FlowKind, Integration, Listing, Shop, SyncRun
from models.flow import SYNCS, WRITING
from models.types import utcnow
from services.common.bulk import insert_into
from services.common.results import changed_rows
from services.runs import lifecycle

LOST_IN_QUEUE = timedelta(seconds=30)
"""A run that is still queued so long after it was enqueued is enqueued again, in case the queue has lost it."""

MOST_AT_ONCE = 500
"""Runs that one tick starts, the longest due first; the next tick starts the rest."""


def start_due_runs(actor: str = "schedule", kinds: Collection[FlowKind] = SYNCS) -> list[int]:
    """Create a queued run for every flow that is due and has none, in one statement. Returns the runs' ids, the longest due first;
    the caller enqueues them. Where another scheduler was faster, the run is in its answer only."""
    due = (
        select(Flow.integration_id, Flow.kind, literal(actor))
        .join(Integration)
        .where(Flow.kind.in_(kinds), Flow.due_at <= utcnow(), may_start())
        .order_by(Flow.due_at, Flow.id)
        .limit(MOST_AT_ONCE)
    )
    with reading() as session:
        if session.execute(due.limit(1)).first() is None:
            return []
    with writing() as session:
        rows = insert_into(SyncRun).from_select(["integration_id", "kind", "actor"], due).on_conflict_do_nothing()
        return sorted(session.scalars(rows.returning(SyncRun.id)))


def next_shipments(within: timedelta) -> datetime | None:
    """When the next shipments run is due that can start, if that is not further away than this."""
    query = select(func.min(Flow.due_at)).join(Integration).where(
        Flow.kind == FlowKind.SHIPMENTS, Flow.due_at <= utcnow() + within, may_start()
    )  # fmt: skip
    with reading() as session:
        return session.scalar(query)


def skip_idle_stock() -> int:
    """Move on the stock flows that are due and have nothing to send: a run would ask the shop nothing. Returns their number."""
    now = utcnow()
    behind = select(Listing.id).where(Listing.shop_id == Integration.shop_id, Listing.stale, Listing.gone_at.is_(None))
    idle = (
        Flow.kind == FlowKind.STOCK, Flow.due_at <= now, Flow.failing_since.is_(None), may_start(), Integration.push_gate == "open",
        Integration.waiting_run_id.is_(None), Integration.approved_run_id.is_(None), Shop.orders_read_to.is_not(None),
        Shop.listings_read_at.is_not(None), ~behind.exists(),
    )  # fmt: skip
    query = select(Flow.interval_seconds).join(Integration).join(Shop).where(*idle).distinct()
    with reading() as session:
        intervals = session.scalars(query).all()
    count = 0
    for interval in filter(None, intervals):
        ids = select(Flow.id).join(Integration).join(Shop).where(*idle, Flow.interval_seconds == interval)
        with writing() as session:
            done = session.execute(
                update(Flow)
                .where(Flow.id.in_(ids))
                .values(due_at=now + timedelta(seconds=interval), succeeded_at=now)
                .execution_options(synchronize_session=False)
            )
        count += changed_rows(done)
    return count


def may_run() -> ColumnElement[bool]:
    """Whether the schedule may start a run of a flow: a condition on Flow joined to Integration."""
    return and_(Integration.active, Flow.enabled, or_(Flow.kind.not_in(WRITING), Integration.writes_refused.is_(False)))


def may_start() -> ColumnElement[bool]:
    """``may_run``, and no run is there that goes before one of this flow."""
    before = select(SyncRun.id).where(lifecycle.goes_before(Flow.integration_id, Flow.kind))
    return and_(may_run(), ~before.exists())


def waiting_runs() -> list[int]:
    """Queued runs that should be on the queue: never enqueued, due again after a pause, or enqueued a while ago."""
    now = utcnow()
    query = (
        select(SyncRun.id)
        .where(
            SyncRun.state == "queued",
            or_(SyncRun.not_before.is_(None), SyncRun.not_before <= now),
            or_(SyncRun.enqueued_at.is_(None), SyncRun.enqueued_at < now - LOST_IN_QUEUE),
        )
        # Where many wait on a queue that works them off slowly, these are not in the way of what was never on it.
        .order_by(SyncRun.enqueued_at.is_not(None), SyncRun.created_at)
        .limit(MOST_AT_ONCE)
    )
    with reading():
        return list(db.session.scalars(query))
