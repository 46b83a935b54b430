"""Old runs of feeds are deleted; what the ledger names, and the last run that can be undone, stay."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from extensions import reading, writing
from models import Feed, FeedRun, FeedRunRow, Offer
from models.types import utcnow
from services.feeds import applying, old_runs, removal
from tests.support.rows import make_item


def test_old_runs_go_and_the_last_one_can_still_be_undone(feed, on_hand):
    make_item("A", 1)
    feed.begin({"A": 5, "B": 1})
    first = feed.run_id
    feed.fetch()
    unchanged = feed.run_id
    feed.fetch({"A": 6, "B": 1})
    last = feed.run_id
    assert old_runs.forget_before(utcnow() - timedelta(days=1), lambda: False) == 0
    assert old_runs.forget_before(utcnow() + timedelta(seconds=1), lambda: False) == 1
    with reading() as session:
        assert set(session.scalars(select(FeedRun.id))) == {first, last} and unchanged not in {first, last}
        assert set(session.scalars(select(FeedRunRow.run_id))) == {last}
    applying.undo(last, "user:ann")
    assert on_hand("A") == 5


def test_the_offers_of_a_removed_feed_go_after_a_while(feed):
    feed.fetch({"A": 5})
    feed.approve()
    removal.remove_feed(feed.id, "user:ann")
    old_runs.forget_before(utcnow() - timedelta(days=1), lambda: False)
    with reading() as session:
        assert session.scalar(select(Offer.code)) == "A"
    with writing() as session:
        session.get(Feed, feed.id).removed_at -= timedelta(days=2)
    old_runs.forget_before(utcnow() - timedelta(days=1), lambda: False)
    with reading() as session:
        assert session.scalar(select(Offer.code)) is None
