"""Orders that a person looks up in a shop, and older orders that are counted and downloaded."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from errors import Conflict, NotFound, TooMany
from extensions import writing
from models import Lookup
from models.types import utcnow
from services.integrations import lifecycle, settings
from services.orders import (
    find_order,  # fmt: skip
    lookups,
)
from services.security import trail
from tests.support.shops import do, products, settled, states


def asked_where(number: str, integration_id: int | None = None) -> list[find_order.Answer]:
    lookup_id = lookups.ask_where(number, integration_id, "test")
    lookups.work(lookup_id)
    return lookups.answers_of(lookups.get_lookup(lookup_id, "test"))


def test_where_an_order_is_is_answered_for_any_number(app, db, shop):
    ids = products(shop)
    old = shop.store.place_order(lines=[(ids["CUP"], 1)], at=datetime.now(UTC) - timedelta(days=90))
    new = shop.store.place_order(lines=[(ids["CUP"], 1)])
    unpaid = shop.store.place_order(lines=[(ids["CUP"], 1)], payment="Q")
    integration_id = settled(shop)
    shop.clear_requests()
    stored = asked_where(f"#{new}")[0]
    assert (stored.state, stored.sentence) == ("stored", "It is ready to be shipped.") and stored.imported_at is not None
    assert "Awaiting payment do not become work" in asked_where(str(unpaid))[0].sentence
    assert not shop.requests
    answer = asked_where(str(old))[0]
    assert answer.state == "there" and "before the start date" in answer.sentence
    assert asked_where("4711")[0].sentence == "Shop has no order 4711."
    order_id = find_order.bring_in(integration_id, answer.external_id, "test")
    assert find_order.bring_in(integration_id, answer.external_id, "test") == order_id
    assert asked_where(str(old))[0].order_id == order_id
    later = shop.store.place_order(lines=[(ids["CUP"], 1)])
    answer = asked_where(str(later), integration_id)[0]
    assert answer.state == "there" and "has not been imported yet" in answer.sentence
    shop.stop()
    assert asked_where("4711")[0].state == "unknown"
    lifecycle.set_enabled(integration_id, False, "test")
    assert "not connected at present" in asked_where("4711")[0].sentence
    for nonsense in ("", " # ", "x" * 65, "a\x00b", "id:", "ID: ", "\u200b"):
        with pytest.raises(NotFound):
            lookups.ask_where(nonsense, None, "test")


def test_a_lookup_is_a_persons_own_and_answered_once(app, db, shop):
    settled(shop)
    lookup_id = lookups.ask_where("4711", None, "user:ann")
    with pytest.raises(NotFound):
        lookups.get_lookup(lookup_id, "user:bob")
    lookups.work(lookup_id)
    asked = len(shop.requests)
    lookups.work(lookup_id)
    assert len(shop.requests) == asked
    with writing() as session:
        session.get_one(Lookup, lookup_id).created_at = utcnow() - timedelta(days=2)
    lookups.ask_where("4712", None, "user:ann")
    assert [row.asked["number"] for row in db.session.scalars(select(Lookup))] == ["4712"]


def test_a_lookup_whose_worker_is_gone_is_late_and_one_that_fails_says_why(app, db, shop):
    integration_id = settled(shop)
    lookup_id = lookups.ask_to_bring_in(integration_id, "999", "test")
    with writing() as session:
        session.get_one(Lookup, lookup_id).lease_until = utcnow() - timedelta(minutes=1)
    assert lookups.is_late(lookups.get_lookup(lookup_id, "test"))
    lookups.work(lookup_id)
    found = lookups.get_lookup(lookup_id, "test")
    assert not lookups.is_late(found) and found.found["error"] == "The shop has that order no more."


def test_older_orders_are_counted_before_they_are_brought_in(app, db, shop):
    ids = products(shop)
    for days in (100, 90, 80, 1):
        shop.store.place_order(lines=[(ids["CUP"], 1)], at=datetime.now(UTC) - timedelta(days=days))
    integration_id = settled(shop)
    since = datetime.now(UTC) - timedelta(days=95)
    lookup_id = lookups.ask_count(integration_id, since, "test")
    lookups.work(lookup_id)
    assert lookups.get_lookup(lookup_id, "test").found == {"orders": 2, "complete": True}
    settings.change_settings(integration_id, {"orders_since": since}, "user:ann")
    do(integration_id, "orders")
    assert len(states()) == 3
    assert find_order.count_older(integration_id, datetime.now(UTC) - timedelta(days=120)).orders == 1
    with pytest.raises(Conflict):
        lookups.ask_count(integration_id, datetime.now(UTC), "test")
    changed = trail.list_page(trail.Wanted(object="integration")).rows[0]
    assert (changed.actor, changed.changes[0][0]) == ("user:ann", "Download orders from")


class TestOneQuestionAtATime:
    """A look-up keeps a worker for up to two minutes: one is open for each person, and ten a minute are asked."""

    def test_a_second_one_waits_for_the_first(self, app, db):
        first = lookups.ask_where("4711", None, "user:ann")
        with pytest.raises(TooMany) as refused:
            lookups.ask_where("4712", None, "user:ann")
        assert refused.value.retry_after > 0
        lookups.ask_where("4711", None, "user:bob")
        lookups.work(first)
        lookups.ask_where("4712", None, "user:ann")

    def test_ten_a_minute(self, app, db):
        for number in range(10):
            lookups.work(lookups.ask_where(str(number), None, "user:ann"))
        with pytest.raises(TooMany):
            lookups.ask_where("11", None, "user:ann")
        with writing() as session:
            session.execute(update(Lookup).values(created_at=utcnow() - timedelta(seconds=61)))
        lookups.ask_where("11", None, "user:ann")

    def test_one_that_nobody_is_heard_of_makes_room(self, app, db):
        lost = lookups.ask_where("4711", None, "user:ann")
        with writing() as session:
            session.get_one(Lookup, lost).lease_until = utcnow() - timedelta(minutes=1)
        lookups.ask_where("4712", None, "user:ann")
        lookups.work(lost)
        assert lookups.get_lookup(lost, "user:ann").found["error"] == "The shop was not asked in time."

    def test_of_many_at_the_same_moment_one_is_asked(self, app, db):
        answers: list[object] = []

        def ask(number: int) -> None:
            with app.app_context():
                try:
                    answers.append(lookups.ask_where(str(number), None, "user:ann"))
                except TooMany as refused:
                    answers.append(refused)
                db.session.remove()

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        assert len(answers) == 8
        assert len([answer for answer in answers if isinstance(answer, int)]) == 1
