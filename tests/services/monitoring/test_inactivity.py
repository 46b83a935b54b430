"""The alarm that goes off when nothing comes: seldom by chance, never at night, and it says whether the shop or the way is quiet."""

from __future__ import annotations

import bisect
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from extensions import db, writing
from models import Incident, Integration, Order, OrderRhythm, Shop
from practice_shop import PracticeShop
from services.monitoring import inactivity, incidents
from services.monitoring.order_rhythm import Rhythm, whole_hour
from tests.support.shops import connect, do, products

START = datetime(2026, 1, 5, tzinfo=UTC)
LEARNING, YEAR = 70, 365
DAY = (0.2, 0.1, 0.05, 0.03, 0.03, 0.1, 0.3, 0.6, 1, 1.3, 1.4, 1.4, 1.3, 1.2, 1.2, 1.3, 1.4, 1.5, 1.7, 1.9, 2, 1.8, 1.2, 0.6)
"""How a day's orders fall on its hours."""

Pace = Callable[[datetime], float]
Season = Callable[[float], float]


def always(day: float) -> float:
    return 1.0


def all_week(at: datetime) -> float:
    return DAY[at.hour]


def office_hours(at: datetime) -> float:
    """Monday to Friday, eight to six, in a zone whose clocks change."""
    local = at + timedelta(hours=1 if 83 <= (at - START).days <= 300 else 0)
    return 2.4 if local.weekday() < 5 and 8 <= local.hour < 18 else 0.0


def history(seed: int, per_day: float, pace: Pace, season: Season = always, unlike: float = 0.0, days: int = LEARNING + YEAR) -> list[datetime]:  # fmt: skip
    """Times of orders. ``unlike`` is how much days differ from each other beyond chance (the variance of a day's factor)."""
    dice = random.Random(seed)
    placed: list[datetime] = []
    factor = 1.0
    for hour in range(days * 24):
        if hour % 24 == 0 and unlike:
            factor = dice.gammavariate(1 / unlike, unlike)
        begin = START + timedelta(hours=hour)
        left = per_day / 24 * pace(begin) * factor * season(hour / 24)
        at = dice.expovariate(left) if left > 0 else 2.0
        while at < 1:
            placed.append(begin + timedelta(hours=at))
            at += dice.expovariate(left)
    return placed


def watched(placed: list[datetime], days: int = YEAR) -> tuple[int, int]:
    """(times the shop was asked, alarms) over so many days after learning, looking whenever services/monitoring/inactivity.py would."""
    asked = alarms = 0
    asked_for = alarmed_for = None
    now, end = START + timedelta(days=LEARNING), START + timedelta(days=LEARNING + days)
    learned = None
    while now < end:
        last = placed[bisect.bisect_right(placed, now) - 1]
        if learned is None or now - learned >= timedelta(days=1):
            first = bisect.bisect_left(placed, whole_hour(now) - timedelta(weeks=9))
            rhythm, learned = Rhythm.learned(placed[first : bisect.bisect_right(placed, now)], now), now
        assessed = rhythm.assess(last, now)
        if assessed.ask and asked_for != last:
            asked, asked_for = asked + 1, last
        if assessed.alarm and alarmed_for != last:
            alarms, alarmed_for = alarms + 1, last
        now += timedelta(hours=1) if assessed.ask else max(timedelta(hours=1), rhythm.next_look(last, now) - now)
    return asked, alarms


SHOPS: dict[str, dict] = {
    "busy": {"per_day": 200, "pace": all_week},
    "busy, and no two days alike": {"per_day": 200, "pace": all_week, "unlike": 0.15},
    "middling": {"per_day": 30, "pace": all_week},
    "middling, and no two days alike": {"per_day": 30, "pace": all_week, "unlike": 0.3},
    "small": {"per_day": 5, "pace": all_week},
    "small, and no two days alike": {"per_day": 5, "pace": all_week, "unlike": 0.4},
    "sparse": {"per_day": 3 / 7, "pace": all_week},
    "closed at night and on weekends, clocks change": {"per_day": 60, "pace": office_hours},
    "half as busy from one day to the next": {"per_day": 60, "pace": all_week, "season": lambda day: 1 if day < 200 else 0.5},
    "a season that ends in a week": {"per_day": 60, "pace": all_week, "season": lambda day: max(0.1, 1 - max(0, day - 150) / 8)},
    "Christmas": {"per_day": 30, "pace": all_week, "season": lambda day: 5 if 320 < day < 354 else (0.3 if day >= 354 else 1)},
}  # fmt: skip


@pytest.mark.parametrize(
    "name", SHOPS if os.environ.get("DEEP") else ["middling", "closed at night and on weekends, clocks change"]
)
def test_a_year_of_a_shop_gives_no_false_alarm_worth_the_name(name):
    """Whole under DEEP=1, with three seeds each: less than one alarm in two years of any of these shops."""
    seeds = 3 if os.environ.get("DEEP") else 1
    found = [watched(history(seed, **SHOPS[name]), YEAR if os.environ.get("DEEP") else 150) for seed in range(seeds)]
    asked, alarms = (sum(each) / seeds for each in zip(*found, strict=True))
    print(f"{name}: asked {asked:.1f} times and alarmed {alarms:.2f} times a year")
    assert alarms < 0.5 and asked < 60


