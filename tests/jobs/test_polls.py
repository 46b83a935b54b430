"""Polls by the tick: a quiet shop leaves no run behind, and an order that is placed there arrives."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rq.utils import import_attribute
from sqlalchemy import func, select, update

import jobs
from errors import QueueAway
from extensions import db, writing
from jobs import polls, schedule
from models import Flow, FlowKind, Order, SyncRun
from models.types import utcnow
from practice_shop import PracticeShop, Store
from tests.support.shops import connect

pytestmark = pytest.mark.one_database


def tick() -> list[str]:
    """One tick, and all jobs that it puts on the queue. Returns their names."""
    schedule.tick()
    done = []
    queue = jobs.queue("sync")
    for _ in range(20):
        waiting = queue.jobs
        if not waiting:
            return done
        job = waiting[0]
        queue.remove(job)
        import_attribute(job.func_name)(**job.kwargs)
        job.delete()
        done.append(job.func_name)
    raise AssertionError(f"the queue does not get empty: {done}")


def an_interval_later() -> None:
    with writing() as session:
        for column in (Flow.poll_due_at, Flow.due_at):
            soon = utcnow()
            kinds = (
                Flow.kind.in_((FlowKind.ORDERS, FlowKind.STOCK)) if column is Flow.poll_due_at else Flow.kind == FlowKind.STOCK
            )
            session.execute(update(Flow).where(kinds, column.is_not(None)).values({column: soon}))


def count(what) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count(what.id))) or 0


@pytest.fixture
def quiet(app, shop):
    """A connected shop, after its first runs and polls."""
    shop.store.place_order([(1, 1)], at=utcnow().replace(microsecond=0) - timedelta(hours=1))
    connect(shop)
    for _ in range(4):
        tick()
        an_interval_later()
    shop.clear_requests()
    return shop


def test_a_quiet_shop_leaves_no_run_behind(quiet):
    shop = quiet
    before = count(SyncRun)
    for _ in range(3):
        # On a busy machine it is time for a look at how often the shop sells, too.
        assert [name for name in tick() if name != "jobs.watch.look"] == ["jobs.polls.run"]
        an_interval_later()
    assert count(SyncRun) == before
    assert len(shop.requests) == 3
    assert all(request["method"] == "GET" for request in shop.requests)


def test_an_order_arrives_with_the_poll_that_sees_it(quiet):
    quiet.store.place_order([(1, 2)])
    assert count(Order) == 1
    done = tick()
    assert done[0] == "jobs.polls.run"
    assert "jobs.runs.run" in done
    assert count(Order) == 2


def test_an_order_placed_while_the_shop_failed_arrives_once_it_answers(quiet):
    quiet.faults.add("status_500", True)
    quiet.store.place_order([(1, 2)])
    tick()
    quiet.faults.clear()
    with writing() as session:
        session.execute(update(Flow).values(due_at=utcnow(), retry_at=None))
    tick()
    assert count(Order) == 2


def test_where_many_are_due_several_jobs_share_them(quiet, monkeypatch):
    with PracticeShop(store=Store()) as other:
        connect(other, name="Second")
        for _ in range(4):
            tick()
            an_interval_later()
        monkeypatch.setattr(polls, "FOR_ONE_JOB", 1)
        quiet.clear_requests()
        assert tick().count("jobs.polls.run") == 2
        assert len(quiet.requests) == 1


def test_a_mistake_of_ours_in_one_step_of_a_tick_stops_no_other(quiet, monkeypatch):
    quiet.store.place_order([(1, 2)])

    def mistake() -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(schedule, "STEPS", (mistake, *schedule.STEPS))
    with pytest.raises(ZeroDivisionError):
        schedule.tick()
    assert "jobs.polls.run" in [job.func_name for job in jobs.queue("sync").jobs]


def test_a_queue_that_is_away_ends_a_tick(quiet, monkeypatch):
    def away() -> None:
        raise QueueAway("The queue does not answer.")

    monkeypatch.setattr(schedule, "STEPS", (away, *schedule.STEPS))
    with pytest.raises(QueueAway):
        schedule.tick()
    assert jobs.queue("sync").count == 0
