"""What comes of a mistake of ours, or of a database that is away, in the middle of a run."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from extensions import db, reading
from models import FeedRun
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
