"""Sync runs: created, claimed under a lease, paused, finished, and released when their worker died."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import QueryableAttribute

from errors import AlreadyRunning, AppError, Conflict, NotFound, RunStopped
from extensions import db, reading, writing
from models import FlowKind, Integration, Order, SyncRun, WriteBack
from models.types import utcnow
from services.common.backoff import wait_for
from services.common.claims import MOST_LOST
from services.runs.lease import RUNS, Lease
from services.runs.outcome import Outcome
from services.security import audit
from services.security.audit import About, record_change
from services.shops import flows, health

log = logging.getLogger(__name__)
STARTED = audit.kind("run.started", "Sync run started")
STOPPED = audit.kind("run.stopped", "Stop of a sync run requested")
LOST = ("lost", "workers_lost")
"""Error codes of runs whose worker died."""
GIVEN_UP = timedelta(hours=1)
"""The wait for another try of what has cost many workers: the longest back-off."""
UNDER_WAY: dict[str, str] = {
    FlowKind.STOCK: "stock is being synced already", FlowKind.RECONCILIATION: "the daily reconciliation is under way already",
    FlowKind.UNDO: "a stock update is being undone already",
}  # fmt: skip
"""What is said where a second run of a kind is asked for, unless its name is in the plural."""
NO_ERROR = {"error_code": "", "error": "", "advice": ""}


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A live run as the queue has to know it: whose it is, and how often and when it was enqueued."""

    run_id: int
    integration_id: int
    shop_id: int
    enqueues: int
    enqueued_at: datetime | None


def find_run(run_id: int) -> SyncRun:
    """Raises NotFound."""
    run = db.session.get(SyncRun, run_id, populate_existing=True)
    if run is None:
        raise NotFound(f"There is no sync run {run_id}.")
    return run


def start_run(integration_id: int, kind: str, actor: str, about_run_id: int | None = None) -> SyncRun:
    """``create_run``, with the run as answer."""
    return find_run(create_run(integration_id, kind, actor, about_run_id))


def create_run(integration_id: int, kind: str, actor: str, about_run_id: int | None = None) -> int:
    """Create a queued run and return its id. The caller enqueues it afterwards, with ``jobs.enqueue_run``.

    Raises AlreadyRunning (with the live run's id), NotFound, or Conflict if the integration is disabled."""
    try:
        with writing() as session:
            integration = session.get(Integration, integration_id)
            if integration is None or integration.removed_at is not None:
                raise NotFound("That integration has been removed.")
            if not integration.enabled:
                raise Conflict(f"{integration.name} is disabled.", "Enable it first.")
            before = select(SyncRun).where(goes_before(integration_id, literal(kind))).order_by(SyncRun.kind != kind)
            live = session.scalar(before.limit(1))
            if live is not None:
                own = UNDER_WAY.get(kind, f"{kind} are being synced already")
                what = own if live.kind == kind else "a stock update is being undone"
                raise AlreadyRunning(f"{integration.name}: {what} (run {live.id}).", live.id)
            run = SyncRun(
                integration_id=integration_id, kind=kind, actor=actor, counts={}, warnings=[], about_run_id=about_run_id
            )
            session.add(run)
            session.flush()
            record_change(STARTED, About(run.id, f"{kind} {run.id}", integration_id), actor=actor)
            return run.id
    except IntegrityError:
        live = db.session.scalar(live_run(integration_id, kind))
        raise AlreadyRunning("A run of this kind has just been started.", live.id if live else 0) from None


def live_run(integration_id: int, kind: str) -> Any:
    """The select of the one unfinished run of a kind."""
    return select(SyncRun).where(SyncRun.integration_id == integration_id, SyncRun.kind == kind, SyncRun.live)


def goes_before(integration_id: Any, kind: ColumnElement[str] | QueryableAttribute[str]) -> ColumnElement[bool]:
    """The condition on SyncRun that a run of this kind cannot be created while it is there: an unfinished one of the same kind. Stock waits
    for an undo too: it would take what it read before the undo for what somebody has changed in the shop. Both may be columns."""
    undo = and_(kind == FlowKind.STOCK, SyncRun.kind == FlowKind.UNDO)
    return and_(SyncRun.integration_id == integration_id, or_(SyncRun.kind == kind, undo), SyncRun.live)


