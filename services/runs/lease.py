"""The lease of a run: the right to work on it, checked before each request to the shop and with each page that is saved."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from config import current_config
from errors import LeaseLost, StopRequested, SwitchedOff
from extensions import db, writing
from models import Integration, SyncRun
from services.common.claims import Claim, Claimable
from services.common.heartbeat import Heartbeat
from services.common.results import changed_rows

RUNS = Claimable(SyncRun.lease_token, SyncRun.lease_until, lambda: current_config().lease_seconds)

# Executed before every request and with every page: built once, on the tables, they cost half as much.
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
    .values({name: bindparam(name) for name in ("lease_until", "done", "total", "counts", "steps", "warnings", "requests")})
)


@dataclass
class Progress:
    """How far a run, or a step before its own, has come."""

    done: int = 0
    total: int | None = None
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Lease:
    """The right to work on one run. What it counts is written with each page.

    ``steps`` holds what the run did for other flows before its own, by kind of flow: ``done``, ``counts`` and ``outcome``."""

    run_id: int
    integration_id: int
    shop_id: int
    kind: str
    actor: str
    claim: Claim
    progress: Progress
    warnings: list[str]
    steps: dict[str, dict[str, Any]]
    requests_before: int = 0
    requests: int = 0
    current: Progress = field(init=False)
    thread: int = field(default_factory=threading.get_ident)

    def __post_init__(self) -> None:
        self.current = self.progress

    @classmethod
    def of(cls, run: SyncRun, claim: Claim) -> Lease:
        return cls(
            run.id, run.integration_id, run.integration.shop_id, run.kind, run.actor, claim,
            Progress(run.done, run.total, dict(run.counts)), list(run.warnings), dict(run.steps), run.requests,
        )  # fmt: skip

    @property
    def run_actor(self) -> str:
        """Who changed something, if a run did."""
        return f"run:{self.run_id}"

    @property
    def automatic(self) -> bool:
        """Whether the run was started without a person's request."""
        return self.actor == "schedule" or self.actor.startswith("run:")

    @property
    def token(self) -> str:
        return self.claim.token

    @property
    def seconds(self) -> float:
        return self.claim.on.seconds()

    @property
    def done(self) -> int:
        return self.current.done

    @done.setter
    def done(self, number: int) -> None:
        self.current.done = number

    @property
    def total(self) -> int | None:
        return self.current.total

    @total.setter
    def total(self, number: int | None) -> None:
        self.current.total = number

    @property
    def counts(self) -> dict[str, int]:
        return self.current.counts

    def count(self, name: str, by: int = 1) -> None:
        if by:
            self.counts[name] = self.counts.get(name, 0) + by

    def warn(self, sentence: str) -> None:
        """Keep a sentence on the run, once, and at most fifty of them."""
        if sentence not in self.warnings and len(self.warnings) < 50:
            self.warnings.append(sentence)

    @contextmanager
    def step(self, kind: str) -> Iterator[None]:
        """Count what happens inside as a step for another flow."""
        before = self.current
        kept = self.steps.setdefault(kind, {"done": 0, "counts": {}})
        self.current = Progress(kept["done"], None, kept["counts"])
        try:
            yield
        finally:
            kept["done"] = self.current.done
            self.current = before

    def gate(self) -> None:
        """Called before each request to the shop, and by the thread that has just connected for one.
        Raises LeaseLost, SwitchedOff or StopRequested."""
        if threading.get_ident() == self.thread:
            # No transaction stays open during the request.
            db.session.rollback()
        # The session belongs to the run's own thread; any thread may use a connection.
        with db.engine.connect() as connection:
            row = connection.execute(STANDING, {"run_id": self.run_id}).one_or_none()
        if row is None or row.lease_token != self.token or row.state != "running":
            raise LeaseLost("Another worker has taken this run over.")
        if not row.enabled or row.removed_at is not None:
            raise SwitchedOff("The integration was switched off.")
        if row.stop_requested:
            raise StopRequested("The run was stopped.")

    @contextmanager
    def page(self) -> Iterator[Session]:
        """One page's transaction: everything written inside is committed together with the proof that the lease still
        holds and the integration is not removed, or not at all. Raises LeaseLost or SwitchedOff. It extends the lease.

        A page of an integration that is only disabled is kept: its request was sent before the click."""
        with writing() as session:
            yield session
            # Not locked: code that changes an integration locks it first, and a page would have locked other rows before it.
            if session.execute(REMOVED_AT, {"integration_id": self.integration_id}).scalar_one() is not None:
                raise SwitchedOff("The integration was removed.")
            self.save(session)

    def extend(self) -> None:
        """Hold the lease for another term, and save how far the run has come. Raises LeaseLost."""
        with writing() as session:
            self.save(session)

    def save(self, session: Session) -> None:
        """``extend`` as part of a transaction."""
        extended = session.execute(
            EXTEND,
            {
                "run_id": self.run_id, "token": self.token, **self.claim.lease(), "done": self.progress.done,
                "total": self.progress.total, "counts": dict(self.progress.counts), "steps": self.steps,
                "warnings": list(self.warnings), "requests": self.requests_before + self.requests,
            },
        )  # fmt: skip
        if changed_rows(extended) != 1:
            raise LeaseLost("Another worker has taken this run over.")

    def kept_alive(self) -> Heartbeat:
        """A context manager that extends the lease while the shop is slow. A lost lease is noticed at the next gate or page."""
        return self.claim.kept_alive()
