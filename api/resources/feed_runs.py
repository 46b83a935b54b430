"""``feed-runs``: fetches of feeds, what their files change, and the approval of those that hit a safety limit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Literal

from msgspec import Struct
from sqlalchemy import select

import jobs.feeds
from api.operations import Call, operation
from api.paging import ListQuery, Page, list_page
from api.reply import Reply
from api.shapes import Body, Id, row_id
from errors import QueueAway
from extensions import db
from jobs.schedule import start_due_runs
from models import FeedRun as Row
from models import FeedRunRow as Line
from services.feeds import applying, runs


class HitLimit(Struct):
    code: str
    sentence: str


class FeedRun(Struct):
    """``state`` is queued, running, waiting (for an approval: nothing has changed), approved, done, unchanged, failed, dropped or undone.
    ``rows`` to ``missing`` count rows of the file, offers that change, those of them that go to 0, codes without a stock item, rows that cannot be
    read, and codes that the file no longer has. ``items`` counts the stock items whose on hand changed. ``problems`` are the safety limits that it hit."""

    id: str
    feed_id: str
    state: str
    trigger: str
    actor: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    decided_by: str
    file_name: str
    file_size: int | None
    seen_at: datetime | None
    rows: int
    changed: int
    zeroed: int
    unknown: int
    unreadable: int
    missing: int
    items: int
    problems: list[HitLimit]
    error_code: str
    error: str
    advice: str


class FeedRunRow(Struct):
    """A row of the file that differs from the stored offers, has a code without a stock item, or cannot be read (``problem``); or a code that the file
    no longer has. ``before`` is the quantity that was offered before."""

    id: str
    kind: str
    line: int
    code: str
    stock_item_id: str | None
    before: int | None
    quantity: int | None
    problem: str


class FeedRunsQuery(ListQuery, kw_only=True):
    feed: Id | None = None
    state: Literal["queued", "running", "waiting", "approved", "done", "unchanged", "failed", "dropped", "undone"] | None = None


class FeedRunRowsQuery(ListQuery, kw_only=True):
    kind: Literal["changed", "new", "back", "same", "missing", "unreadable"] | None = None


class FeedRunApproval(Body):
    """With ``make_fed``, all own stock items that the feed offers become fed: their on hand follows from the offers from then on."""

    make_fed: bool = False


@operation(
    "GET",
    "/feed-runs",
    "List fetches of feeds, newest first",
    scope="feeds:read",
    query=FeedRunsQuery,
    answers={200: Page[FeedRun]},
)
def list_feed_runs(call: Call) -> Reply:
    query = select(Row.id)
    if call.query.feed is not None:
        query = query.where(Row.feed_id == row_id(call.query.feed))
    if call.query.state is not None:
        query = query.where(Row.state == call.query.state)
    return list_page(call, query, [Row.id], _load, newest=True)


@operation("GET", "/feed-runs/<int:feed_run_id>", "Get a fetch of a feed", scope="feeds:read", answers={200: FeedRun})
def get_feed_run(call: Call, feed_run_id: int) -> FeedRun:
    return one_run(feed_run_id)


@operation(
    "GET", "/feed-runs/<int:feed_run_id>/rows", "List what the file of a fetch changes", scope="feeds:read", query=FeedRunRowsQuery,
    answers={200: Page[FeedRunRow]},
)  # fmt: skip
def list_feed_run_rows(call: Call, feed_run_id: int) -> Reply:
    one_run(feed_run_id)
    query = select(Line.id).where(Line.run_id == feed_run_id)
    if call.query.kind is not None:
        query = query.where(Line.kind == call.query.kind)
    return list_page(call, query, [Line.id], _lines, newest=False)


@operation(
    "POST", "/feed-runs/<int:feed_run_id>/approve", "Approve a fetch that waits: a worker applies it", scope="approvals:write", role="manager",
    body=FeedRunApproval, answers={202: FeedRun},
)  # fmt: skip
def approve_feed_run(call: Call, feed_run_id: int) -> Reply:
    runs.approve(feed_run_id, call.actor, make_fed=call.body.make_fed)
    return Reply(one_run(feed_run_id), 202, {"Location": f"/api/v1/feed-runs/{feed_run_id}"}, after=lambda: enqueue(feed_run_id))


@operation(
    "POST", "/feed-runs/<int:feed_run_id>/drop", "Drop a fetch that waits: nothing changes", scope="approvals:write", role="manager",
    answers={200: FeedRun},
)  # fmt: skip
def drop_feed_run(call: Call, feed_run_id: int) -> FeedRun:
    runs.drop(feed_run_id, call.actor)
    return one_run(feed_run_id)


@operation(
    "POST", "/feed-runs/<int:feed_run_id>/undo", "Undo the newest fetch of a feed that was applied; its next one waits for an approval",
    scope="approvals:write", role="manager", answers={200: FeedRun},
)  # fmt: skip
def undo_feed_run(call: Call, feed_run_id: int) -> Reply:
    applying.undo(feed_run_id, call.actor)
    return Reply(one_run(feed_run_id), after=_push)


def enqueue(run_id: int) -> None:
    """Its row says that it waits: where the queue is away, a tick enqueues it later."""
    with suppress(QueueAway):
        jobs.feeds.enqueue_run(run_id)


def _push() -> None:
    start_due_runs()


def one_run(run_id: int) -> FeedRun:
    """Raises NotFound."""
    return _shown(runs.get_run(run_id))


def _load(ids: Sequence[int]) -> dict[int, FeedRun]:
    return {row.id: _shown(row) for row in db.session.scalars(select(Row).where(Row.id.in_(ids)))}


def _shown(row: Row) -> FeedRun:
    return FeedRun(
        str(row.id), str(row.feed_id), row.state, row.trigger, row.actor, row.created_at, row.started_at, row.finished_at, row.decided_by,
        row.file_name, row.file_size, row.seen_at, row.rows, row.changed, row.zeroed, row.unknown, row.unreadable, row.missing, row.items,
        [HitLimit(each.get("code", ""), each.get("sentence", "")) for each in row.problems], row.error_code, row.error, row.advice,
    )  # fmt: skip


def _lines(ids: Sequence[int]) -> dict[int, FeedRunRow]:
    return {
        row.id: FeedRunRow(
            str(row.id), row.kind, row.line, row.code, None if row.stock_item_id is None else str(row.stock_item_id), row.before,
            row.quantity, row.problem,
        )
        for row in db.session.scalars(select(Line).where(Line.id.in_(ids)))
    }  # fmt: skip