@pytest.mark.parametrize(
    ("per_day", "pace", "asks_within", "alarms_within"),
    [(200, all_week, 9, 18), (30, all_week, 18, 36), (5, all_week, 72, 150), (60, office_hours, 67, 72)],
)
def test_a_shop_from_which_nothing_comes_any_more_is_noticed(per_day, pace, asks_within, alarms_within):
    placed = history(5, per_day, pace, days=120)
    for cut in (START + timedelta(days=80 + day, hours=7 * day) for day in range(0, 30, 5)):
        until = bisect.bisect_right(placed, cut)
        last, rhythm = placed[until - 1], Rhythm.learned(placed[:until], cut)
        hours = [rhythm.assess(last, last + timedelta(hours=length)) for length in range(1, 200)]
        asked = next(length for length, assessed in enumerate(hours, 1) if assessed.ask)
        alarmed = next(length for length, assessed in enumerate(hours, 1) if assessed.alarm)
        assert asked <= asks_within and alarmed <= alarms_within, (cut, asked, alarmed)
        assert asked <= alarmed


def test_too_little_history_says_nothing():
    for days in (3, 20):
        placed = history(1, 50, all_week, days=days)
        assessed = Rhythm.learned(placed, placed[-1], placed[0]).assess(placed[-1], placed[-1] + timedelta(days=3))
        assert not assessed.ask and not assessed.alarm
    few = history(1, 0.2, all_week, days=70)
    assert not Rhythm.learned(few, few[-1]).assess(few[-1], few[-1] + timedelta(days=10)).ask


def test_a_night_is_not_odd_and_a_day_is():
    placed = history(3, 40, office_hours, days=80)
    friday = datetime(2026, 3, 20, 17, 0, tzinfo=UTC)
    placed = [at for at in placed if at <= friday]
    rhythm = Rhythm.learned(placed, friday)
    last = placed[-1]
    assert not rhythm.assess(last, friday + timedelta(hours=62)).ask
    assert rhythm.assess(last, friday + timedelta(hours=72)).alarm
    assert rhythm.next_look(last, friday) > friday + timedelta(hours=20)


# With a shop


@pytest.fixture
def quiet(app, clock, shop: PracticeShop) -> int:
    """A connected shop with nine weeks of an order an hour behind it, the last one just now; its integration's id."""
    one = connect(shop)
    do(one, "orders")
    with writing() as session:
        integration = session.get_one(Integration, one)
        shop_id = integration.shop_id
        session.get_one(Shop, shop_id).orders_from = clock.at - timedelta(weeks=10)
        placed = (clock.at - timedelta(hours=hour, minutes=5) for hour in range(9 * 168))
        session.execute(insert(Order), [
            {"shop_id": shop_id, "external_id": f"old-{number}", "placed_at": at, "changed_at": at, "state": "shipped"}
            for number, at in enumerate(placed)
        ])  # fmt: skip
    inactivity.begin_listening()
    shop.clear_requests()
    return one


def listen(one: int) -> str:
    with writing() as session:
        for row in session.query(OrderRhythm):
            row.due_at = incidents.utcnow()
    assert inactivity.due_looks() == [one]
    return inactivity.look(one)


def open_causes() -> list[str]:
    db.session.rollback()
    return [row.cause for row in db.session.query(Incident).filter(Incident.resolved_at.is_(None))]


@pytest.mark.one_database
def test_nothing_odd_asks_nothing(quiet, clock, shop):
    assert listen(quiet) == "usual"
    clock.go(hours=2)
    assert listen(quiet) == "usual"
    assert shop.requests == []
    (row,) = db.session.query(OrderRhythm)
    assert sum(row.hours) == 8 * 168 and row.due_at > clock.at


def test_a_quiet_shop_is_asked_first_and_only_long_silence_is_an_incident(quiet, clock, shop):
    clock.go(hours=5)
    assert listen(quiet) == "quiet"
    # One question. Its empty answer counts only because the shop then answers a question that every shop has an answer to.
    assert len(shop.requests) == 2 and open_causes() == []
    clock.go(hours=16)
    assert listen(quiet) == "quiet"
    assert open_causes() == ["silence"]
    said = db.session.query(Incident).one().facts
    assert 21 <= said["gap_hours"] <= 21.2 and 20 <= said["usual"] <= 22
    clock.go(hours=2)
    assert listen(quiet) == "quiet" and db.session.query(Incident).count() == 1


@pytest.mark.one_database
def test_an_order_that_comes_is_the_evidence(quiet, clock, shop):
    clock.go(hours=21)
    assert listen(quiet) == "quiet" and open_causes() == ["silence"]
    with writing() as session:
        shop_id = session.get_one(Integration, quiet).shop_id
        session.add(Order(shop_id=shop_id, external_id="new", placed_at=clock.at, changed_at=clock.at))
    incidents.review()
    assert open_causes() == []


@pytest.mark.one_database
def test_orders_the_shop_has_and_we_do_not_are_a_dead_pipe(quiet, clock, shop):
    clock.go(hours=5)
    for hours in (1, 2):
        shop.store.place_order(lines=[(products(shop)["CUP"], 1)], at=clock.at - timedelta(hours=hours))
    assert listen(quiet) == "missing"
    assert open_causes() == []
    assert db.session.get_one(Integration, quiet).flows["orders"].due_at <= clock.at
    clock.go(minutes=16)
    assert listen(quiet) == "missing"
    assert open_causes() == ["orders_missing"]
    assert db.session.query(Incident).one().facts["count"] == 2


@pytest.mark.one_database
def test_a_shop_that_does_not_answer_is_an_outage_and_no_silence(quiet, clock, shop):
    clock.go(hours=30)
    shop.faults.add("status", 503)
    assert listen(quiet) == "unanswered"
    assert open_causes() == []
    assert db.session.get_one(Integration, quiet).flows["connection"].failing


@pytest.mark.one_database
def test_who_is_switched_off_is_not_listened_to(quiet, clock, shop):
    with writing() as session:
        session.get_one(Integration, quiet).flows["orders"].enabled = False
    clock.go(days=3)
    assert inactivity.due_looks() == []
