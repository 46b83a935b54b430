"""What was planned while the clock was wrong does not wait for that day once it is right."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from extensions import db, writing
from models import Feed, Integration, Listing, StockFile, SyncRun, UnreadableOrder
from models.flow import SYNCS
from models.types import utcnow
from services.feeds import runs, suppliers
from services.runs import lifecycle
from services.stock import files
from services.sync import clock_repair, schedule
from tests.support.rows import make_integration, make_listing, of_integration_and_flows


def test_a_dead_workers_lease_from_a_clock_that_was_ahead_is_released(app):
    integration_id = make_integration().id
    run_id = lifecycle.start_run(integration_id, "orders", "test").id
    lease = lifecycle.claim(run_id)
    with writing() as session:
        session.get_one(SyncRun, run_id).lease_until = utcnow() + timedelta(days=400)
    assert clock_repair.bring_back() == 1
    assert lifecycle.release_dead_runs() == []
    lease.extend()
    with writing() as session:
        session.get_one(SyncRun, run_id).lease_until -= timedelta(seconds=lease.seconds + 1)
    assert lifecycle.release_dead_runs() == [run_id]


@pytest.mark.parametrize("kind", SYNCS)
def test_a_run_planned_by_a_clock_that_was_ahead_is_due(app, kind):
    integration_id = make_integration(**{f"{each}_due_at": None for each in SYNCS}).id
    with writing() as session:
        session.get_one(Integration, integration_id).flows[kind].due_at = utcnow() + timedelta(days=400)
    assert schedule.start_due_runs() == []
    assert clock_repair.bring_back() == 1
    assert len(schedule.start_due_runs()) == 1


def test_a_queued_run_that_waits_for_another_year_is_enqueued(app):
    run_id = lifecycle.start_run(make_integration().id, "orders", "test").id
    with writing() as session:
        run = session.get_one(SyncRun, run_id)
        run.not_before = run.enqueued_at = utcnow() + timedelta(days=400)
    assert schedule.waiting_runs() == []
    clock_repair.bring_back()
    assert schedule.waiting_runs() == [run_id]


def test_a_quantity_that_waits_for_another_year_is_sent_with_the_next_update(app):
    integration = make_integration(stock_every=300)
    make_listing(integration, "CUP", 3, push_state="waiting", push_due_at=utcnow() + timedelta(hours=3))
    assert clock_repair.bring_back() == 1
    assert db.session.scalar(select(Listing.push_due_at)) <= utcnow()


def test_an_unreadable_order_that_waits_for_another_year_is_asked_for(app):
    shop_id = make_integration().shop_id
    with writing() as session:
        session.add(UnreadableOrder(shop_id=shop_id, external_id="7", next_at=utcnow() + timedelta(days=400)))
    assert clock_repair.bring_back() == 1
    assert db.session.scalar(select(UnreadableOrder.next_at)) <= utcnow()


def test_times_as_they_should_be_are_left_alone(app):
    """Backing off, the day's reconciliation, an interval of a day or of a month: nobody's plans are changed."""
    now = utcnow()
    plans = {
        "orders_due_at": now + timedelta(minutes=72), "stock_due_at": now + timedelta(hours=23), "stock_every": 86400,
        "listings_due_at": now + timedelta(days=29), "listings_every": 30 * 86400, "reconciliation_due_at": now + timedelta(hours=24),
        "shipments_due_at": now + timedelta(hours=7),
    }  # fmt: skip
    integration = make_integration(**plans)
    make_listing(integration, "CUP", 3, push_state="waiting", push_due_at=now + timedelta(hours=23))
    integration_id = integration.id
    lifecycle.claim(lifecycle.start_run(integration_id, "orders", "test").id)
    lifecycle.pause(lifecycle.claim(lifecycle.start_run(integration_id, "stock", "test").id), seconds=2)
    assert clock_repair.bring_back() == 0
    kept = db.session.get_one(Integration, integration_id)
    _, of_flows = of_integration_and_flows(plans)
    assert all(getattr(kept.flows[kind], name) == value for kind, values in of_flows.items() for name, value in values.items())


def test_a_claim_from_a_clock_that_was_ahead_is_free(app):
    with writing() as session:
        file = StockFile(
            name="stock.csv", actor="test", state="uploaded", token="somebody", lease_until=utcnow() + timedelta(days=400)
        )
        session.add(file)
        session.flush()
        file_id = file.id
    assert files.due_files() == [file_id]


def test_a_feed_that_was_read_and_planned_by_a_clock_that_was_ahead_is_read_again(app):
    """Until its offers get a right time, a shipment would not be subtracted from them."""
    far = utcnow() + timedelta(hours=5)
    supplier_id = suppliers.create_supplier("Acme", None, "test")
    feed_id = suppliers.create_feed(
        supplier_id, "test", name="Stock", address="https://supplier.example/stock.csv", interval_seconds=3600
    )
    with writing() as session:
        feed = session.get_one(Feed, feed_id)
        feed.read_at, feed.digest, feed.due_at = far, "a", far
    assert runs.start_due() == []
    assert clock_repair.bring_back() == 1
    feed = db.session.get_one(Feed, feed_id)
    assert (feed.read_at <= utcnow(), feed.digest) == (True, "")
    assert len(runs.start_due()) == 1
