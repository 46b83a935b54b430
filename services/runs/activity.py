"""What the activity page shows: sync runs, newest first, a page at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, literal, or_, select
from sqlalchemy.orm import aliased

from errors import NotFound
from extensions import db
from models import FlowKind, Integration, SyncRun
from models.flow import SYNCS
from models.sync_run import TROUBLES
from models.types import Moment, hour_of, seconds_between, utcnow
from services.common.batches import in_batches, stamp
from services.common.paging import MOST_COUNTED, Page, by_id, page_of, place_unread

PAGE_SIZE = 50
MOST_SORTED = 2_001
"""Runs that are sorted otherwise than by their number: the newest that fit. One more than lists count, so that a list says that there are more."""
KINDS = (*SYNCS, FlowKind.UNDO)
OUTCOMES = ("", "failed", "lost", "partial", "waiting", "stopped", "done")
"""Runs under way first, then those with trouble."""
TAKEN = seconds_between(
    SyncRun.started_at, func.coalesce(SyncRun.finished_at, bindparam("now", callable_=utcnow, type_=Moment()))
)
SORTS: dict[str, Any] = {
    "oldest": (SyncRun.id,), "started": (func.coalesce(SyncRun.started_at, SyncRun.created_at).desc(), SyncRun.id.desc()),
    "longest": (SyncRun.started_at.is_(None), func.coalesce(TAKEN, 0.0).desc(), SyncRun.id.desc()),
    "integration": (Integration.name_key, Integration.id, SyncRun.id.desc()),
    "kind": (case({name: place for place, name in enumerate(KINDS)}, value=SyncRun.kind, else_=len(KINDS)), SyncRun.id.desc()),
    "outcome": (
        case({name: place for place, name in enumerate(OUTCOMES)}, value=SyncRun.outcome, else_=len(OUTCOMES)), SyncRun.id.desc(),
    ),
}  # fmt: skip
"""Other orders than the newest first; a run that has not begun comes last."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A run that is shown on the line of another."""

    id: int
    kind: str
    started_at: datetime


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
    steps: dict[str, dict[str, Any]]
    quiet: bool
    waits: bool | None
    """Whether its changes still need approval: they may have been approved, or replaced by those of a later run."""
    others: tuple[Folded, ...] = ()
    """The other runs of its shop and hour that found nothing to do, newest first: they are on its line."""

    @property
    def live(self) -> bool:
        return self.state != "finished"

    @property
    def result(self) -> str:
        """Its outcome as it stands now: ``waiting`` becomes ``approved`` or ``replaced``."""
        if self.outcome != "waiting" or self.waits:
            return self.outcome
        return "approved" if self.counts.get("approved") else "replaced"

    @property
    def seconds(self) -> float | None:
        """How long it took, or has taken so far; None for a run that has not begun."""
        if self.started_at is None:
            return None
        return ((self.finished_at or utcnow()) - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class RunPage:
    """``older`` and ``newer`` are the run ids from which the neighbouring pages go on, None if there is none. ``sorted_page`` is a
    page of runs that are sorted otherwise than newest first."""

    runs: list[RunRow]
    older: int | None = None
    newer: int | None = None
    sorted_page: Page[RunRow] | None = None

    @property
    def live(self) -> bool:
        return any(run.live for run in self.runs)


COLUMNS = (
    SyncRun.id, SyncRun.integration_id, Integration.name, Integration.removed_at.is_not(None), SyncRun.kind, SyncRun.state,
    SyncRun.outcome, SyncRun.actor, SyncRun.created_at, SyncRun.not_before, SyncRun.started_at, SyncRun.finished_at,
    SyncRun.stop_requested, SyncRun.done, SyncRun.total, SyncRun.counts, SyncRun.requests, SyncRun.error, SyncRun.advice,
    SyncRun.warnings, SyncRun.steps, SyncRun.quiet, Integration.waiting_run_id == SyncRun.id,
)  # fmt: skip


def list_page(
    *, integration: str = "", kind: str = "", outcome: str = "", before: int | None = None, after: int | None = None,
    sort: str = "", place: str = "",
) -> RunPage:  # fmt: skip
    """Fifty runs, newest first unless ``sort`` is one of ``SORTS``. ``integration`` is a part of a name, ``outcome`` an outcome or
    ``live``; ``before`` and ``after`` are run ids, so that a page stays as it is while new runs come in. What is sorted
    otherwise has a ``place`` instead, and is sorted among the newest 2,000. Newest first, the runs of a shop that found nothing to do within
    an hour are one line, that of the newest. The parameters are those of the page's address."""
    query = _matching(integration, kind, outcome)
    if sort in SORTS:
        newest = query.with_only_columns(SyncRun.id).order_by(SyncRun.id.desc()).limit(MOST_SORTED).subquery()
        sortable = select(SyncRun.id).join(Integration).where(SyncRun.id.in_(select(newest.c.id)))
        ids = query.with_only_columns(SyncRun.id) if sort == "oldest" else sortable
        page = page_of(ids, SORTS[sort], place, PAGE_SIZE, by_id(_load))
        return RunPage(page.rows, sorted_page=page)
    if place:
        place_unread.send(place)
    query = query.where(_leads(kind))
    if after is not None:
        found = db.session.execute(query.where(SyncRun.id > after).order_by(SyncRun.id).limit(PAGE_SIZE + 1)).all()
        runs = [RunRow(*row) for row in reversed(found[:PAGE_SIZE])]
        if not runs:
            return list_page(integration=integration, kind=kind, outcome=outcome)
        return RunPage(_with_others(runs, kind), runs[-1].id, runs[0].id if len(found) > PAGE_SIZE else None)
    if before is not None:
        query = query.where(SyncRun.id < before)
    found = db.session.execute(query.order_by(SyncRun.id.desc()).limit(PAGE_SIZE + 1)).all()
    runs = [RunRow(*row) for row in found[:PAGE_SIZE]]
    older = runs[-1].id if len(found) > PAGE_SIZE else None
    return RunPage(_with_others(runs, kind), older, runs[0].id if before is not None and runs else None)


def _leads(kind: str) -> ColumnElement[bool]:
    """Whether a run leads a line: no later one of its shop and hour found nothing to do, too. One look into an index for each."""
    later = aliased(SyncRun)
    same = [later.kind == kind] if kind else []
    hour = (
        select(hour_of(later.created_at)).where(later.quiet, later.integration_id == SyncRun.integration_id, later.id > SyncRun.id, *same)
        .order_by(later.id).limit(1).correlate(SyncRun).scalar_subquery()
    )  # fmt: skip
    return or_(~SyncRun.quiet, hour.is_(None), hour != hour_of(SyncRun.created_at))


def _with_others(runs: Sequence[RunRow], kind: str) -> list[RunRow]:
    """The runs of a page, each with those that are folded into its line."""
    hours = {(run.integration_id, _hour(run.created_at)): run for run in runs if run.quiet}
    if not hours:
        return list(runs)
    within = [
        and_(SyncRun.integration_id == integration_id, SyncRun.created_at >= hour, SyncRun.created_at < hour + timedelta(hours=1))
        for integration_id, hour in hours
    ]
    query = select(SyncRun.id, SyncRun.kind, SyncRun.integration_id, SyncRun.created_at, SyncRun.started_at).where(
        SyncRun.quiet, or_(*within)
    )
    others: dict[int, list[Folded]] = defaultdict(list)
    for run_id, of_kind, integration_id, created_at, started_at in db.session.execute(query.order_by(SyncRun.id.desc())):
        head = hours[integration_id, _hour(created_at)]
        if run_id != head.id and (not kind or of_kind == kind):
            others[head.id].append(Folded(run_id, of_kind, started_at or created_at))
    return [replace(run, others=tuple(others[run.id])) if run.id in others else run for run in runs]


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def iter_rows(*, integration: str = "", kind: str = "", outcome: str = "", sort: str = "") -> Iterator[list[RunRow]]:
    """All of them, in the order of ``list_page``, a batch at a time, for a file."""
    ids = _matching(integration, kind, outcome).with_only_columns(SyncRun.id)
    return in_batches(ids.order_by(*SORTS.get(sort, (SyncRun.id.desc(),))), _load)


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
    newest = query.order_by(SyncRun.created_at.desc(), SyncRun.id.desc()).limit(number)
    return [RunRow(*row) for row in db.session.execute(newest)]


def _matching(integration: str, kind: str, outcome: str) -> Select[*tuple[Any, ...]]:
    """Every run has an integration. After an inner join SQLite would read the runs of each integration, and sort all of them."""
    query = select(*COLUMNS).outerjoin(Integration)
    if integration:
        query = query.where(Integration.name_key.contains(integration.casefold(), autoescape=True))
    if kind:
        query = query.where(SyncRun.kind == kind)
    return query.where(_has(outcome)) if outcome else query


def counts() -> dict[str, int]:
    """How many runs are under way (``live``) and how many ended with each outcome but ``done``, each counted up to one more than
    ``MOST_COUNTED``."""
    columns = []
    for outcome in ("live", *TROUBLES):
        some = select(literal(1)).select_from(SyncRun).where(_has(outcome)).limit(MOST_COUNTED + 1)
        columns.append(select(func.count()).select_from(some.subquery()).scalar_subquery().label(outcome))
    return dict(db.session.execute(select(*columns)).one()._mapping)


def _has(outcome: str) -> ColumnElement[bool]:
    """Whether a run is ``live`` or ended with an outcome; ``waiting`` are those that still wait. Written out where an index of few runs serves:
    SQLite takes it only so."""
    if outcome == "live":
        return or_(SyncRun.live)
    if outcome == "waiting":
        now = aliased(Integration)
        return and_(
            SyncRun.troubled,
            SyncRun.outcome == outcome,
            SyncRun.id.in_(select(now.waiting_run_id).where(now.waiting_run_id.is_not(None))),
        )
    if outcome in TROUBLES:
        return and_(SyncRun.troubled, SyncRun.outcome == outcome)
    return SyncRun.outcome == outcome


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
