"""Integrations whose shop is away for days are paused, asked rarely, and go on by themselves or when a person says so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.types import utcnow
from services.integrations import lifecycle
from services.monitoring import incidents, probes
from services.sync import schedule
from tests.services.monitoring.outages import all_incidents, events, fail, read
from tests.support.rows import make_integration
from tests.support.set_clock import SetClock
from tests.support.shops import connect, do

pytestmark = pytest.mark.one_database


@pytest.mark.config(pause_failures=10)
def test_days_of_failures_pause_an_integration_after_a_warning_the_day_before(app, clock):
    one = make_integration().id
    seen = []
    for hour in range(0, 100, 4):
        fail(one)
        incidents.review(one)
        seen.append((hour, [kind for kind in events(one) if kind in ("warned", "paused")]))
        clock.go(hours=4)
    warned = next(hour for hour, kinds in seen if kinds == ["warned"])
    paused = next(hour for hour, kinds in seen if kinds == ["warned", "paused"])
    assert warned >= 48 and paused - warned >= 24 and paused >= 72
    assert read(one).paused_at is not None and read(one).enabled
    assert schedule.start_due_runs() == []


@pytest.mark.config(pause_failures=20)
def test_many_failures_in_a_day_or_few_in_a_month_pause_nothing(app, clock):
    many, few = make_integration("Many").id, make_integration("Few").id
    for _ in range(45):
        fail(many)
        clock.go(hours=1)
        incidents.review(many)
    for _ in range(18):
        fail(few)
        clock.go(days=2)
        incidents.review(few)
    assert read(many).paused_at is None and read(few).paused_at is None


def paused(clock: SetClock, integration_id: int) -> None:
    for _ in range(7):
        for _ in range(11):
            fail(integration_id)
        incidents.review(integration_id)
        clock.go(hours=20)
    assert read(integration_id).paused_at is not None


def test_a_paused_integration_is_asked_rarely_and_goes_on_by_itself(app, clock, shop):
    one = connect(shop)
    shop.faults.add("status", 503)
    paused(clock, one)
    asked = []
    for _ in range(30):
        clock.go(hours=4)
        if probes.due_probes():
            probes.probe(one)
            asked.append(clock.at)
            assert read(one).paused_at is not None
    assert 8 < len(asked) < 25
    assert asked[-1] - asked[-2] > timedelta(hours=8)
    shop.faults.clear()
    clock.go(hours=13)
    assert probes.probe(one) == "good"
    assert read(one).paused_at is None and read(one).flows["orders"].due_at <= utcnow()
    assert all_incidents(one) == [("outage", False)]
    assert len(schedule.start_due_runs()) >= 2


def test_a_person_resumes_at_once_and_the_count_begins_again(app, clock):
    one = make_integration().id
    paused(clock, one)
    lifecycle.set_enabled(one, True, "user:ann")
    assert read(one).paused_at is None and schedule.start_due_runs() != []
    fail(one)
    clock.go(minutes=10)
    incidents.review()
    assert read(one).paused_at is None
    assert "resumed" in events(one)
    assert all_incidents(one) == [("outage", True)]


def test_the_switch_and_the_pause_are_two_things(app, clock):
    one = make_integration().id
    paused(clock, one)
    lifecycle.set_enabled(one, False, "user:ann")
    assert read(one).paused_at is not None and not read(one).enabled
    clock.go(days=3)
    before = events(one)
    incidents.review()
    assert events(one) == before
    assert probes.due_probes() == []
    lifecycle.set_enabled(one, True, "user:ann")
    assert read(one).paused_at is None and read(one).enabled


def test_sync_now_on_a_paused_integration_asks_the_shop_and_a_good_answer_resumes(app, clock, shop):
    one = connect(shop)
    paused(clock, one)
    assert do(one, "orders").outcome == "done"
    assert read(one).paused_at is None
