"""Runs of feeds: started by the schedule or a person, worked on under a lease, decided on by a person where a safety limit was hit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete, exists, func, or_, select, true, update
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError

from channels.remote_files.failures import HostKeyUnknown, PlaceBusy, RemoteFileError
from errors import AppError, Conflict, InvalidInput, LeaseLost, NotFound, StopRequested, Unexpected
from extensions import db, reading, writing
from models import Feed, FeedRun, FeedRunRow, Supplier
from models.types import utcnow
from services.common import timetable
from services.common.backoff import wait_for
from services.common.claims import Claim, Claimable
from services.common.results import changed_rows
from services.feeds import applying, fetching, suppliers
from services.feeds.reading import ColumnsWrong
from services.security import audit
from services.security.audit import About, Kind, record_change

log = logging.getLogger(__name__)
STARTED = audit.kind("feed_run.started", "Feed fetched by hand")
APPROVED = audit.kind("feed_run.approved", "Feed run approved")
DROPPED = audit.kind("feed_run.dropped", "Feed run dropped")
RUNS = Claimable(FeedRun.token, FeedRun.lease_until, lambda: 120, FeedRun.lost_workers)

WORKED_ON = ("queued", "running", "approved")
"""The states in which a run waits for a worker, or has one."""
FIRST_WAIT, LONGEST_WAIT = 60.0, 3600.0
"""Seconds between two tries of a fetch that failed for a while only."""
AGAIN = "Cartlink tries again."


def start(feed_id: int, actor: str) -> int:
    """Fetch a feed now; returns the run's id. Raises NotFound, or Conflict where a run of it is going on or waits for a person."""
    with writing() as session:
        feed = suppliers.get_feed(feed_id)
        about = f"{feed.supplier.name}: {feed.name}"
        live = session.scalar(select(FeedRun.state).where(FeedRun.feed_id == feed_id, FeedRun.live))
        if live is not None:
            waits = live == "waiting"
            raise Conflict(
                "A run of this feed waits for approval." if waits else "This feed is being fetched already.",
                "Approve or drop it first." if waits else "Look at the run.",
            )
        run_id = _insert(feed_id, "person", actor)
        record_change(STARTED, About(run_id, about), actor=actor)
        return run_id


def start_due() -> list[int]:
    """Start the runs of feeds that are due; returns the ids of the runs."""
    now = utcnow()
    live = exists().where(FeedRun.feed_id == Feed.id, FeedRun.live)
    due = or_(Feed.due_at <= now, Feed.retry_at <= now)
    query = select(Feed.id).join(Supplier).where(
        Feed.enabled == true(), Feed.removed_at.is_(None), Supplier.removed_at.is_(None), due, ~live
    )  # fmt: skip
    with reading() as session:
        ids = list(session.scalars(query.order_by(Feed.due_at, Feed.id)))
    started = []
    for feed_id in ids:
        try:
            with writing() as session:
                feed = session.scalar(select(Feed).where(Feed.id == feed_id, due, ~live).with_for_update())
                if feed is None:
                    continue
                again = feed.due_at is None or feed.due_at > now
                if not _plan_next(feed, now):
                    continue
                started.append(_insert(feed_id, "retry" if again else "schedule", "schedule"))
        except IntegrityError:
            continue  # another process has just started it
    return started


def _plan_next(feed: Feed, now: datetime) -> bool:
    """Plan the next run of a feed. False where its times cannot be used, as after a change in the database by hand: it says so, and waits for a person."""
    feed.retry_at = None
    try:
        plan = suppliers.plan_of(feed)
    except InvalidInput as wrong:
        feed.due_at, feed.failing_since, feed.failures = None, feed.failing_since or now, feed.failures + 1
        feed.error_code, feed.error, feed.advice = "times", wrong.message, "Save the feed's times again."
        return False
    feed.due_at = None if plan is None else timetable.next_due(plan, now)
    return True


def due_runs() -> list[int]:
    """Runs that wait for a worker, or were left behind by one that died."""
    with reading() as session:
        return list(
            session.scalars(
                select(FeedRun.id).where(FeedRun.live, FeedRun.state.in_(WORKED_ON), RUNS.free()).order_by(FeedRun.id)
            )
        )


def get_run(run_id: int) -> FeedRun:
    """Raises NotFound."""
    found = db.session.get(FeedRun, run_id, populate_existing=True)
    if found is None:
        raise NotFound("There is no such run of a feed.")
    return found


