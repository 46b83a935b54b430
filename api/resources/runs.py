"""``runs``: sync runs and what they did about single rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from api.operations import Call, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.shapes import Body, Code, Id, row_id
from errors import NotFound, QueueAway
from extensions import db
from jobs import enqueue_run
from models import RunItem, SyncRun
from services.runs import lifecycle, queries


class Run(Struct):
    """``state`` is queued, running or finished; ``outcome`` says how it ended. ``counts`` are numbers by name."""

    id: str
    integration_id: str
    integration: str
    kind: str
    state: str
    outcome: str
    actor: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    done: int
    total: int | None
    counts: dict[str, Any]
    requests: int
    error_code: str
    error: str
    advice: str
    warnings: list[str]


class RunRow(Struct):
    """What a run did about one row; ``now``, ``wanted`` and ``stored`` are quantities."""

    id: str
    external_id: str
    sku: str
    result: str
    now: int | None
    wanted: int | None
    stored: int | None
    reason: str


class RunsQuery(ListQuery, kw_only=True):
    integration: Id | None = None
    kind: Literal["orders", "stock", "listings", "shipments", "reconciliation", "undo"] | None = None
    state: Literal["queued", "running", "finished"] | None = None


class RowsQuery(ListQuery, kw_only=True):
    result: Code | None = None


@operation("GET", "/runs", "List sync runs, newest first", scope="runs:read", query=RunsQuery, answers={200: Page[Run]})
def list_runs(call: Call) -> Reply:
    wanted: RunsQuery = call.query
    integration_id = None if wanted.integration is None else row_id(wanted.integration)
    query = queries.ids_of(integration_id=integration_id, kind=wanted.kind or "", state=wanted.state or "")
    return list_page(call, query, [SyncRun.id], _load, newest=True)


@operation("GET", "/runs/<int:run_id>", "Get a sync run", scope="runs:read", answers={200: Run})
def get_run(call: Call, run_id: int) -> Run:
    return one_run(run_id)


@operation(
    "GET", "/runs/<int:run_id>/rows", "List what a sync run did about single rows", scope="runs:read", query=RowsQuery,
    answers={200: Page[RunRow]},
)  # fmt: skip
def list_rows(call: Call, run_id: int) -> Reply:
    one_run(run_id)
    query = select(RunItem.id).where(RunItem.run_id == run_id)
    if call.query.result is not None:
        query = query.where(RunItem.result == call.query.result)
    return list_page(call, query, [RunItem.id], _rows, newest=False)


class NewRun(Body):
    integration_id: Id
    kind: Literal["orders", "stock", "listings", "shipments", "reconciliation"]


@operation(
    "POST", "/runs", "Start a sync run; it is queued, and its address says how it goes", scope="runs:write", role="manager",
    body=NewRun, answers={202: Run},
)  # fmt: skip
def start_run(call: Call) -> Reply:
    run_id = lifecycle.create_run(row_id(call.body.integration_id), call.body.kind, call.actor)
    return Reply(one_run(run_id), 202, {"Location": f"/api/v1/runs/{run_id}"}, after=lambda: enqueue(run_id))


@operation(
    "POST", "/runs/<int:run_id>/stop", "Stop a sync run: a queued one at once, else before its next request", scope="runs:write",
    role="manager", answers={202: Run},
)  # fmt: skip
def stop_run(call: Call, run_id: int) -> Reply:
    if one_run(run_id).state != "finished":
        lifecycle.request_stop(run_id)
    return Reply(one_run(run_id), 202, {"Location": f"/api/v1/runs/{run_id}"})


def enqueue(run_id: int) -> None:
    """The row is stored: where the queue is away, a tick enqueues it later."""
    with suppress(QueueAway):
        enqueue_run(run_id)


def one_run(run_id: int) -> Run:
    """Raises NotFound."""
    found = _load([run_id]).get(run_id)
    if found is None:
        raise NotFound("There is no such sync run.")
    return found


def _load(ids: Sequence[int]) -> dict[int, Run]:
    query = select(SyncRun).where(SyncRun.id.in_(ids)).options(joinedload(SyncRun.integration))
    return {row.id: _shown(row) for row in db.session.scalars(query.execution_options(populate_existing=True))}


def _shown(row: SyncRun) -> Run:
    return Run(
        str(row.id), str(row.integration_id), row.integration.name, row.kind, row.state, row.outcome, row.actor, row.created_at,
        row.started_at, row.finished_at, row.done, row.total, dict(row.counts), row.requests, row.error_code, row.error, row.advice,
        list(row.warnings),
    )  # fmt: skip


def _rows(ids: Sequence[int]) -> dict[int, RunRow]:
    rows = db.session.scalars(select(RunItem).where(RunItem.id.in_(ids)))
    return {
        row.id: RunRow(str(row.id), row.external_id, row.sku, row.result, row.now, row.wanted, row.stored, row.reason)
        for row in rows
    }
