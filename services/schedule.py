"""What is due: the database says it, whoever asks claims it. Several schedulers may ask at once."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, or_, select

from errors import AppError
from extensions import db
from models import Integration, SyncRun
from models.types import utcnow
from services import runs

LOST_IN_QUEUE = timedelta(seconds=30)
"""How long after it was enqueued a run that is still queued is looked for in the queue."""

MOST_AT_ONCE = 500
"""Runs started by one tick; what is due longest goes first, the rest with the next tick."""


def start_due_runs(actor: str = "schedule", kinds: tuple[str, ...] = runs.KINDS) -> list[int]:
    """Make a queued run for everything that is due and has none; answers with the runs' ids, to be enqueued."""
    started = []
    for kind in kinds:
        due = getattr(Integration, f"{kind}_due_at")
        live = select(SyncRun.id).where(SyncRun.integration_id == Integration.id, SyncRun.kind == kind, SyncRun.live)
        query = (
            select(Integration.id)
            .where(due <= utcnow(), may_run(kind), ~live.exists())
            .order_by(due)
            .limit(MOST_AT_ONCE)
        )  # fmt: skip
        for integration_id in db.session.scalars(query).all():
            try:
                started.append(runs.start_run(integration_id, kind, actor).id)
            except AppError:
                # Another scheduler was faster, or a person has just switched the integration off.
                continue
    db.session.rollback()
    return started


def may_run(kind: str) -> ColumnElement[bool]:
    """Whether the schedule starts runs of this kind for an integration as it stands."""
    active = and_(
        Integration.enabled, Integration.removed_at.is_(None), Integration.health != "needs_reauthorising",
        Integration.paused_at.is_(None),
    )  # fmt: skip
    if kind in ("orders", "receipts"):
        return and_(active, Integration.orders_on)
    if kind == "shipments":
        return and_(active, Integration.shipments_on, Integration.writes_refused.is_(False))
    if kind == "stock":
        return and_(active, Integration.stock_on, Integration.writes_refused.is_(False))
    return active


def waiting_runs() -> list[int]:
    """Queued runs that ought to be on the queue: never enqueued, due again after giving way, or enqueued a while ago."""
    now = utcnow()
    query = (
        select(SyncRun.id)
        .where(
            SyncRun.state == "queued",
            or_(SyncRun.not_before.is_(None), SyncRun.not_before <= now),
            or_(SyncRun.enqueued_at.is_(None), SyncRun.enqueued_at < now - LOST_IN_QUEUE),
        )
        .order_by(SyncRun.created_at)
        .limit(MOST_AT_ONCE)
    )
    ids = list(db.session.scalars(query))
    db.session.rollback()
    return ids
