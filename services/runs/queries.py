"""Sync runs, read: listed with filters, with what they did about single rows, as plain values for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import joinedload

from extensions import db
from models import Integration, RunItem, SyncRun
from services.common.batches import in_batches, stamp
from services.common.paging import Page, page_of

TROUBLE = ("failed", "refused", "waiting", "other_value", "unreadable")
"""The results of rows that a person may have to look at."""


def iter_runs(
    *, integration_id: int | None = None, kind: str = "", state: str = "", limit: int | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Runs as ``run_object`` gives them, newest first, a batch at a time; those of removed integrations are not shown."""
    ids = ids_of(integration_id=integration_id, kind=kind, state=state)
    return in_batches(ids.order_by(SyncRun.id.desc()).limit(limit), _load)


def ids_of(*, integration_id: int | None = None, kind: str = "", state: str = "") -> Select[*tuple[Any, ...]]:
    """The ids of runs, in no order; those of removed integrations are left out."""
    # Every run has an integration. After an inner join SQLite would read the runs of each integration, and sort all of them.
    ids = select(SyncRun.id).outerjoin(Integration).where(Integration.removed_at.is_(None))
    if integration_id is not None:
        ids = ids.where(SyncRun.integration_id == integration_id)
    if kind:
        ids = ids.where(SyncRun.kind == kind)
    if state:
        ids = ids.where(SyncRun.state == state)
    return ids


def _load(ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    query = select(SyncRun).where(SyncRun.id.in_(ids)).options(joinedload(SyncRun.integration))
    return {run.id: run_object(run) for run in db.session.scalars(query)}


def run_object(run: SyncRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "integration": run.integration.name,
        "kind": run.kind,
        "state": run.state,
        "outcome": run.outcome,
        "actor": run.actor,
        "created_at": stamp(run.created_at),
        "started_at": stamp(run.started_at),
        "finished_at": stamp(run.finished_at),
        "done": run.done,
        "total": run.total,
        "counts": run.counts,
        "steps": run.steps,
        "requests": run.requests,
        "error_code": run.error_code,
        "error": run.error,
        "advice": run.advice,
        "warnings": run.warnings,
    }


def count_items(run_id: int) -> dict[str, int]:
    """How many rows of a run came to each result."""
    query = select(RunItem.result, func.count()).where(RunItem.run_id == run_id).group_by(RunItem.result)
    return dict(db.session.execute(query).all())


def list_items(run_id: int, *, results: Sequence[str] = TROUBLE, limit: int | None = None) -> list[dict[str, Any]]:
    """What a run did, or would do, about single rows; those that went wrong, by default."""
    query = select(RunItem).where(RunItem.run_id == run_id, RunItem.result.in_(results)).order_by(RunItem.id).limit(limit)
    return [item_object(item) for item in db.session.scalars(query)]


def page_of_items(run_id: int, results: Sequence[str], place: str, size: int = 100) -> Page[dict[str, Any]]:
    """The same by pages."""
    query = select(RunItem).where(RunItem.run_id == run_id, RunItem.result.in_(results))
    return page_of(query, (RunItem.id,), place, size, lambda found: [item_object(row[0]) for row in found])


def item_object(item: RunItem) -> dict[str, Any]:
    """``now``, ``wanted`` and ``stored`` are quantities, None for a row that is no listing."""
    return {
        "external_id": item.external_id,
        "sku": item.sku,
        "result": item.result,
        "now": item.now,
        "wanted": item.wanted,
        "stored": item.stored,
        "reason": item.reason,
    }
