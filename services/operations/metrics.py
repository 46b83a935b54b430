"""Metrics for monitors, read from the database: what finished runs came to, and what is waiting now.

Runs are added up once, some time after they have ended, by the tick (``roll_up``): the sums stay when the runs are forgotten,
and reading them costs the same after a day and after a year. What is waiting now is read through indexes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, func, literal_column, not_, select, true, update

from extensions import db, reading, writing
from models import (
    Delivery,
    Feed,
    FeedRun,
    Flow,
    Incident,
    Integration,
    Listing,
    Order,
    Setting,
    SyncRun,
    Tally,
    WriteBack,
    notification,
    shipment,
)
from models.flow import SYNCS
from models.types import utcnow
from services.common.batches import batches
from services.sync.schedule import may_run

ROLLED_TO = "metrics_rolled_to"
LATE = timedelta(seconds=30)
"""How long after it has ended a run is counted: by then every transaction that ended one before it is over."""
BATCH = 2000
BATCHES = 5
"""Of one tick, so that a database with a long history is caught up with little by little."""
BUCKETS = (1, 5, 15, 60, 300, 900, 3600)
"""Seconds, the upper ends of the histogram of durations; what took longer is counted in its sum alone."""
MOST_SHOPS = 1000
"""Integrations that have a separate number, those added first. The others are one sum: a monitor keeps every label it has
ever seen."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a monitor may know. Sums since the beginning, by their labels; counts of what is waiting; ages in seconds."""

    runs: dict[tuple[str, str], float] = field(default_factory=dict)
    errors: dict[tuple[str, str], float] = field(default_factory=dict)
    rows: dict[tuple[str, str], float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    within: dict[tuple[str, int], float] = field(default_factory=dict)
    requests: dict[str, float] = field(default_factory=dict)
    live: dict[tuple[str, str], int] = field(default_factory=dict)
    oldest_due: dict[str, float] = field(default_factory=dict)
    polls: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)


def roll_up() -> int:
    """Add up the runs that have ended since last time; returns their number. Any number may do it at once: who is second
    finds that it has been done."""
    return sum(count for _ in range(BATCHES) if (count := _roll_up_once()))


def _roll_up_once() -> int:
    with reading():
        mark = db.session.get(Setting, ROLLED_TO, populate_existing=True)
        before = dict(mark.value) if mark is not None else None
        ended = _ended_since(before)
    if not ended:
        return 0
    sums = _sums(ended)
    with writing() as session:
        mark = session.get(Setting, ROLLED_TO, with_for_update=True, populate_existing=True)
        if (dict(mark.value) if mark is not None else None) != before:
            return 0
        if mark is None:
            mark = Setting(name=ROLLED_TO, changed_by="schedule")
            session.add(mark)
        mark.value = {"at": ended[-1].finished_at.isoformat(), "id": ended[-1].id}
        _add(sums)
    return len(ended)


def rolled_to() -> datetime | None:
    """Runs that ended before this have been counted."""
    mark = db.session.get(Setting, ROLLED_TO, populate_existing=True)
    return datetime.fromisoformat(mark.value["at"]) if mark is not None else None


def _ended_since(mark: dict[str, Any] | None) -> list[Any]:
    run = SyncRun
    query = select(
        run.id,
        run.integration_id,
        run.kind,
        run.outcome,
        run.error_code,
        run.counts,
        run.steps,
        run.requests,
        run.started_at,
        run.finished_at,
    ).where(run.finished_at < utcnow() - LATE)
    if mark is not None:
        at = datetime.fromisoformat(mark["at"])
        query = query.where(run.finished_at >= at, not_(and_(run.finished_at == at, run.id <= mark["id"])))
    return list(db.session.execute(query.order_by(run.finished_at, run.id).limit(BATCH)))


def _sums(ended: Iterable[Any]) -> Counter[Key]:
    sums: Counter[Key] = Counter()
    for run in ended:
        sums["runs", f"{run.kind}|{run.outcome}"] += 1
        if run.error_code:
            sums["errors", f"{run.kind}|{run.error_code}"] += 1
        steps = [(run.kind, run.counts or {}), *((kind, step["counts"]) for kind, step in run.steps.items())]
        for kind, counts in steps:
            for what, count in counts.items():
                sums["rows", f"{kind}|{what}"[:100]] += count
        if run.requests:
            # With leading zeros, so that the order of labels is that of numbers.
            sums["requests", f"{run.integration_id:010d}"] += run.requests
            sums["all_requests", ""] += run.requests
        if run.started_at is not None:
            seconds = max(0.0, (run.finished_at - run.started_at).total_seconds())
            sums["seconds", run.kind] += seconds
            bucket = next((str(most) for most in BUCKETS if seconds <= most), "more")
            sums["within", f"{run.kind}|{bucket}"] += 1
    return sums


