"""Polls: between two runs of an orders flow, one cheap question says whether the shop has changed anything.

A batch of due flows is claimed by one statement and asked over a small pool of threads. Where the orders that changed last are the
same as before, one statement moves the flows on: no run, no process. Any difference makes the flow due for an ordinary run, and so
does any error except a rejected key: the run knows what to do about it. Once an hour (``READ_EVERY``) a poll reads a full page instead and
compares it with what is stored, because a change that does not move an order's time of change is seen by no other poll.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, func, select, update

from config import current_config
from errors import ChannelError, ShopTimeout, SwitchedOff
from extensions import db, reading, writing
from models import Flow, FlowKind, Integration, Shop, SyncRun, Tally, UnreadableOrder
from models.types import utcnow
from services.orders import page_comparison
from services.runs.outcome import Outcome
from services.shops import flows
from services.sync import outcomes
from services.sync.poll_questions import Answer, Claimed, ask, prepare
from services.sync.schedule import may_start

BATCH = 200
THREADS = 16
SLOW = 1.0
"""Seconds. Shops that took longer for a poll are polled in jobs of their own, so that they delay no other."""
SETTLE_EVERY = 1.0
"""Seconds after which the answers are settled that have come, even if others are still awaited."""
READ_EVERY = timedelta(hours=1)
RUN_EVERY = timedelta(hours=28)
"""A run comes if the daily reconciliation, which reads orders first, has not brought one."""
LEAST_POLLS = 2
"""A flow is polled only if at least so many of its intervals fit between two hourly readings."""
PATIENCE = timedelta(seconds=30)
"""Once a request must have ended and this time has passed, another worker takes over flows whose worker ended in the middle of a batch."""


def plan(run: SyncRun) -> None:
    """Poll an orders flow until its next run, if this run has read the orders completely and nothing has made the flow due
    again. Call it when a run has ended. The readings of all shops are spread over the hour."""
    outcome = run.outcome if run.kind == FlowKind.ORDERS else run.steps.get(FlowKind.ORDERS, {}).get("outcome")
    if outcome != Outcome.DONE:
        return
    integration_id, now = run.integration_id, utcnow()
    most = READ_EVERY.total_seconds() / LEAST_POLLS
    with writing() as session:
        session.execute(
            update(Flow)
            .where(
                flows.of_integration(integration_id), Flow.kind == FlowKind.ORDERS, Flow.failing_since.is_(None),
                Flow.poll_due_at.is_(None), Flow.due_at > now, Flow.interval_seconds <= most,
            )
            .values(
                poll_due_at=Flow.due_at, due_at=now + _spread(RUN_EVERY, integration_id),
                page_due_at=now + _spread(READ_EVERY, integration_id), page_digest=None,
            )
            .execution_options(synchronize_session=False)
        )  # fmt: skip


def _spread(every: timedelta, integration_id: int) -> timedelta:
    """Up to a tenth shorter or longer, and always the same for one integration."""
    return every * (0.9 + integration_id * 7 % 100 / 500)


def count_due(slow: bool, most: int) -> int:
    """How many flows wait to be polled, counted up to ``most``. Asked by every tick."""
    due = select(Flow.id).join(Integration).where(*_due(slow)).limit(most).subquery()
    with reading() as session:
        return session.scalar(select(func.count()).select_from(due)) or 0


def poll(slow: bool, more: Callable[[], bool]) -> Iterator[list[int]]:
    """Poll what is due, batch by batch while ``more()``. Answers are settled as they come, so a shop that does not answer delays no
    other. Yields the integrations whose orders are due for a run now, each time answers were settled."""
    with ThreadPoolExecutor(THREADS, "poll") as pool:
        asked: set[Future[Answer]] = set()
        while True:
            if len(asked) < THREADS // 2 and more():
                asked |= {pool.submit(ask, each) for each in _claim(slow)}
            if not asked:
                return
            done, asked = wait(asked, SETTLE_EVERY)
            if done:
                yield _settle([each.result() for each in done])


def _due(slow: bool) -> tuple[ColumnElement[bool], ...]:
    return Flow.kind == FlowKind.ORDERS, Flow.slow.is_(slow), Flow.poll_due_at <= utcnow(), may_start()


def claimed_for() -> timedelta:
    """How long a worker polls a flow: longer than a request may take."""
    return timedelta(seconds=current_config().total_timeout) + PATIENCE


def _claim(slow: bool) -> list[Claimed]:
    until = utcnow() + claimed_for()
    due = (
        select(Flow.id)
        .join(Integration)
        .where(*_due(slow))
        .order_by(Flow.poll_due_at)
        .limit(BATCH)
        .with_for_update(of=Flow, skip_locked=True)
    )
    claim = update(Flow).where(Flow.id.in_(due)).values(poll_due_at=until).returning(Flow.id)
    with writing() as session:
        ids = session.scalars(claim.execution_options(synchronize_session=False)).all()
    if not ids:
        return []
    unseen = _unseen(ids)
    with reading() as session:
        rows = session.execute(select(Flow, Integration).join(Integration).where(Flow.id.in_(ids))).all()
        memories = _memories({integration.shop_id for _, integration in rows})
        return [
            prepare(flow, integration, until, memories.get(integration.shop_id, b""), integration.shop_id in unseen)
            for flow, integration in rows
        ]


def _unseen(flow_ids: Sequence[int]) -> set[int]:
    """The shops among those whose full page is due that have open orders which no reading has shown for a while."""
    due = Flow.id.in_(flow_ids), Flow.page_due_at <= utcnow()
    with reading() as session:
        shop_ids = session.scalars(select(Integration.shop_id).join(Flow).where(*due)).all()
    return page_comparison.unseen(shop_ids) if shop_ids else set()


def _memories(shop_ids: Iterable[int]) -> dict[int, bytes]:
    """What readings remember of the shops that cannot print all of their orders."""
    unreadable = select(UnreadableOrder.shop_id).where(UnreadableOrder.shop_id.in_(shop_ids))
    query = select(Shop.id, Shop.changes_seen).where(Shop.id.in_(unreadable), Shop.changes_seen.is_not(None))
    return {shop_id: memory or b"" for shop_id, memory in db.session.execute(query)}


def _settle(answers: Sequence[Answer]) -> list[int]:
    """Move the flows on whose shops have changed nothing; the others become due for a run. Returns the integrations of these."""
    unchanged = [each for each in answers if each.unchanged or _is_as_stored(each)]
    read = {each.claimed.shop_id for each in unchanged if each.page is not None}
    left = page_comparison.left_to_ask(read) if read else set()
    quiet = [each for each in unchanged if each.page is None or each.claimed.shop_id not in left]
    _move_on(quiet)
    settled = {each.claimed.flow_id for each in quiet}
    return _start([each for each in answers if each.claimed.flow_id not in settled])


def _is_as_stored(answer: Answer) -> bool:
    """Whether a full page says what is stored."""
    claimed, page = answer.claimed, answer.page
    if page is None or answer.digest is None:
        return False
    if page_comparison.prepare_reading(claimed.shop_id, claimed.since, page):
        return False
    if claimed.page is not None and claimed.page.unseen:
        page_comparison.note_seen(claimed.shop_id, page)
    return True


def _move_on(answers: Sequence[Answer]) -> None:
    """Nothing has changed in these shops. Each is asked again an interval later. A flow that something else has planned since it was
    claimed stays as it is."""
    now = utcnow()
    groups: dict[tuple[int, bool, datetime], list[int]] = {}
    for each in answers:
        groups.setdefault((each.claimed.interval, _is_slow(each), each.claimed.until), []).append(each.claimed.flow_id)
    if not groups:
        return
    with writing() as session:
        _note_pages([each for each in answers if each.page is not None], now)
        for (interval, slow, until), flow_ids in groups.items():
            session.execute(
                update(Flow)
                .where(Flow.id.in_(flow_ids), Flow.poll_due_at == until)
                .values(poll_due_at=now + timedelta(seconds=interval), slow=slow, succeeded_at=now, **_counted(now))
                .execution_options(synchronize_session=False)
            )
        _count("same", len(answers))
        ids = [each.claimed.integration_id for each in answers]
        session.execute(
            update(Flow)
            .where(Flow.integration_id.in_(ids), Flow.kind == FlowKind.CONNECTION, Flow.failing_since.is_(None))
            .values(succeeded_at=now)
            .execution_options(synchronize_session=False)
        )
        back = select(Flow.integration_id).where(
            Flow.integration_id.in_(ids), Flow.kind == FlowKind.CONNECTION, Flow.failing_since.is_not(None)
        )
        answering_again = session.scalars(back).all()
    for integration_id in answering_again:
        outcomes.record_success(integration_id, FlowKind.ORDERS, answered=True)


def _note_pages(answers: Sequence[Answer], now: datetime) -> None:
    """Keep what the pages were, and plan the next ones."""
    flow = Flow.__table__
    rows = [
        {"flow": each.claimed.flow_id, "until": each.claimed.until, "digest": each.page.digest,
         "due": now + _spread(READ_EVERY, each.claimed.integration_id)}
        for each in answers
        if each.page is not None
    ]  # fmt: skip
    if rows:
        statement = (
            update(flow)
            .where(flow.c.id == bindparam("flow"), flow.c.poll_due_at == bindparam("until"))
            .values(page_digest=bindparam("digest"), page_due_at=bindparam("due"))
        )
        db.session.connection().execute(statement, rows)


def _start(answers: Sequence[Answer]) -> list[int]:
    """Make the flows of shops that have changed, or did not answer well, due for a run. A rejected key stops here; a shop that did not
    answer in time is tried again by a run after a while."""
    if not answers:
        return []
    due, failed = list[Answer](), 0
    for each in answers:
        failed += each.error is not None and not isinstance(each.error, SwitchedOff)
        if isinstance(each.error, ChannelError) and (each.error.code == "wrong_key" or isinstance(each.error, ShopTimeout)):
            outcomes.record_failure(each.claimed.integration_id, FlowKind.ORDERS, each.error, each.claimed.encrypted)
        elif not isinstance(each.error, SwitchedOff):
            due.append(each)
    now = utcnow()
    with writing() as session:
        _stop_polling(answers)
        _count("failed", failed)
        _count("changed", sum(each.error is None for each in due))
        if due:
            session.connection().execute(_due_now(now), [_seen(each, now) for each in due])
    return [each.claimed.integration_id for each in due]


def _due_now(now: datetime) -> Any:
    flow = Flow.__table__
    return (
        update(flow)
        .where(flow.c.id == bindparam("flow"))
        .values(newest=bindparam("seen"), slow=bindparam("is_slow"), changed_at=bindparam("changed"), due_at=now, **_counted(now))
    )


def _seen(answer: Answer, now: datetime) -> dict[str, Any]:
    """What is kept of an answer that is followed by a run."""
    claimed, changed = answer.claimed, answer.error is None and not answer.unchanged
    return {
        "flow": claimed.flow_id, "seen": answer.digest if answer.page is None else claimed.newest,
        "is_slow": _is_slow(answer), "changed": now if changed else claimed.changed_at,
    }  # fmt: skip


def _is_slow(answer: Answer) -> bool:
    """A full page takes longer than a poll, so it says nothing."""
    return answer.claimed.slow if answer.claimed.page is not None else answer.seconds > SLOW


def _stop_polling(answers: Iterable[Answer]) -> None:
    ids = [each.claimed.flow_id for each in answers]
    db.session.execute(update(Flow).where(Flow.id.in_(ids)).values(poll_due_at=None).execution_options(synchronize_session=False))


def _count(found: str, number: int) -> None:
    """Add to the metrics. The rows are there since the migrations that brought polls."""
    if number:
        grow = update(Tally).where(Tally.name == "polls", Tally.labels == found).values(value=Tally.value + number)
        db.session.execute(grow.execution_options(synchronize_session=False))


def _counted(now: datetime) -> dict[str, Any]:
    return {
        "polled_at": now, "polled_on": now.date(), "polls": case((Flow.polled_on == now.date(), Flow.polls + 1), else_=1)
    }  # fmt: skip
