"""Voiding a shipment that its shop may know of, and changing its tracking number."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from errors import Conflict
from extensions import db, writing
from models import Integration, OrderChange, Shipment, StockItem, SyncRun, WriteBack
from models.types import utcnow
from services.integrations import lifecycle
from services.orders import views
from services.shipping import by_hand, shipments, undo, voiding
from services.stock import items
from services.sync import schedule
from tests.services.shipping.looks import HELD, due, fresh, levels, lose_the_answer, pass_the_wait, shipping, states
from tests.support.books import books_balance
from tests.support.shops import do


def test_a_voided_shipment_can_be_shipped_again_and_the_shop_never_goes_back(shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", tracking_number="T-1")
    do(integration_id, "shipments")
    do(integration_id, "orders")
    shop.clear_requests()
    changed = voiding.void(done.shipment_id, "user:ann")
    assert (changed.state, levels("CUP")) == ("ready", (20, 2))
    assert changed.left == [
        "Remove the tracking number T-1 in the shop.", "If the order is not shipped again, set its shipping status back in the shop.",
    ]  # fmt: skip
    # Later readings still show it as shipped, and it stays open here.
    shop.store.touch_order(shop.store.order(there))
    for kind in ("orders", "shipments"):
        do(integration_id, kind)
    assert fresh(order_id).state == "ready" and levels("CUP") == (20, 2)
    assert [request for request in shop.requests if request["method"] != "GET"] == []
    shipments.ship(order_id, "test", tracking_number="T-2")
    do(integration_id, "shipments")
    do(integration_id, "orders")
    assert (shipping(shop, there), shop.store.tracking(there)) == ("S", ["T-1", "T-2"])
    assert (fresh(order_id).state, levels("CUP")) == ("shipped", (18, 0))
    assert [task.kind for task in by_hand.tasks(order_id)] == ["number"]
    with pytest.raises(Conflict, match="voided already"):
        voiding.void(done.shipment_id, "test")
    by_hand.mark_entered([order_id], "user:ann")
    assert by_hand.tasks(order_id) == []
    books_balance()


@pytest.mark.one_database
def test_what_was_done_in_the_shop_need_not_be_ticked_off_here(shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", tracking_number="T-1")
    do(integration_id, "shipments")
    do(integration_id, "orders")
    voiding.void(done.shipment_id, "test")
    order = shop.store.order(there)
    order.trackings.clear()
    shop.store.set_status(there, shipping="N")
    do(integration_id, "orders")
    assert (by_hand.tasks(order_id), fresh(order_id).state, fresh(order_id).reopened_status) == ([], "ready", "")
    # A person who now marks it as shipped there means it.
    shop.store.set_status(there, shipping="S")
    do(integration_id, "orders")
    assert (fresh(order_id).state, levels("CUP")) == ("shipped", (18, 0))
    books_balance()


@pytest.mark.one_database
def test_a_shipment_that_may_have_arrived_is_voided_and_what_arrives_late_does_not_ship_it_again(shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", tracking_number="T-1")
    lose_the_answer(integration_id)
    assert states(order_id) == ["waiting"] and shipping(shop, there) == "S"
    changed = voiding.void(done.shipment_id, "test")
    assert changed.state == "ready" and states(order_id) == ["undone"]
    do(integration_id, "orders")
    assert (fresh(order_id).state, levels("CUP")) == ("ready", (20, 2))
    books_balance()


@pytest.mark.one_database
def test_what_a_dead_worker_was_sending_when_the_shop_was_disabled_is_voided_and_never_sent(shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", tracking_number="T-1")
    dead = do(integration_id, "stock")
    with writing() as session:
        session.execute(update(WriteBack).values(state="sending", run_id=dead.id, tried_at=utcnow()))
        session.execute(update(SyncRun).where(SyncRun.id == dead.id).values(state="running"))
    with pytest.raises(Conflict, match="at this moment"):
        voiding.void(done.shipment_id, "test")
    with writing() as session:
        session.execute(update(SyncRun).where(SyncRun.id == dead.id).values(state="finished", outcome="lost"))
    lifecycle.set_enabled(integration_id, False, "test")
    assert voiding.void(done.shipment_id, "test").state == "ready"
    lifecycle.set_enabled(integration_id, True, "test")
    pass_the_wait()
    do(integration_id, "shipments")
    assert (states(order_id), shipping(shop, there), shop.store.tracking(there)) == (["undone"], "N", [])
    books_balance()


@pytest.mark.one_database
def test_voiding_one_of_two_parcels_leaves_the_other(shop, sold):
    integration_id, there, order_id = sold
    first = shipments.ship(order_id, "test", tracking_number="A")
    shipments.add_parcel(order_id, "test", tracking_number="B")
    changed = voiding.void(first.shipment_id, "test")
    assert (changed.state, changed.left, states(order_id)[:2]) == ("ready", [], ["replaced", "undone"])
    do(integration_id, "shipments")
    assert shop.store.tracking(there) in ([], ["B"]) and shipping(shop, there) != "S"


@pytest.mark.one_database
def test_a_new_tracking_number_is_added_and_the_old_one_is_listed(shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", carrier="C", tracking_number="OLD")
    do(integration_id, "shipments")
    changed = voiding.edit_tracking(done.shipment_id, "user:ann", carrier="Other", tracking_number="NEW")
    assert changed.left == ["Remove the tracking number OLD in the shop."]
    do(integration_id, "shipments")
    assert (shop.store.tracking(there), shipping(shop, there)) == (["OLD", "NEW"], "S")
    db.session.rollback()
    row = shipments.of_order(order_id)[0]
    assert (row.carrier, row.tracking_number) == ("Other", "NEW")
    assert db.session.scalar(select(func.count()).select_from(Shipment)) == 1
    said = [(event.title, event.text, event.fields) for event in views.order_page(order_id, with_customers=True).timeline]
    assert ("Shipped by test", "2 × CUP, 3 × PLATE with C OLD.", []) in said
    assert ("Tracking changed by ann", "", [("parcel", "C OLD", "Other NEW")]) in said
    # Back to the old number: there is nothing to remove any more but the new one.
    voiding.edit_tracking(done.shipment_id, "user:ann", carrier="Other", tracking_number="OLD")
    db.session.rollback()
    assert [task.value for task in by_hand.tasks(order_id)] == ["NEW"]


@pytest.mark.one_database
def test_numbers_after_the_first_stay_although_a_download_shows_only_the_first(shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", tracking_number="T-1")
    do(integration_id, "shipments")
    for number in ("T-2", "T-3"):
        voiding.edit_tracking(done.shipment_id, "user:ann", carrier="", tracking_number=number)
        do(integration_id, "shipments")
    assert shop.store.tracking(there) == ["T-1", "T-2", "T-3"]
    shop.store.touch_order(shop.store.order(there))
    do(integration_id, "orders")
    # The shop still has all three: nothing was changed there, and both old numbers are still to be removed.
    assert fresh(order_id).tracking_numbers == ["T-1", "T-2", "T-3"]
    assert "tracking_numbers" not in [name for change in db.session.scalars(select(OrderChange)) for name in change.fields]
    assert [task.value for task in by_hand.tasks(order_id)] == ["T-1", "T-2"]
    # A person removes the first: the next one is shown now.
    order = shop.store.order(there)
    del order.trackings[0]
    shop.store.touch_order(order)
    do(integration_id, "orders")
    assert fresh(order_id).tracking_numbers == ["T-2", "T-3"]
    assert [task.value for task in by_hand.tasks(order_id)] == ["T-2"]
    order.trackings.clear()
    shop.store.touch_order(order)
    do(integration_id, "orders")
    assert (fresh(order_id).tracking_numbers, by_hand.tasks(order_id)) == ([], [])


@pytest.mark.one_database
def test_a_number_changed_before_it_was_sent_is_sent_alone_and_can_still_be_undone(shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", tracking_number="OLD", together=HELD)
    assert voiding.edit_tracking(done.shipment_id, "test", carrier="", tracking_number="NEW").left == []
    assert schedule.start_due_runs(kinds=("shipments",)) == []
    pass_the_wait()
    do(integration_id, "shipments")
    assert shop.store.tracking(there) == ["NEW"]


@pytest.mark.one_database
def test_an_edited_shipment_is_undone_with_its_new_write_back(sold):
    integration_id, _, order_id = sold
    done = shipments.ship(order_id, "test", tracking_number="OLD", together=HELD)
    voiding.edit_tracking(done.shipment_id, "test", carrier="", tracking_number="NEW")
    undo.undo(done.shipment_id, "test")
    assert (states(order_id), due(integration_id)) == (["replaced", "undone"], None)


@pytest.mark.one_database
def test_damaged_numbers_are_refused_when_they_are_changed(sold):
    _, _, order_id = sold
    done = shipments.ship(order_id, "test", tracking_number="OLD")
    with pytest.raises(Exception, match="spreadsheet|scientific|digits|E\\+"):
        voiding.edit_tracking(done.shipment_id, "test", carrier="", tracking_number="1,23457E+12")


@pytest.mark.one_database
def test_a_shipment_from_before_its_units_were_stored_gives_back_no_more_than_it_took(sold):
    _, _, order_id = sold
    items.set_stock("CUP", 1, "test")
    with writing() as session:
        session.execute(update(Integration).values(with_back_orders=True))
    from services.orders import rereading

    rereading.evaluate_orders([order_id], "test")
    done = shipments.ship(order_id, "test")
    from models import ShipmentLine

    with writing() as session:
        session.execute(update(ShipmentLine).values(taken=None))
    voiding.void(done.shipment_id, "test")
    assert levels("CUP") == (1, 1)
    assert db.session.scalar(select(StockItem.on_hand).where(StockItem.sku == "CUP")) == 1
    books_balance()


@pytest.mark.one_database
def test_an_edited_number_of_a_part_that_the_shop_has_no_status_for_still_says_when_it_is_sent(sold):
    integration_id, there, order_id = sold
    line = fresh(order_id).lines[0].id
    done = shipments.ship(order_id, "test", tracking_number="OLD", quantities={line: 1})
    voiding.edit_tracking(done.shipment_id, "test", carrier="", tracking_number="NEW")
    db.session.rollback()
    assert shipments.of_order(order_id)[0].note == shipments.SENT_LATER
    assert states(order_id) == []


@pytest.mark.one_database
def test_voiding_a_parcel_of_an_order_that_was_called_off_leaves_what_a_person_has_to_decide(sold, shop):
    integration_id, there, order_id = sold
    first = shipments.ship(order_id, "test", tracking_number="A", quantities={fresh(order_id).lines[0].id: 1})
    shipments.ship(order_id, "test", tracking_number="B")
    shop.store.set_status(there, payment="C")
    do(integration_id, "shipments")
    assert states(order_id)[-1] == "failed"
    voiding.void(first.shipment_id, "test")
    assert states(order_id)[-1] == "failed"