def approve(run_id: int, actor: str, *, make_fed: bool = False) -> None:
    """Have a waiting run applied, by the next worker. With ``make_fed`` all own stock items that the feed offers become fed with it. Raises
    NotFound, or Conflict where it does not wait."""
    _decide(run_id, APPROVED, actor, state="approved", make_fed=make_fed)


def drop(run_id: int, actor: str) -> None:
    """Drop a waiting run: nothing changes, and the same file does not ask again. Raises NotFound, or Conflict where it does not wait."""
    _decide(run_id, DROPPED, actor, state="dropped", finished_at=utcnow())


def work(run_id: int, stopping: Callable[[], bool] = lambda: False) -> None:
    """Fetch, compare and apply, or apply what a person has approved. A run that another worker has claimed is left alone. Where ``stopping``
    says so, the next worker begins it again. Raises what is a mistake in Cartlink, after the run has ended, and what says that the database is
    away: the next worker begins the run again then."""
    claim = RUNS.claim(run_id, FeedRun.state.in_(WORKED_ON), RUNS.free(), started_at=func.coalesce(FeedRun.started_at, utcnow()))
    if claim is None:
        return
    try:
        claim.refuse_if_deadly()
        with claim.kept_alive():
            _work(claim, stopping)
    except LeaseLost:
        return
    except StopRequested:
        with writing():
            claim.end()
    except AppError as trouble:
        _fail(claim, trouble)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # Left as it is, the run would be begun again and again, and its feed never fetched.
        log.exception("the run %s of a feed ended in an unexpected error", run_id)
        _fail(claim, Unexpected())
        raise


def return_runs() -> None:
    """Return the runs of this process; see ``services.common.claims.Claimable.return_own``."""
    RUNS.return_own(FeedRun.state.in_(WORKED_ON))


def _work(claim: Claim, stopping: Callable[[], bool]) -> None:
    with reading():
        state = get_run(claim.row_id).state
    if state != "approved":
        with writing() as session:
            claim.hold(state="running")
            session.execute(delete(FeedRunRow).where(FeedRunRow.run_id == claim.row_id))
        if not fetching.fetch_and_compare(claim, stopping):
            return
    applying.apply(claim)


def _fail(claim: Claim, trouble: AppError) -> None:
    """End a run that could not be done: nothing has changed. What may work later is tried again soon, everything else when it is due."""
    now = utcnow()
    try:
        with writing() as session:
            claim.hold()
            run = session.get_one(FeedRun, claim.row_id, populate_existing=True)
            feed = session.get_one(Feed, run.feed_id, with_for_update=True, populate_existing=True)
            feed.failures += 1
            feed.failing_since = feed.failing_since or now
            advice = trouble.advice
            if isinstance(trouble, RemoteFileError) and trouble.retryable and feed.enabled and feed.removed_at is None:
                advice = f"{advice} {AGAIN}".strip()
                asked = trouble.retry_after if isinstance(trouble, PlaceBusy) else None
                feed.retry_at = now + wait_for(feed.failures, first=FIRST_WAIT, most=LONGEST_WAIT, asked=asked)
            if isinstance(trouble, HostKeyUnknown):
                feed.seen_host_key = str(trouble.key)
            if isinstance(trouble, ColumnsWrong):
                feed.headings, feed.sample = trouble.looked.headings, trouble.looked.sample
            said = {"error_code": trouble.code[:30], "error": trouble.message, "advice": advice}
            feed.error_code, feed.error, feed.advice = said["error_code"], said["error"], said["advice"]
            session.execute(delete(FeedRunRow).where(FeedRunRow.run_id == run.id))
            claim.end(state="failed", finished_at=now, **said)
    except LeaseLost:
        return


def _decide(run_id: int, what: Kind, actor: str, **values: object) -> None:
    with writing() as session:
        moved = session.execute(
            update(FeedRun).where(FeedRun.id == run_id, FeedRun.state == "waiting")
            .values(decided_at=utcnow(), decided_by=actor, **values).execution_options(synchronize_session=False)
        )  # fmt: skip
        run = get_run(run_id)
        if changed_rows(moved) != 1:
            raise Conflict("That run does not wait for this any more.", "Look at what has become of it.")
        facts = {"changed_offers": (None, run.changed), "make_fed": (False, bool(values.get("make_fed")))}
        about = About(run.id, f"{run.feed.supplier.name}: {run.feed.name}")
        record_change(what, about, facts if what is APPROVED else None, actor)


def _insert(feed_id: int, trigger: str, actor: str) -> int:
    run = FeedRun(feed_id=feed_id, trigger=trigger, actor=actor)
    db.session.add(run)
    db.session.flush()
    return run.id