def live_runs(run_ids: Sequence[int]) -> list[Enqueued]:
    """Those of the named runs that are not finished."""
    return _enqueued(SyncRun.id.in_(run_ids), SyncRun.live)


def queued_runs(run_ids: Sequence[int]) -> list[Enqueued]:
    """Those of the named runs that no worker has claimed."""
    return _enqueued(SyncRun.id.in_(run_ids), SyncRun.state == "queued")


def _enqueued(*where: Any) -> list[Enqueued]:
    columns = SyncRun.id, SyncRun.integration_id, Integration.shop_id, SyncRun.enqueues, SyncRun.enqueued_at
    with reading() as session:
        return [Enqueued(*row) for row in session.execute(select(*columns).join(Integration).where(*where))]


def paused_runs(integration_id: int) -> list[int]:
    """The integration's queued runs that could not continue and wait for a while, oldest first."""
    query = select(SyncRun.id).where(
        SyncRun.integration_id == integration_id, SyncRun.live, SyncRun.state == "queued", SyncRun.not_before.is_not(None)
    )
    # Sorted here: for an order in the statement SQLite would read all of the integration's runs by their index in time.
    with reading():
        return sorted(db.session.scalars(query))


def note_enqueues(runs: Sequence[Enqueued]) -> list[Enqueued]:
    """Count one more time on the queue. Returns the runs as they are now, without those that are not queued any more or that another
    process has just counted."""
    now = utcnow()
    by_count: dict[int, list[int]] = {}
    for run in runs:
        by_count.setdefault(run.enqueues, []).append(run.run_id)
    done: set[int] = set()
    for count, ids in by_count.items():
        with writing() as session:
            noted = (
                update(SyncRun)
                .where(SyncRun.id.in_(ids), SyncRun.state == "queued", SyncRun.enqueues == count)
                .values(enqueues=count + 1, enqueued_at=now)
                .returning(SyncRun.id)
            )
            done |= set(session.scalars(noted.execution_options(synchronize_session=False)))
    return [replace(run, enqueues=run.enqueues + 1, enqueued_at=now) for run in runs if run.run_id in done]


def claim(run_id: int) -> Lease | None:
    """Claim a queued run; None if another worker has claimed it, or it is finished."""
    values = {"state": "running", "not_before": None, "started_at": db.func.coalesce(SyncRun.started_at, utcnow())}
    claimed = RUNS.claim(run_id, SyncRun.state == "queued", **values)
    if claimed is None:
        return None
    with reading():
        return Lease.of(find_run(run_id), claimed)


def pause(lease: Lease, seconds: float = 0) -> None:
    """Return a claimed run to the queue, to be continued after ``seconds``. The caller enqueues it. Raises LeaseLost."""
    not_before = utcnow() + timedelta(seconds=seconds) if seconds else None
    with writing() as session:
        lease.save(session)
        lease.claim.end(state="queued", enqueued_at=None, not_before=not_before)


def return_runs() -> list[int]:
    """Return the runs of this process to the queue; see ``services.common.claims.Claimable.return_own``. The caller enqueues them."""
    return RUNS.return_own(SyncRun.state == "running", state="queued", enqueued_at=None, not_before=None)


def finish(lease: Lease, outcome: str, error: AppError | None = None) -> None:
    """End a run. Raises LeaseLost if another worker has claimed it; nothing is written then."""
    failure = {"error_code": error.code, "error": error.message, "advice": error.advice} if error else {}
    with writing() as session:
        lease.save(session)
        quiet = error is None and outcome == Outcome.DONE and _found_nothing(lease)
        lease.claim.end(state="finished", outcome=outcome, quiet=quiet, finished_at=utcnow(), **{**NO_ERROR, **failure})


def _found_nothing(lease: Lease) -> bool:
    """Whether the schedule started a run that counted nothing and warned of nothing, in its steps neither."""
    counted = [lease.progress.counts, *(step.get("counts", {}) for step in lease.steps.values())]
    return (
        lease.actor == "schedule" and not lease.warnings and not any(number for counts in counted for number in counts.values())
    )


def finish_queued(integration_id: int, kind: FlowKind, asked_before: datetime, outcome: Outcome) -> None:
    """End a queued run whose work another run has just done as a step."""
    now = utcnow()
    with writing() as session:
        session.execute(
            update(SyncRun)
            .where(SyncRun.integration_id == integration_id, SyncRun.kind == kind, SyncRun.live, SyncRun.state == "queued",
                   SyncRun.created_at <= asked_before)
            .values(state="finished", outcome=outcome, started_at=db.func.coalesce(SyncRun.started_at, now), finished_at=now)
            .execution_options(synchronize_session=False)
        )  # fmt: skip


