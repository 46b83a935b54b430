"""What the activity page shows: sync runs, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from errors import NotFound
from extensions import db
from models import Integration, SyncRun
from models.types import utcnow
from services.batches import in_batches, stamp

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class RunRow:
    """A sync run with its integration's name; as models.SyncRun otherwise."""

    id: int
    integration_id: int
    integration_name: str
    removed: bool
    kind: str
    state: str
    outcome: str
    actor: str
    created_at: datetime
    not_before: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    stop_requested: bool
    done: int
    total: int | None
    counts: dict[str, Any]
    requests: int
    error: str
    advice: str
    warnings: list[str]

    @property
    def live(self) -> bool:
        return self.state != "finished"

    @property
    def seconds(self) -> float | None:
        """How long it took, or has taken so far; None for a run that has not begun."""
        if self.started_at is None:
            return None
        return ((self.finished_at or utcnow()) - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class RunPage:
    """``older`` and ``newer`` are the run ids from which the neighbouring pages go on, None where there is none."""

    runs: list[RunRow]
    older: int | None
    newer: int | None

    @property
    def live(self) -> bool:
        return any(run.live for run in self.runs)


COLUMNS = (
    SyncRun.id, SyncRun.integration_id, Integration.name, Integration.removed_at.is_not(None), SyncRun.kind, SyncRun.state,
    SyncRun.outcome, SyncRun.actor, SyncRun.created_at, SyncRun.not_before, SyncRun.started_at, SyncRun.finished_at,
    SyncRun.stop_requested, SyncRun.done, SyncRun.total, SyncRun.counts, SyncRun.requests, SyncRun.error, SyncRun.advice,
    SyncRun.warnings,
)  # fmt: skip


def list_page(
    *, integration: str = "", kind: str = "", outcome: str = "", before: int | None = None, after: int | None = None
) -> RunPage:
    """Fifty runs. ``integration`` is a part of a name, ``outcome`` an outcome or ``live``; ``before`` and ``after`` are run
    ids, so that a page stays as it is while new runs come in."""
    query = _matching(integration, kind, outcome)
    if after is not None:
        found = db.session.execute(query.where(SyncRun.id > after).order_by(SyncRun.id).limit(PAGE_SIZE + 1)).all()
        runs = [RunRow(*row) for row in reversed(found[:PAGE_SIZE])]
        if not runs:
            return list_page(integration=integration, kind=kind, outcome=outcome)
        return RunPage(runs, runs[-1].id, runs[0].id if len(found) > PAGE_SIZE else None)
    if before is not None:
        query = query.where(SyncRun.id < before)
    found = db.session.execute(query.order_by(SyncRun.id.desc()).limit(PAGE_SIZE + 1)).all()
    runs = [RunRow(*row) for row in found[:PAGE_SIZE]]
    older = runs[-1].id if len(found) > PAGE_SIZE else None
    return RunPage(runs, older, runs[0].id if before is not None and runs else None)


def iter_rows(*, integration: str = "", kind: str = "", outcome: str = "") -> Iterator[list[RunRow]]:
    """All of them, newest first, a batch at a time, for a file."""
    ids = _matching(integration, kind, outcome).with_only_columns(SyncRun.id).order_by(SyncRun.id.desc())
    return in_batches(ids, _load)


def _load(ids: Sequence[int]) -> dict[int, RunRow]:
    query = select(*COLUMNS).join(Integration).where(SyncRun.id.in_(ids))
    return {row[0]: RunRow(*row) for row in db.session.execute(query)}


def get_row(run_id: int) -> RunRow:
    """One run. Raises NotFound."""
    row = db.session.execute(select(*COLUMNS).join(Integration).where(SyncRun.id == run_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no sync run {run_id}.")
    return RunRow(*row)


def last_runs(integration_id: int, number: int) -> list[RunRow]:
    """An integration's newest runs, newest first."""
    query = select(*COLUMNS).join(Integration).where(SyncRun.integration_id == integration_id)
    return [RunRow(*row) for row in db.session.execute(query.order_by(SyncRun.id.desc()).limit(number))]


def _matching(integration: str, kind: str, outcome: str) -> Select[Any]:
    query = select(*COLUMNS).join(Integration)
    if integration:
        query = query.where(Integration.name_key.contains(integration.casefold(), autoescape=True))
    if kind:
        query = query.where(SyncRun.kind == kind)
    if outcome == "live":
        query = query.where(SyncRun.state != "finished")
    elif outcome:
        query = query.where(SyncRun.outcome == outcome)
    return query


HEADER = (
    "run",
    "integration",
    "kind",
    "state",
    "outcome",
    "actor",
    "started_at",
    "seconds",
    "requests",
    "counts",
    "error",
    "advice",
)


def row_for_file(row: RunRow) -> tuple[Any, ...]:
    counts = ", ".join(f"{name}: {number}" for name, number in row.counts.items() if number)
    seconds = "" if row.seconds is None else round(row.seconds, 1)
    return (
        row.id, row.integration_name, row.kind, row.state, row.outcome, row.actor, stamp(row.started_at), seconds, row.requests, counts,
        row.error, row.advice,
    )  # fmt: skip