def _add(sums: Counter[Key]) -> None:
    """Call it inside ``writing()``."""
    rows = Tally.__table__
    names = {name for name, _ in sums}
    labels = [labels for _, labels in sums]
    known: set[Key] = set()
    for wanted in batches(labels):
        query = select(rows.c.name, rows.c.labels).where(rows.c.name.in_(names), rows.c.labels.in_(wanted))
        known |= {(name, label) for name, label in db.session.execute(query)}
    fresh = [{"name": name, "labels": label, "value": by} for (name, label), by in sums.items() if (name, label) not in known]
    grown = [{"of": name, "which": label, "by": by} for (name, label), by in sorted(sums.items()) if (name, label) in known]
    connection = db.session.connection()
    if fresh:
        connection.execute(rows.insert(), fresh)
    if grown:
        grow = update(rows).where(rows.c.name == bindparam("of"), rows.c.labels == bindparam("which"))
        connection.execute(grow.values(value=rows.c.value + bindparam("by")), grown)


def read_metrics() -> Metrics:
    """Raises SQLAlchemyError if the database does not answer."""
    with reading():
        return _read_metrics()


def _read_metrics() -> Metrics:
    now = utcnow()
    requests = dict(_tallies("requests", MOST_SHOPS))
    others = sum(value for _, value in _tallies("all_requests")) - sum(requests.values())
    shown = {str(int(label)): value for label, value in requests.items()}
    if others > 0:
        shown["others"] = others
    return Metrics(
        runs=dict(_pairs("runs")),
        errors=dict(_pairs("errors")),
        rows=dict(_pairs("rows")),
        seconds=dict(_tallies("seconds")),
        within={(kind, int(most) if most != "more" else 0): value for (kind, most), value in _pairs("within")},
        requests=shown,
        live=_live(),
        polls=dict(_tallies("polls")),
        oldest_due={kind: (now - due).total_seconds() for kind, due in oldest_due().items()},
        waiting=_waiting(),
    )


def _tallies(name: str, most: int | None = None) -> Iterator[tuple[str, float]]:
    query = select(Tally.labels, Tally.value).where(Tally.name == name).order_by(Tally.labels).limit(most)
    yield from ((labels, value) for labels, value in db.session.execute(query))


def _pairs(name: str) -> Iterator[tuple[tuple[str, str], float]]:
    for labels, value in _tallies(name):
        one, _, other = labels.partition("|")
        yield (one, other), value


def _live() -> dict[tuple[str, str], int]:
    query = select(SyncRun.kind, SyncRun.state, func.count()).where(SyncRun.live).group_by(SyncRun.kind, SyncRun.state)
    return {(kind, state): count for kind, state, count in db.session.execute(query)}


def oldest_due() -> dict[str, datetime]:
    """By kind of run, since when the longest waiting integration has been due; a kind where none is due is not there."""
    now = utcnow()
    found: dict[str, datetime] = {}
    for kind in SYNCS:
        due = select(Flow.due_at).join(Integration).where(Flow.kind == kind, Flow.due_at <= now, may_run())
        first = db.session.scalar(due.order_by(Flow.due_at).limit(1))
        if first is not None:
            found[kind] = first
    return found


def _waiting() -> dict[str, int]:
    """What waits for a person, a shop or a mail server. Each has its own partial index; its condition is written out, not
    bound, because SQLite takes such an index only where it can read that the rows are in it."""
    counts = {
        "held_orders": select(func.count()).select_from(Order).where(Order.held),
        "failed_listings": select(func.count()).select_from(Listing).where(Listing.push_failed),
        "write_backs": select(func.count()).select_from(WriteBack).where(shipment.OPEN),
        "failed_write_backs": select(func.count()).select_from(WriteBack).where(WriteBack.state == literal_column("'failed'")),
        "incidents": select(func.count()).select_from(Incident).where(Incident.resolved_at.is_(None)),
        "feeds": select(func.count()).select_from(FeedRun).where(FeedRun.live, FeedRun.state == "waiting"),
        "failing_feeds": select(func.count()).select_from(Feed).where(Feed.failing_since.is_not(None), Feed.enabled == true()),
        "deliveries": select(func.count()).select_from(Delivery).where(notification.OPEN),
    }
    return {name: db.session.scalar(query) or 0 for name, query in counts.items()}
