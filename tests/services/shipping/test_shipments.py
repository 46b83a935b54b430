"""Shipping and write-back: never twice, never backwards, tracking with the status, and its own retry queue."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from errors import Conflict, InvalidInput
from extensions import writing
from models import Integration, Order, OrderChange, Shipment, SyncRun, WriteBack
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services.orders import views
from services.runs import lifecycle as runs_lifecycle
from services.shipping import shipments, trying_again, write_backs
from services.shops import connection
from services.stock import items
from services.sync import execution, schedule
from tests.support.shops import connect, do, order_here, products


def fresh(db, order_id: int) -> Order:
    db.session.rollback()
    return db.session.get(Order, order_id, populate_existing=True)


def writes(shop) -> list[dict]:
    return [request for request in shop.requests if request["method"] != "GET"]


def shipping(shop, there: int) -> str:
    order = shop.store.order(there)
    return shop.store.status("shipping", order.shipping_id).code


def test_a_shipped_order_leaves_the_books_and_the_shop_is_updated_once(db, shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", carrier="Courier", tracking_number="T-1")
    assert (done.state, done.event) == ("shipped", "shipped")
    item = items.find_stock_item("CUP")
    assert (item.on_hand, item.reserved) == (18, 0)
    assert schedule.start_due_runs(kinds=("shipments",)) != []
    run = execution.perform(schedule.waiting_runs()[0])
    assert (run.outcome, run.counts) == ("done", {"sent": 1})
    assert (shipping(shop, there), shop.store.tracking(there), len(writes(shop))) == ("S", ["T-1"], 1)
    mails = [mail for mail in shop.store.mails if mail["order_id"] == there and "shipping" in mail["changes"]]
    assert [mail["tracking"] for mail in mails] == [["T-1"]]
    shop.clear_requests()
    assert do(integration_id, "shipments").requests == 0
    assert schedule.start_due_runs(kinds=("shipments",)) == []


@pytest.fixture
def sold_by_api(app):
    """As ``sold``, with a shop of the api generation, which takes no tracking numbers."""
    store = Store()
    product = store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    there = store.place_order(lines=[(product, 2)])
    with PracticeShop(store=store, generation="api") as shop:
        integration_id = connect(shop)
        do(integration_id, "stock")
        shop.clear_requests()
        yield shop, integration_id, there, order_here(there)


def test_a_shop_that_takes_no_tracking_gets_the_status_and_a_person_does_the_rest(db, sold_by_api):
    shop, integration_id, there, order_id = sold_by_api
    shipments.ship(order_id, "test", carrier="Courier", tracking_number="T-1")
    run = do(integration_id, "shipments")
    assert (run.outcome, run.counts, shipping(shop, there)) == ("done", {"sent": 1}, "S")
    row = write_backs.of_order(order_id)[0]
    assert (row.state, row.sent, row.answer) == ("done", True, "S") and "enter T-1 in the shop by hand" in row.note
    assert shipments.of_order(order_id)[0].note == row.note
    page = views.order_page(order_id, with_customers=True)
    assert any("enter T-1 in the shop by hand" in event.text for event in page.timeline)
    do(integration_id, "orders")
    assert fresh(db, order_id).state == "shipped" and db.session.scalars(select(OrderChange)).all() == []
    # Entered by hand there, it is seen here, and nobody is asked for it any more.
    shop.store.add_tracking(shop.store.order(there), "T-1")
    shop.clear_requests()
    do(integration_id, "orders")
    assert fresh(db, order_id).tracking_numbers == ["T-1"] and writes(shop) == []


def test_the_api_generation_is_never_taken_backwards_and_updated_once(db, sold_by_api):
    shop, integration_id, there, order_id = sold_by_api
    shop.store.set_status(there, shipping="D")
    shipments.ship(order_id, "test")
    assert do(integration_id, "shipments").counts == {"there_already": 1}
    assert (writes(shop), shipping(shop, there)) == ([], "D")
    second = shop.store.place_order(lines=[(1, 1)])
    do(integration_id, "orders")
    shop.faults.add("error_after_write", True, times=1)
    shipments.ship(order_here(second), "test")
    for _ in range(2):
        with writing() as session:
            session.execute(update(WriteBack).values(due_at=utcnow()))
        do(integration_id, "shipments")
    assert (shipping(shop, second), len(writes(shop))) == ("S", 1)
    assert [row.state for row in write_backs.of_order(order_here(second))] == ["done"]


def test_our_own_write_back_is_not_noted_as_a_change_of_the_shops(db, shop, sold):
    integration_id, there, order_id = sold
    shipments.ship(order_id, "test", tracking_number="T-1")
    do(integration_id, "shipments")
    do(integration_id, "orders")
    assert db.session.scalars(select(OrderChange)).all() == []
    assert fresh(db, order_id).state == "shipped"
    assert items.find_stock_item("PLATE").on_hand == 5


def test_an_order_the_shop_shipped_already_is_left_alone(db, shop, sold):
    integration_id, there, order_id = sold
    shop.store.set_status(there, shipping="D")
    shipments.ship(order_id, "test")
    run = do(integration_id, "shipments")
    assert (run.counts, writes(shop), shipping(shop, there)) == ({"there_already": 1}, [], "D")
    row = write_backs.of_order(order_id)[0]
    assert (row.state, row.sent) == ("done", False) and "further along" in row.note
    do(integration_id, "orders")
    assert items.find_stock_item("CUP").on_hand == 18


def test_shipping_twice_is_refused_and_changes_nothing(db, shop, sold):
    _, _, order_id = sold
    shipments.ship(order_id, "test")
    with pytest.raises(Conflict, match="shipped already"):
        shipments.ship(order_id, "test")
    assert len(shipments.of_order(order_id)) == 1
    assert items.find_stock_item("CUP").on_hand == 18


def test_part_of_an_order_waits_for_the_rest_where_no_status_is_set_for_it(db, shop, sold):
    integration_id, there, order_id = sold
    cup, plate = fresh(db, order_id).lines
    done = shipments.ship(order_id, "test", tracking_number="A", quantities={cup.id: 2, plate.id: 1})
    assert (done.state, done.event) == ("part_shipped", "")
    assert "whole order" in shipments.of_order(order_id)[0].note
    assert (items.find_stock_item("PLATE").on_hand, items.find_stock_item("PLATE").reserved) == (7, 2)
    assert do(integration_id, "shipments").requests == 0
    shipments.ship(order_id, "test", tracking_number="B")
    do(integration_id, "shipments")
    assert (shipping(shop, there), shop.store.tracking(there), len(writes(shop))) == ("S", ["A", "B"], 1)
    assert [shipment.note for shipment in shipments.of_order(order_id)] == ["", ""]


def test_part_shipped_has_a_separate_status_where_one_is_set(db, shop, sold):
    integration_id, there, order_id = sold
    with writing() as session:
        session.get(Integration, integration_id).part_shipped_status = "P"
    cup, _ = fresh(db, order_id).lines
    assert shipments.ship(order_id, "test", tracking_number="A", quantities={cup.id: 1}).event == "part_shipped"
    do(integration_id, "shipments")
    assert (shipping(shop, there), shop.store.tracking(there)) == ("P", ["A"])
    shipments.ship(order_id, "test", tracking_number="B")
    do(integration_id, "shipments")
    assert (shipping(shop, there), shop.store.tracking(there)) == ("S", ["A", "B"])
    do(integration_id, "orders")
    assert fresh(db, order_id).state == "shipped"
    assert (items.find_stock_item("CUP").on_hand, items.find_stock_item("CUP").reserved) == (18, 0)


def test_what_cannot_be_shipped_is_refused_in_a_sentence(db, shop, sold):
    _, there, order_id = sold
    cup, _ = fresh(db, order_id).lines
    with pytest.raises(InvalidInput, match="3 cannot be shipped, 2 are left"):
        shipments.ship(order_id, "test", quantities={cup.id: 3})
    with pytest.raises(InvalidInput, match="No line"):
        shipments.ship(order_id, "test", quantities={cup.id: 0})
    with pytest.raises(InvalidInput, match="too long"):
        shipments.ship(order_id, "test", tracking_number="x" * 300)
    assert shipments.of_order(order_id) == []


@pytest.mark.one_database
@pytest.mark.parametrize("damaged", ["9.40011E+21", "9,40011e+21", "940011189956001000000", "########", "#NAME?"])
def test_a_tracking_number_that_a_spreadsheet_has_damaged_is_refused_wherever_it_is_typed(db, shop, sold, damaged):
    _, _, order_id = sold
    with pytest.raises(InvalidInput, match="spreadsheet") as refused:
        shipments.ship(order_id, "test", carrier="UPS", tracking_number=damaged)
    assert refused.value.field == "tracking"
    assert db.session.scalar(select(Shipment.id)) is None


def test_a_cancelled_order_blocks_shipping_until_that_is_marked_as_seen(db, shop, sold):
    integration_id, there, order_id = sold
    shop.store.cancel_order(there)
    do(integration_id, "orders")
    assert items.find_stock_item("CUP").reserved == 0
    with pytest.raises(Conflict, match="Mark the cancellation as seen"):
        shipments.ship(order_id, "test")
    assert shipments.mark_cancellation_seen([order_id], "test") == 1
    assert shipments.ship(order_id, "test").state == "cancelled"


def test_an_order_cancelled_before_the_write_back_is_not_marked_shipped(db, shop, sold):
    integration_id, there, order_id = sold
    shipments.ship(order_id, "test")
    shop.store.cancel_order(there)
    do(integration_id, "orders")
    run = do(integration_id, "shipments")
    assert (run.outcome, writes(shop), shipping(shop, there)) == ("partial", [], "N")
    row = write_backs.of_order(order_id)[0]
    assert row.state == "failed" and "cancelled" in row.error
    with pytest.raises(Conflict, match="has not been read"):
        trying_again.try_again([row.id], "test")
    assert shipments.mark_cancellation_seen([order_id], "test") == 1
    do(integration_id, "shipments")
    assert (writes(shop), write_backs.of_order(order_id)[0].state) == ([], "handled")


def test_a_shop_that_is_away_is_updated_later(db, shop, sold):
    integration_id, there, order_id = sold
    shipments.ship(order_id, "test", tracking_number="T")
    shop.faults.add("status", 503, match="_path=order")
    run = do(integration_id, "shipments")
    assert (run.outcome, shipping(shop, there)) == ("failed", "N")
    assert write_backs.of_order(order_id)[0].state == "waiting"
    db.session.rollback()
    assert db.session.get(Integration, integration_id).flows["shipments"].due_at > utcnow()
    shop.faults.clear()
    do(integration_id, "shipments")
    assert (shipping(shop, there), shop.store.tracking(there)) == ("S", ["T"])


def test_one_order_the_shop_has_no_more_stops_no_other(db, shop, sold):
    integration_id, there, order_id = sold
    second = shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    do(integration_id, "orders")
    shipments.ship(order_id, "test")
    shipments.ship(order_here(second), "test")
    shop.store.delete_order(there)
    run = do(integration_id, "shipments")
    # One answer may be wrong: the next run of orders asks for it again.
    assert (run.outcome, run.counts) == ("partial", {"retrying": 1, "sent": 1})
    row = write_backs.of_order(order_id)[0]
    assert row.state == "waiting" and "no order" in row.error
    do(integration_id, "orders")
    assert write_backs.of_order(order_id)[0].state == "failed"


@pytest.mark.parametrize("hours_ahead", (0, 3))
def test_a_run_that_died_on_the_way_is_gone_on_with_and_nothing_is_sent_twice(db, shop, sold, hours_ahead):
    """The shop has taken the write-back, but the worker died before it could note that; its clock may have been ahead."""
    integration_id, there, order_id = sold
    shipments.ship(order_id, "test", tracking_number="T")
    run_id = runs_lifecycle.start_run(integration_id, "shipments", "test").id
    lease = runs_lifecycle.claim(run_id)
    claimed = write_backs._claim(lease)
    channel = connection.open_channel(db.session.get_one(Integration, integration_id))
    channel.put_shipment(claimed.external_id, status="S", tracking_numbers=claimed.tracking_numbers)
    channel.close()
    with writing() as session:
        session.get_one(SyncRun, run_id).lease_until = utcnow() - timedelta(seconds=1)
        session.get_one(WriteBack, claimed.id).due_at += timedelta(hours=hours_ahead)
    assert runs_lifecycle.release_dead_runs() == [run_id]
    assert write_backs.of_order(order_id)[0].state == "sending"
    started = schedule.start_due_runs(kinds=("shipments",))
    assert execution.perform(started[0]).counts == {"there_already": 1}
    assert (shop.store.tracking(there), len(writes(shop))) == (["T"], 1)
    assert write_backs.of_order(order_id)[0].state == "done"


def test_a_run_that_failed_by_our_own_fault_is_followed_by_another(db, shop, sold):
    integration_id, there, order_id = sold
    shipments.ship(order_id, "test", tracking_number="T")
    with writing() as session:
        session.execute(update(WriteBack).values(event="odd"))
    run_id = runs_lifecycle.start_run(integration_id, "shipments", "test").id
    with pytest.raises(KeyError):
        execution.perform(run_id)
    assert runs_lifecycle.find_run(run_id).outcome == "failed"
    with writing() as session:
        session.execute(update(WriteBack).values(event="shipped"))
        integration = session.get_one(Integration, integration_id)
        assert timedelta(seconds=5) < integration.flows["shipments"].due_at - utcnow() < timedelta(minutes=1)
        integration.flows["shipments"].due_at = utcnow()
    assert execution.perform(schedule.start_due_runs(kinds=("shipments",))[0]).counts == {"sent": 1}
    assert shop.store.tracking(there) == ["T"]


def test_what_a_stopped_run_has_left_is_sent_by_another(db, shop, sold):
    integration_id, _, order_id = sold
    there = shop.store.place_order([(products(shop)["PLATE"], 1)])
    do(integration_id, "orders")
    shipments.ship(order_id, "test", tracking_number="T1")
    shipments.ship(order_here(there), "test", tracking_number="T2")
    run_id = runs_lifecycle.start_run(integration_id, "shipments", "test").id
    stopped = execution.perform(run_id, report=lambda *_: runs_lifecycle.request_stop(run_id))
    assert (stopped.outcome, len(shop.store.tracking(there))) == ("stopped", 0)
    with writing() as session:
        integration = session.get_one(Integration, integration_id)
        assert timedelta(0) < integration.flows["shipments"].due_at - utcnow() <= timedelta(minutes=5)
        integration.flows["shipments"].due_at = utcnow()
    assert execution.perform(schedule.start_due_runs(kinds=("shipments",))[0]).counts == {"sent": 1}
    assert shop.store.tracking(there) == ["T2"]


def test_a_read_only_key_keeps_write_backs_waiting(db, shop, sold):
    integration_id, there, order_id = sold
    shipments.ship(order_id, "test")
    with writing() as session:
        session.get(Integration, integration_id).writes_refused = True
    assert schedule.start_due_runs(kinds=("shipments",)) == []
    assert write_backs.of_order(order_id)[0].state == "waiting"


def test_an_order_cancelled_here_frees_its_stock_and_the_shop_is_updated_where_a_status_is_set(db, shop, sold):
    integration_id, there, order_id = sold
    with writing() as session:
        session.get(Integration, integration_id).cancelled_status = "WND"
    assert shipments.cancel_order(order_id, "test") == "cancelled"
    assert (fresh(db, order_id).state, items.find_stock_item("CUP").reserved) == ("cancelled", 0)
    do(integration_id, "shipments")
    assert shipping(shop, there) == "WND"
    do(integration_id, "orders")
    assert (fresh(db, order_id).state, fresh(db, order_id).cancel_unseen) == ("cancelled", False)
    with pytest.raises(Conflict):
        shipments.ship(order_id, "test")


def test_many_orders_are_shipped_and_those_that_cannot_be_are_named(db, shop, sold):
    integration_id, there, order_id = sold
    waiting = shop.store.place_order(lines=[(products(shop)["CUP"], 1)], payment="Q")
    do(integration_id, "orders")
    done, refused = shipments.ship_many([(order_id, "C", "1"), (order_here(waiting), "C", "2")], "test")
    assert [each.order_id for each in done] == [order_id]
    assert [each.reason for each in refused] == [f"Order {waiting} still awaits payment."]
    assert db.session.scalars(select(Shipment.tracking_number)).all() == ["1"]
    assert len(db.session.scalars(select(WriteBack)).all()) == 1
