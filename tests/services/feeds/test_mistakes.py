"""What comes of a mistake of ours, or of a database that is away, in the middle of a run."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from extensions import db, reading, writing
from models import Feed, FeedRun
from models.types import utcnow
from services.common.claims import MOST_LOST
from services.feeds import fetching, runs
from tests.support.rows import make_item


def last_run() -> FeedRun:
    with reading():
        return db.session.scalars(select(FeedRun).order_by(FeedRun.id.desc()).limit(1)).one()


def test_a_mistake_of_ours_ends_the_run_and_the_feed_is_fetched_again(feed, on_hand, monkeypatch):
    make_item("CUP", 0)
    feed.begin({"CUP": 9})

    def mistake(*given: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    with monkeypatch.context() as patched:
        patched.setattr(fetching.file_reading, "open_file", mistake)
        with pytest.raises(ZeroDivisionError):
            feed.fetch({"CUP": 3})
    run = last_run()
    assert (run.state, run.error_code) == ("failed", "internal") and run.token == "" and "logged" in run.error
    assert feed.row().error_code == "internal" and on_hand("CUP") == 9 and runs.due_runs() == []
    assert feed.fetch() == "done" and on_hand("CUP") == 3 and feed.row().error_code == ""


def test_a_database_that_is_away_leaves_the_run_to_the_next_worker(feed, on_hand, monkeypatch):
    make_item("CUP", 0)
    feed.begin({"CUP": 9})

    def away(*given: object) -> None:
        raise OperationalError("select 1", {}, Exception("away"))

    with monkeypatch.context() as patched:
        patched.setattr(fetching.file_reading, "open_file", away)
        with pytest.raises(OperationalError):
            feed.fetch({"CUP": 3})
    run = last_run()
    assert run.state == "running" and feed.row().error_code == ""
    runs.return_runs()
    assert runs.due_runs() == [run.id]
    runs.work(run.id)
    assert on_hand("CUP") == 3


def killed(run_id: int, monkeypatch) -> None:
    """A worker is killed in the middle of a run, and its lease expires."""

    def die(*given: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(fetching.file_reading, "open_file", die)
        with pytest.raises(SystemExit):
            runs.work(run_id)
    with writing() as session:
        session.get_one(FeedRun, run_id).lease_until = utcnow() - timedelta(seconds=1)


def test_a_file_that_kills_its_worker_again_and_again_is_given_up_with_the_reason(feed, on_hand, monkeypatch):
    make_item("CUP", 0)
    feed.begin({"CUP": 9})
    feed.serve({"CUP": 3})
    run_id = runs.start(feed.id, "user:ann")
    for _ in range(MOST_LOST):
        killed(run_id, monkeypatch)
    assert runs.due_runs() == [run_id]
    runs.work(run_id)
    run = last_run()
    assert (run.state, run.error_code, run.lost_workers) == ("failed", "workers_lost", 0)
    assert f"begun {MOST_LOST} times" in run.error and "memory" in run.advice
    assert feed.row().error_code == "workers_lost" and on_hand("CUP") == 9 and runs.due_runs() == []
    # The next run begins to count from the start.
    assert feed.fetch() == "done" and on_hand("CUP") == 3


def test_workers_that_stop_in_order_are_not_counted(feed, on_hand, monkeypatch):
    make_item("CUP", 0)
    feed.begin({"CUP": 9})
    feed.serve({"CUP": 3})
    run_id = runs.start(feed.id, "user:ann")
    for _ in range(MOST_LOST):
        runs.work(run_id, stopping=lambda: True)
    killed(run_id, monkeypatch)
    runs.return_runs()
    runs.work(run_id)
    assert last_run().state == "done" and on_hand("CUP") == 3


def test_a_feed_whose_times_cannot_be_used_any_more_says_so_and_stops_no_other(make_feed):
    """As after a change in the database by hand."""
    first, second = make_feed(times=["06:00"], zone="Europe/Kyiv"), make_feed(times=["06:00"], zone="Europe/Kyiv")
    with writing() as session:
        for feed in (first, second):
            session.get_one(Feed, feed.id).due_at = utcnow() - timedelta(minutes=1)
        session.get_one(Feed, first.id).times = ["25:00"]
    started = runs.start_due()
    assert [runs.get_run(each).feed_id for each in started] == [second.id]
    assert first.row().error_code == "times" and first.row().due_at is None and second.row().due_at > utcnow()


def test_a_feed_whose_time_zone_was_renamed_is_fetched_in_utc(make_feed):
    """Some are renamed each year. Its pages say so (tests/blueprints/test_zones.py)."""
    feed = make_feed(times=["06:00"], zone="Europe/Kyiv")
    with writing() as session:
        row = session.get_one(Feed, feed.id)
        row.due_at, row.zone = utcnow() - timedelta(minutes=1), "Europe/Nowhere"
    assert len(runs.start_due()) == 1
    due_at = feed.row().due_at
    assert due_at > utcnow() and due_at.astimezone(UTC).hour == 6
