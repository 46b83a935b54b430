"""Feeds that have brought nothing new for longer than they should: found by the tick, and what people chose for them is done by a job. The
incident about them is in services/monitoring/stale_feeds.py."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update

from extensions import db, reading, writing
from models import Feed, Offer
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.feeds import fed_stock, suppliers
from services.stock import items as stock_items
from services.stock import ledger
from services.stock.ledger import Reason


def is_stale(feed: Feed, now: datetime) -> bool:
    """Whether the newest of its offers are older than they should be."""
    return feed.read_at is not None and feed.read_at + timedelta(seconds=feed.stale_after_seconds) < now


def due_feeds() -> list[int]:
    """Feeds that have become stale, and nothing was done about it yet."""
    now = utcnow()
    with reading() as session:
        feeds = session.scalars(
            select(Feed).where(Feed.removed_at.is_(None), Feed.stale_since.is_(None), Feed.read_at.is_not(None)).order_by(Feed.id)
        ).all()
        return [feed.id for feed in feeds if is_stale(feed, now)]


@retry_on_deadlock
def work(feed_id: int) -> None:
    """Mark a feed as stale, and keep its offers, hold them back or set them to 0, as people chose."""
    with reading() as session:
        query = select(Offer.stock_item_id).where(Offer.feed_id == feed_id, Offer.stock_item_id.is_not(None)).distinct()
        items = [each for each in session.scalars(query) if each is not None]
    with writing() as session:
        ledger.lock_items(items)
        feed = session.get(Feed, feed_id, with_for_update=True, populate_existing=True)
        now = utcnow()
        if feed is None or feed.removed_at is not None or feed.stale_since is not None or not is_stale(feed, now):
            return
        feed.stale_since = now
        if feed.when_stale == "keep":
            return
        if feed.when_stale == "zero":
            # What waits was compared with the offers of before.
            suppliers.drop_live(feed_id, "schedule")
            session.execute(
                update(Offer).where(Offer.feed_id == feed_id, Offer.quantity > 0).values(quantity=0, changed_at=now)
                .execution_options(synchronize_session=False)
            )  # fmt: skip
            for name, value in suppliers.UNREAD.items():
                setattr(feed, name, value)
        session.flush()
        reason = Reason("schedule", stock_items.FEED, note=f"{feed.supplier.name}: {feed.name}, stale")
        fed_stock.recompute(items, reason)
        db.session.flush()
