"""Sync runs: started, claimed under a lease, reported page by page, finished, and released when their worker died."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm import scoped_session as ScopedSession

from errors import AlreadyRunning, AppError, ChannelError, Conflict, LeaseLost, NotFound, RunStopped, StopRequested, SwitchedOff
from extensions import db, writing
from models import Integration, SyncRun
from models.types import utcnow
from services import health

KINDS = ("orders", "stock", "listings", "shipments", "receipts")
"""What can be due. There is ``undo`` as well, which is never due: a person starts it, about one stock run."""


HOLDER = secrets.token_hex(4)
"""Begins the token of every lease that this process takes, and those that are forked from it: what they have left behind can
be told from what others hold."""


def find_run(run_id: int) -> SyncRun:
    """Raises NotFound."""
    run = db.session.get(SyncRun, run_id, populate_existing=True)
    if run is None:
        raise NotFound(f"There is no sync run {run_id}.")
    return run


def start_run(integration_id: int, kind: str, actor: str, about_run_id: int | None = None) -> SyncRun:
    """Make a queued run. The caller enqueues it afterwards, with ``jobs.enqueue_run``.

    Raises AlreadyRunning (with the live run's id), NotFound, or Conflict where the integration is switched off."""
    try:
        with writing() as session:
            integration = session.get(Integration, integration_id)
            if integration is None or integration.removed_at is not None:
                raise NotFound("That integration has been removed.")
            if not integration.enabled:
                raise Conflict(f"{integration.name} is disabled.", "Enable it first.")
            live = session.scalar(live_run(integration_id, kind))
            if live is not None:
                raise AlreadyRunning(f"{integration.name}: {kind} are being synced already (run {live.id}).", live.id)
            run = SyncRun(
                integration_id=integration_id, kind=kind, actor=actor, counts={}, warnings=[], about_run_id=about_run_id
            )
            session.add(run)
            session.flush()
            run_id = run.id
    except IntegrityError:
        live = db.session.scalar(live_run(integration_id, kind))
        raise AlreadyRunning("A run of this kind has just been started.", live.id if live else 0) from None
    return find_run(run_id)


def live_run(integration_id: int, kind: str) -> Any:
    """The select of the one unfinished run of a kind."""
    return select(SyncRun).where(SyncRun.integration_id == integration_id, SyncRun.kind == kind, SyncRun.live)


def live_runs(run_ids: Sequence[int]) -> list[SyncRun]:
    """Those of the named runs that are not finished."""
    found = list(db.session.scalars(select(SyncRun).where(SyncRun.id.in_(run_ids), SyncRun.live)))
    db.session.rollback()
    return found


def that_gave_way(integration_id: int) -> list[int]:
    """The integration's queued runs that could not go on and wait a while, oldest first: what they waited for may be over."""
    query = select(SyncRun.id).where(
        SyncRun.integration_id == integration_id, SyncRun.live, SyncRun.state == "queued", SyncRun.not_before.is_not(None)
    )
    # Sorted here: for an order in the statement SQLite would read all of the integration's runs by their index in time.
    found = sorted(db.session.scalars(query))
    db.session.rollback()
    return found


def note_enqueue(run_id: int) -> SyncRun | None:
    """Count one more time on the queue; None where the run is not queued any more."""
    with writing() as session:
        run = session.get(SyncRun, run_id, with_for_update=True)
        if run is None or run.state != "queued":
            return None
        run.enqueues += 1
        run.enqueued_at = utcnow()
    return find_run(run_id)


# Asked before every request and with every page: made once, on the tables, they cost half as much.
_runs, _integrations = SyncRun.__table__.c, Integration.__table__.c
STANDING = (
    select(_runs.lease_token, _runs.state, _runs.stop_requested, _integrations.enabled, _integrations.removed_at)
    .join_from(SyncRun.__table__, Integration.__table__)
    .where(_runs.id == bindparam("run_id"))
)
REMOVED_AT = select(_integrations.removed_at).where(_integrations.id == bindparam("integration_id"))
EXTEND = (
    update(SyncRun.__table__)
    .where(_runs.id == bindparam("run_id"), _runs.lease_token == bindparam("token"), _runs.state == "running")
    .values({name: bindparam(name) for name in ("lease_until", "done", "total", "counts", "warnings", "requests")})
)


@dataclass
class Lease:
    """The right to work on one run, proven by ``token``. ``counts`` and ``done`` are written with each page commit."""

    run_id: int
    integration_id: int
    shop_id: int
    kind: str
    actor: str
    token: str
    seconds: int
    done: int = 0
    total: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    requests_before: int = 0
    requests: int = 0
    thread: int = field(default_factory=threading.get_ident)

    @property
    def run_actor(self) -> str:
        """Who changed something, where a run did."""
        return f"run:{self.run_id}"

    def count(self, name: str, by: int = 1) -> None:
        if by:
            self.counts[name] = self.counts.get(name, 0) + by

    def warn(self, sentence: str) -> None:
        """Keep a sentence on the run, once, and at most fifty of them."""
        if sentence not in self.warnings and len(self.warnings) < 50:
            self.warnings.append(sentence)

    def gate(self) -> None:
        """Called before each request to the shop, and by the thread that has just connected for one.
        Raises LeaseLost, SwitchedOff or StopRequested."""
        if threading.get_ident() == self.thread:
            # No transaction stays open while the request is under way.
            db.session.rollback()
        # The session belongs to the run's own thread; a connection may be had by any.
        with db.engine.connect() as connection:
            row = connection.execute(STANDING, {"run_id": self.run_id}).one_or_none()
        if row is None or row.lease_token != self.token or row.state != "running":
            raise LeaseLost("Another worker has taken this run over.")
        if not row.enabled or row.removed_at is not None:
            raise SwitchedOff("The integration was switched off.")
        if row.stop_requested:
            raise StopRequested("The run was stopped.")

    @contextmanager
    def page(self) -> Iterator[ScopedSession[Session]]:
        """One page's transaction: everything written inside is committed together with the proof that the lease still
        holds and the integration is not removed, or not at all. Raises LeaseLost, or SwitchedOff. The lease is extended by it.

        A page of a shop that is only disabled is kept: its request was on the wire before the click."""
        with writing() as session:
            yield session
            # Not locked: whoever changes an integration locks it first, and a page would have locked other rows before it.
            if session.execute(REMOVED_AT, {"integration_id": self.integration_id}).scalar_one() is not None:
                raise SwitchedOff("The integration was removed.")
            self._extend(session)

    def extend(self) -> None:
        """Hold the lease for another term without committing anything else. Raises LeaseLost."""
        with writing() as session:
            self._extend(session)

    def _extend(self, session: ScopedSession[Session]) -> None:
        extended = session.execute(
            EXTEND,
            {
                "run_id": self.run_id, "token": self.token, "lease_until": utcnow() + timedelta(seconds=self.seconds),
                "done": self.done, "total": self.total, "counts": dict(self.counts), "warnings": list(self.warnings),
                "requests": self.requests_before + self.requests,
            },
        )  # fmt: skip
        if extended.rowcount != 1:
            raise LeaseLost("Another worker has taken this run over.")


def claim(run_id: int) -> Lease | None:
    """Take a queued run; None where somebody else has it, it is not due yet, or it is finished."""
    seconds = current_app.config["CARTLINK"].lease_seconds
    token = new_token()
    now = utcnow()
    with writing() as session:
        claimed = session.execute(
            update(SyncRun)
            .where(SyncRun.id == run_id, SyncRun.state == "queued")
            .values(
                state="running",
                lease_token=token,
                lease_until=now + timedelta(seconds=seconds),
                not_before=None,
                started_at=db.func.coalesce(SyncRun.started_at, now),
            )  # fmt: skip
            .execution_options(synchronize_session=False)
        )
        if claimed.rowcount != 1:
            return None
    run = find_run(run_id)
    lease = Lease(
        run_id=run.id, integration_id=run.integration_id, shop_id=run.integration.shop_id, kind=run.kind, actor=run.actor,
        token=token, seconds=seconds, done=run.done, total=run.total, counts=dict(run.counts), warnings=list(run.warnings),
        requests_before=run.requests,
    )  # fmt: skip
    db.session.rollback()
    return lease


def give_way(lease: Lease, wait_seconds: float = 0) -> None:
    """Put a claimed run back in the queue, to be gone on with later. The caller enqueues it. Raises LeaseLost."""
    with writing() as session:
        lease._extend(session)
        session.execute(
            update(SyncRun)
            .where(SyncRun.id == lease.run_id)
            .values(
                state="queued",
                lease_token="",
                lease_until=None,
                enqueued_at=None,
                not_before=utcnow() + timedelta(seconds=wait_seconds) if wait_seconds else None,
            )  # fmt: skip
            .execution_options(synchronize_session=False)
        )


def new_token() -> str:
    """Proof of a lease: 32 characters nobody can guess, the first of which say whose process took it."""
    return HOLDER + secrets.token_hex(12)


def give_back() -> list[int]:
    """Put back in the queue what work of this process, or forked from it, still holds; answers with the runs' ids, to be
    enqueued. To be called when nothing of it is alive any more: the next worker goes on at once from the last saved page."""
    with writing() as session:
        held = (SyncRun.state == "running", SyncRun.lease_token.startswith(HOLDER))
        ids = list(session.scalars(select(SyncRun.id).where(*held).order_by(SyncRun.id).with_for_update()))
        if ids:
            session.execute(
                update(SyncRun)
                .where(SyncRun.id.in_(ids), *held)
                .values(state="queued", lease_token="", lease_until=None, enqueued_at=None, not_before=None)
                .execution_options(synchronize_session=False)
            )
    return ids


def finish(lease: Lease, outcome: str, error: AppError | None = None) -> None:
    """End a run. Raises LeaseLost where somebody else has it by now; nothing is written then."""
    with writing() as session:
        lease._extend(session)
        session.execute(
            update(SyncRun)
            .where(SyncRun.id == lease.run_id)
            .values(
                state="finished",
                outcome=outcome,
                finished_at=utcnow(),
                lease_token="",
                lease_until=None,
                error_code=error.code if error else "",
                error=error.message if error else "",
                advice=error.advice if error else "",
            )  # fmt: skip
            .execution_options(synchronize_session=False)
        )


def outcome_of(error: AppError) -> str:
    return "stopped" if isinstance(error, RunStopped) else "failed"


def release_dead_runs() -> list[int]:
    """End every running run whose lease has run out: its worker died. Answers with their ids."""
    is_dead = (SyncRun.state == "running", SyncRun.lease_until < utcnow())
    with writing() as session:
        owners = session.scalars(select(SyncRun.integration_id).where(*is_dead).distinct()).all()
        if not owners:
            return []
        # Integrations before runs, as everybody locks them.
        session.execute(select(Integration.id).where(Integration.id.in_(owners)).order_by(Integration.id).with_for_update())
        dead = session.scalars(
            select(SyncRun).where(*is_dead, SyncRun.integration_id.in_(owners)).with_for_update(skip_locked=True)
        ).all()
        for run in dead:
            run.state, run.outcome, run.finished_at = "finished", "lost", utcnow()
            run.lease_token, run.lease_until = "", None
            run.error_code, run.error = "lost", "The worker stopped in the middle; the next run goes on from the last saved page."
            make_due(run.integration, run.kind)
            health.note_own_trouble(run.integration, run.kind, "lost", run.error)
        return [run.id for run in dead]


def make_due(integration: Integration, kind: str) -> None:
    """Mark a kind of run as due now. Call it inside ``writing()``."""
    if kind != "undo":
        setattr(integration, f"{kind}_due_at", utcnow())


def request_stop(run_id: int) -> None:
    """Ask a run to stop; a queued one ends at once. Raises NotFound."""
    with writing() as session:
        run = session.get(SyncRun, run_id, with_for_update=True)
        if run is None:
            raise NotFound(f"There is no sync run {run_id}.")
        run.stop_requested = True
        if run.state == "queued":
            run.state, run.outcome, run.finished_at = "finished", "stopped", utcnow()


def retryable(error: AppError) -> bool:
    return isinstance(error, ChannelError) and error.retryable
