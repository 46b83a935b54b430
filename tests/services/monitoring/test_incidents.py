"""One incident a cause: opened when it has lasted, reminded of daily, resolved by evidence, never twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from errors import KeyRejected, ReadOnlyKey, ShopBroken
from extensions import db, writing
from models import Incident, Integration, Notification, SyncRun, WriteBack
from models.types import utcnow
from services.integrations import lifecycle
from services.monitoring import incident_list, incidents, probes
from services.monitoring import probes as monitoring_probes
from services.runs import lifecycle as runs_lifecycle
from services.shops import health
from tests.services.monitoring.outages import all_incidents, events, fail, outage, read, said_on_the_page, work
from tests.support.rows import make_integration, make_order
from tests.support.shops import connect
from tests.support.signed_in import user_called

pytestmark = pytest.mark.one_database


def test_a_rejected_key_is_an_incident_at_once_and_one_that_works_resolves_it(app, clock):
    one = make_integration().id
    fail(one, trouble=KeyRejected("The shop rejects the API key."))
    assert all_incidents(one) == [("key_rejected", True)]
    fail(one, "stock", KeyRejected("The shop rejects the API key."))
    incidents.review()
    assert all_incidents(one) == [("key_rejected", True)]
    clock.go(hours=2)
    work(one)
    assert all_incidents(one) == [("key_rejected", False)]
    assert events(one) == ["opened", "resolved"]


def test_a_key_that_may_only_read_is_notified_at_once(app, clock):
    one = make_integration().id
    fail(one, "stock", ReadOnlyKey("The key may only read."))
    assert all_incidents(one) == [("read_only_key", True)]
    groups = {group.name: group for group in health.groups(read(one))}
    assert groups["stock"].state == groups["write_back"].state == "stopped"
    assert groups["orders"].state != "stopped"


def test_a_rejection_is_no_success_of_the_connection_and_the_key_is_tried_again(app, clock):
    """The page of an integration said ‘last success just now’ and no next try."""
    one = make_integration().id
    work(one)
    good_at = read(one).flows["orders"].succeeded_at
    clock.go(hours=1)
    fail(one, trouble=KeyRejected("The shop rejects the API key."))
    connection = next(group for group in health.groups(read(one)) if group.name == "connection")
    assert (connection.state, connection.good_at) == ("stopped", good_at)
    assert connection.next_at == utcnow() + probes.SOON


def test_a_short_outage_tells_nobody(app, clock):
    one = make_integration().id
    for _ in range(5):
        fail(one)
        incidents.review()
        clock.go(minutes=5)
    work(one)
    clock.go(hours=1)
    incidents.review()
    assert all_incidents(one) == []


def test_an_outage_that_lasts_is_notified_after_the_shop_was_asked_once_more(app, clock, shop):
    one = connect(shop)
    shop.faults.add("status", 503)
    fail(one)
    clock.go(minutes=31)
    fail(one)
    incidents.review()
    assert all_incidents(one) == []
    assert probes.due_probes() == [one]
    assert probes.probe(one) != "good"
    incidents.review()
    assert all_incidents(one) == [("outage", True)]
    shop.faults.clear()
    clock.go(minutes=31)
    assert monitoring_probes.probe_integration(one).good
    assert all_incidents(one) == [("outage", False)]


def test_a_shop_that_answers_the_probe_has_no_outage(app, clock, shop):
    """Only one thing fails: that is notified later, and as what it is."""
    one = connect(shop)
    fail(one, trouble=ShopBroken("shop.example answered with its error 500."))
    clock.go(minutes=31)
    incidents.review()
    assert probes.probe(one) == "good"
    incidents.review()
    assert all_incidents(one) == []
    for _ in range(20):
        fail(one, trouble=ShopBroken("shop.example answered with its error 500."))
        work(one, "stock")
        clock.go(minutes=5)
        incidents.review()
    assert all_incidents(one) == [("orders_failing", True)]
    work(one)
    assert all_incidents(one) == [("orders_failing", False)]


def test_no_probe_ever_comes_back_and_the_outage_is_still_notified(app, clock):
    one = make_integration().id
    fail(one)
    clock.go(minutes=46)
    incidents.review()
    assert all_incidents(one) == [("outage", True)]


def test_while_the_shop_is_away_nothing_else_is_a_separate_incident(app, clock):
    one = make_integration().id
    for kind in ("orders", "stock", "listings"):
        fail(one, kind)
    for _ in range(10):
        clock.go(minutes=30)
        for kind in ("orders", "stock", "listings"):
            fail(one, kind)
        incidents.review()
    assert all_incidents(one) == [("outage", True)]
    # It comes back with the stock; the orders are tried at once and get their full time again.
    work(one, "stock")
    assert read(one).flows["orders"].due_at <= utcnow()
    clock.go(minutes=5)
    fail(one, trouble=ShopBroken("shop.example answered with its error 500."))
    work(one, "stock")
    incidents.review()
    assert all_incidents(one) == [("outage", False)]


def test_a_reminder_comes_once_a_day_until_somebody_wants_none(app, clock):
    one = make_integration().id
    outage(one, clock)
    for _ in range(12):
        clock.go(hours=4.1)
        fail(one)
        incidents.review()
        incidents.review()
    assert events(one).count("reminded") == 2
    incident_id = db.session.query(Incident).one().id
    incidents.mute(incident_id, "user:ann")
    clock.go(days=0.9)
    incidents.review()
    assert events(one)[-1] == "muted"
    work(one)
    assert events(one)[-1] == "resolved"


def test_what_comes_back_is_the_same_incident_and_stays_until_it_is_steady(app, clock):
    """A shop that comes and goes opens one incident, not one every half hour."""
    one = make_integration().id
    outage(one, clock)
    work(one)
    assert all_incidents(one) == [("outage", False)]
    for _ in range(6):
        clock.go(minutes=5)
        outage(one, clock)
        clock.go(minutes=5)
        work(one)
        incidents.review()
    assert all_incidents(one) == [("outage", True)]
    assert events(one) == ["opened", "resolved", "reopened"]
    # It is open, and its page says what is true now: there is nothing to do about it.
    assert said_on_the_page(one) == [("Over for now: The shop does not answer as it should", "")]
    outage(one, clock)
    assert said_on_the_page(one) == [("The shop does not answer as it should", "try_now")]
    work(one)
    incidents.review()
    clock.go(minutes=61)
    incidents.review()
    assert all_incidents(one) == [("outage", False)]


def test_a_shipment_update_that_the_shop_does_not_take_is_an_incident_although_all_else_works(app, clock, shop):
    one = connect(shop)
    order = make_order(read(one), "77", [], state="shipped").id
    with writing() as session:
        shop_id = session.get_one(Integration, one).shop_id
        tried = {"tried_at": clock.at, "tries": 2, "due_at": clock.at + timedelta(hours=1)}
        session.add(WriteBack(order_id=order, shop_id=shop_id, event="shipped", actor="test", error_code="broken", **tried))
    incidents.review()
    assert all_incidents(one) == []
    clock.go(hours=1)
    incidents.review()
    assert all_incidents(one) == [("write_backs_wait", True)]
    with writing() as session:
        session.query(WriteBack).update({"state": "done", "error_code": ""})
    incidents.review()
    assert not any(is_open for _, is_open in all_incidents(one))


def test_what_waits_for_a_person_is_an_incident_until_nothing_waits(app, clock):
    one = make_integration()
    order = make_order(one, "1", [], state="on_hold", held_codes=["unknown_sku"], first_seen_at=clock.at)
    bad = make_order(one, "2", [], state="on_hold", held_codes=["unreadable"], first_seen_at=clock.at)
    one, order, bad = one.id, order.id, bad.id
    with writing() as session:
        run = SyncRun(integration_id=one, kind="stock", actor="schedule", counts={}, warnings=[], state="finished")
        session.add(run)
        session.flush()
        integration = session.get_one(Integration, one)
        integration.waiting_run_id = run.id
        session.add(WriteBack(order_id=order, shop_id=integration.shop_id, event="shipped", state="failed", actor="test"))
    incidents.review()
    assert all_incidents(one) == [("stock_waits", True), ("write_backs_refused", True), ("orders_unreadable", True)]
    clock.go(hours=2)
    incidents.review()
    assert ("orders_held", True) in all_incidents(one)
    held = db.session.query(Incident).filter_by(cause="orders_held").one()
    assert held.facts["count"] == 2
    with writing() as session:
        session.get_one(Integration, one).waiting_run_id = None
        session.query(WriteBack).update({"state": "done"})
        for order in session.execute(db.text('SELECT id FROM "order"')).scalars().all():
            session.execute(db.text("UPDATE \"order\" SET state = 'ready' WHERE id = :id"), {"id": order})
    incidents.review()
    assert not any(is_open for _, is_open in all_incidents(one))


def test_switching_a_flow_off_or_removing_closes_in_silence(app, clock):
    user = user_called("Ann")
    one = make_integration().id
    with writing() as session:
        session.get_one(Integration, one).waiting_run_id = 1
    incidents.review()
    assert all_incidents(one) == [("stock_waits", True)]
    with writing() as session:
        session.get_one(Integration, one).flows["stock"].enabled = False
    incidents.review()
    assert all_incidents(one) == [("stock_waits", False)]
    assert db.session.query(Notification).filter_by(user_id=user, read_at=None).count() == 0
    outage(one, clock)
    lifecycle.remove_integration(one, "user:ann")
    incidents.review()
    assert not any(is_open for _, is_open in all_incidents(one))


def test_a_disabled_integration_opens_and_reminds_of_nothing(app, clock):
    one = make_integration().id
    fail(one)
    lifecycle.set_enabled(one, False, "user:ann")
    clock.go(days=2)
    incidents.review()
    assert all_incidents(one) == []


def test_a_thousand_integrations_cost_a_handful_of_queries(app, clock):
    from tests.blueprints.pages import counted_queries

    for number in range(30):
        one = make_integration(f"Shop {number}").id
        outage(one, clock)
    incidents.review()
    with counted_queries() as statements:
        assert incidents.review() == 0
    assert len(statements) < 16


def test_incidents_that_are_over_are_deleted_with_their_messages(app, clock):
    user_called("Ann")
    one, other = make_integration().id, make_integration("Other").id
    outage(one, clock)
    work(one)
    clock.go(days=10)
    outage(other, clock)
    assert incidents.forget_before(clock.at - timedelta(days=5)) == 1
    assert all_incidents(one) == [] and all_incidents(other) == [("outage", True)]
    assert db.session.query(Notification).count() == 1 and events(one) == []


def test_a_worker_that_dies_every_time_is_an_incident_and_not_the_shop(app, clock):
    """No answer of the shop, no exception, only runs that are never finished: somebody has to hear of it."""
    one = make_integration().id
    for _ in range(4):
        run = runs_lifecycle.start_run(one, "orders", "schedule")
        assert runs_lifecycle.claim(run.id) is not None
        clock.go(hours=1)
        assert runs_lifecycle.release_dead_runs() == [run.id]
        incidents.review()
    assert all_incidents(one) == [("orders_failing", True)]
    seen = incident_list.of_integration(one)[0]
    assert "worker stopped in the middle" in seen.happened[0] and "not a fault of the shop" in seen.can
    work(one)
    assert all_incidents(one) == [("orders_failing", False)]


def test_many_that_go_wrong_at_once_are_notified_over_several_ticks(app, clock, monkeypatch):
    ids = [make_integration(f"Shop {number}").id for number in range(4)]
    for one in ids:
        fail(one)
    clock.go(minutes=46)
    looks = 0
    while db.session.query(Incident).count() < 4 and looks < 50:
        monkeypatch.setattr(incidents, "LONGEST", 0.03)
        assert incidents.is_due()
        incidents.review()
        looks += 1
    assert db.session.query(Incident).count() == 4