def outcome_of(error: AppError) -> Outcome:
    return Outcome.STOPPED if isinstance(error, RunStopped) else Outcome.FAILED


def release_dead_runs() -> list[int]:
    """End every running run whose lease has expired: its worker died. Returns their ids."""
    is_dead = (SyncRun.state == "running", SyncRun.lease_until < utcnow())
    with writing() as session:
        owners = session.scalars(select(SyncRun.integration_id).where(*is_dead).distinct()).all()
        if not owners:
            return []
        # Integrations are locked before runs, everywhere.
        session.execute(select(Integration.id).where(Integration.id.in_(owners)).order_by(Integration.id).with_for_update())
        dead = session.scalars(
            select(SyncRun).where(*is_dead, SyncRun.integration_id.in_(owners)).with_for_update(skip_locked=True)
        ).all()
        for run in dead:
            run.state, run.outcome, run.finished_at = "finished", Outcome.LOST, utcnow()
            run.lease_token, run.lease_until = "", None
            flows.make_due(flows.of_integration(run.integration_id), FlowKind(run.kind))
            _plan_after_loss(run)
        return [run.id for run in dead]


def _plan_after_loss(run: SyncRun) -> None:
    """Say in a run why it has ended, and when the flow is tried again that its worker worked on: at once the first time, as after a restart, and
    later each time while no worker gets further. Where that cost many workers, people are notified, and the next try is an hour away."""
    kind = _worked_on(run)
    flow = run.integration.flows.get(kind)
    run.error_code, run.error = "lost", "The worker stopped in the middle; the next run continues from the last saved page."
    if flow is None:
        return
    saved = run.done if kind == run.kind else run.steps.get(kind, {}).get("done", 0)
    if saved or flow.error_code not in LOST:
        flow.failures = 0
    if flow.failures + 1 >= MOST_LOST:
        run.error_code, run.error = (
            "workers_lost",
            f"{flow.failures + 1} workers in a row ended in the middle of {_place(run, kind)}.",
        )
        run.advice = "It may need more memory than the server has. Ask the person who runs Cartlink; its log names the run."
        log.error("run %d of integration %d: %s", run.id, run.integration_id, run.error)
    failures = health.note_own_trouble(run.integration, kind, run.error_code, run.error, run.advice)
    if failures > 1:
        wait = GIVEN_UP if run.error_code == "workers_lost" else wait_for(failures - 1, first=15, most=3600)
        flow.due_at = flow.retry_at = utcnow() + wait


def _worked_on(run: SyncRun) -> FlowKind:
    """The flow that a run worked on: that of its step, or its own."""
    own = FlowKind(run.kind)
    steps = (FlowKind(flow.kind) for flow in run.integration.flows.values() if flow.run_id == run.id and flow.kind != own)
    return next(steps, own)


def _place(run: SyncRun, kind: FlowKind) -> str:
    if kind == FlowKind.SHIPMENTS:
        sent = select(Order.number, Order.external_id).join(WriteBack, WriteBack.order_id == Order.id)
        about = db.session.execute(sent.where(WriteBack.run_id == run.id, WriteBack.state == "sending").limit(1)).one_or_none()
        return f"the update of the shop about order {about.number or about.external_id}" if about is not None else "this work"
    if kind != FlowKind.ORDERS:
        return "this work"
    position = run.integration.shop.reading_position
    return f"the page of orders that follows the first {position:,} of this reading" if position else "the first page of orders"


def request_stop(run_id: int) -> None:
    """Ask a run to stop; a queued one ends at once. Raises NotFound."""
    with writing() as session:
        run = session.get(SyncRun, run_id, with_for_update=True)
        if run is None:
            raise NotFound(f"There is no sync run {run_id}.")
        about = About(run_id, f"{run.kind} {run_id}", run.integration_id)
        record_change(STOPPED, about, {"stop_requested": (run.stop_requested, True)})
        run.stop_requested = True
        if run.state == "queued":
            run.state, run.outcome, run.finished_at = "finished", Outcome.STOPPED, utcnow()
