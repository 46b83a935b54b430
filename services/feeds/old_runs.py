"""What is deleted of feeds, and when: runs that nothing refers to, the rows of runs that can no longer be undone, and the offers of removed feeds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import exists, func, select

from extensions import reading
from models import Feed, FeedRun, FeedRunRow, Offer, StockEntry
from models.feed import LIVE_STATES
from services.common.batches import delete_in_batches


def forget_before(moment: datetime, stopping: Callable[[], bool]) -> int:
    """Delete what ended before ``moment``; returns how many runs. The last run that was applied stays with its rows, so that it can be undone,
    and so does the run that the ledger names, without them."""
    old = (FeedRun.finished_at < moment, FeedRun.state.not_in(LIVE_STATES))
    with reading() as session:
        newest = select(func.max(FeedRun.id)).where(FeedRun.state == "done").group_by(FeedRun.feed_id)
        lasting = [*session.scalars(newest), *session.scalars(select(func.max(FeedRun.id)).group_by(FeedRun.feed_id))]
    over = select(FeedRun.id).where(*old, FeedRun.id.not_in(lasting))
    delete_in_batches(FeedRunRow, FeedRunRow.run_id.in_(over), stopping=stopping)
    named = exists().where(StockEntry.feed_run_id == FeedRun.id)
    rows = exists().where(FeedRunRow.run_id == FeedRun.id)
    deleted = delete_in_batches(FeedRun, *old, FeedRun.id.not_in(lasting), ~named, ~rows, stopping=stopping)
    gone = select(Feed.id).where(Feed.removed_at < moment)
    delete_in_batches(Offer, Offer.feed_id.in_(gone), stopping=stopping)
    return deleted
