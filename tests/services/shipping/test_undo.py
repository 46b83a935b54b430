"""Undoing a shipment before its shop knows of it, voiding one after, and changing its tracking number."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from errors import Conflict
from extensions import db, writing
from models import Flow, FlowKind, Integration, Order, Shipment, StockEntry, StockItem, WriteBack
from models.types import utcnow
from services.listings import manual_links
from services.orders import views
from services.shipping import by_hand, files, shipments, undo, voiding, write_backs
from services.stock import items
from services.sync import schedule
from tests.support.books import books_balance
from tests.support.shops import do, order_here, products

HELD = shipments.Together(undo.WAIT, "sheet-1")


def fresh(order_id: int) -> Order:
    db.session.rollback()
    return db.session.get(Order, order_id, populate_existing=True)


def levels(sku: str) -> tuple[int, int]:
    db.session.rollback()
    item = items.find_stock_item(sku)
    return item.on_hand, item.reserved


def states(order_id: int) -> list[str]:
    db.session.rollback()
    return [row.state for row in write_backs.of_order(order_id)]


def due(integration_id: int):
    db.session.rollback()
    return db.session.scalar(select(Flow.due_at).where(Flow.integration_id == integration_id, Flow.kind == FlowKind.SHIPMENTS))


def pass_the_wait() -> None:
    with writing() as session:
        session.execute(update(WriteBack).where(WriteBack.state == "waiting").values(due_at=utcnow()))
        session.execute(update(Flow).where(Flow.kind == FlowKind.SHIPMENTS, Flow.due_at.is_not(None)).values(due_at=utcnow()))


def lose_the_answer(integration_id: int) -> None:
    """The shop stores what it was sent, and its answer does not arrive."""
    do(integration_id, "shipments")
    with writing() as session:
        session.execute(update(WriteBack).values(state="waiting", sent=False, finished_at=None))
        session.execute(update(Order).values(shipping_status="N", tracking_numbers=[]))


def shipping(shop, there: int) -> str:
    return shop.store.status("shipping", shop.store.order(there).shipping_id).code


@pytest.mark.one_database
def test_the_shop_is_updated_after_the_wait_and_no_run_starts_before(shop, sold):
    integration_id, there, order_id = sold
    shipments.ship(order_id, "test", tracking_number="T-1", together=HELD)
    assert timedelta(seconds=28) < due(integration_id) - utcnow() <= undo.WAIT
    assert schedule.start_due_runs(kinds=("shipments",)) == []
    assert do(integration_id, "shipments").counts == {} and shipping(shop, there) == "N"
    pass_the_wait()
    assert do(integration_id, "shipments").counts == {"sent": 1}
    assert (shipping(shop, there), shop.store.tracking(there)) == ("S", ["T-1"])


def test_undo_takes_everything_back_and_sends_nothing(shop, sold):
    integration_id, there, order_id = sold
    before = levels("CUP"), levels("PLATE")
    done = shipments.ship(order_id, "test", carrier="C", tracking_number="T-1", together=HELD)
    assert levels("CUP") == (18, 0)
    assert undo.undo(done.shipment_id, "user:ann") == order_id
    assert (levels("CUP"), levels("PLATE")) == before
    assert (fresh(order_id).state, states(order_id), due(integration_id)) == ("ready", ["undone"], None)
    entries = db.session.scalars(select(StockEntry).where(StockEntry.cause == "undone", StockEntry.actor == "user:ann")).all()
    assert sorted((entry.on_hand_change, entry.reserved_change) for entry in entries) == [(0, 2), (0, 3), (2, 0), (3, 0)]
    pass_the_wait()
    do(integration_id, "shipments")
    assert [request for request in shop.requests if request["method"] != "GET"] == []
    with pytest.raises(Conflict, match="undone already"):
        undo.undo(done.shipment_id, "test")
    shipments.ship(order_id, "test", tracking_number="T-2")
    do(integration_id, "shipments")
    assert shop.store.tracking(there) == ["T-2"] and levels("CUP") == (18, 0)
    books_balance()


@pytest.mark.one_database
def test_what_a_run_has_claimed_is_already_sent(shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", together=HELD)
    pass_the_wait()
    lose_the_answer(integration_id)
    assert states(order_id) == ["waiting"]
    write_backs.try_again(write_backs.unsent(order_id), "test")
    with pytest.raises(undo.AlreadySent, match="Already sent"):
        undo.undo(done.shipment_id, "test")
    assert fresh(order_id).state == "shipped" and levels("CUP") == (18, 0)
    do(integration_id, "shipments")
    with pytest.raises(undo.AlreadySent):
        undo.undo(done.shipment_id, "test")


@pytest.mark.both_databases
def test_a_run_and_an_undo_at_the_same_moment_agree(shop, sold, app):
    integration_id, there, order_id = sold
    for number in range(4):
        done = shipments.ship(order_id, "test", tracking_number=f"T-{number}", together=HELD)
        pass_the_wait()
        answers = []

        def take_back(shipment_id=done.shipment_id, answers=answers):
            with app.app_context():
                try:
                    answers.append(undo.undo(shipment_id, "test"))
                except undo.AlreadySent:
                    answers.append("sent")

        thread = threading.Thread(target=take_back)
        thread.start()
        do(integration_id, "shipments")
        thread.join(30)
        if answers == ["sent"]:
            assert (shipping(shop, there), fresh(order_id).state) == ("S", "shipped")
            break
        assert (shipping(shop, there), fresh(order_id).state, answers) == ("N", "ready", [order_id])
    books_balance()


def test_two_people_who_undo_at_the_same_moment_take_back_once(sold, app):
    _, _, order_id = sold
    done = shipments.ship(order_id, "test", together=HELD)
    answers = []

    def take_back():
        with app.app_context():
            try:
                answers.append(undo.undo(done.shipment_id, "test"))
            except Conflict:
                answers.append("refused")

    threads = [threading.Thread(target=take_back) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, answers)) == sorted([str(order_id), "refused", "refused"])
    assert levels("CUP") == (20, 2)
    books_balance()


@pytest.mark.one_database
def test_undoing_the_rest_lets_the_first_part_be_sent_as_it_was(shop, sold):
    integration_id, there, order_id = sold
    set_part_status(integration_id)
    cup, plate = (line.id for line in fresh(order_id).lines)
    shipments.ship(order_id, "test", tracking_number="PART", quantities={cup: 2}, together=HELD)
    rest = shipments.ship(order_id, "test", tracking_number="REST", together=HELD)
    assert states(order_id) == ["replaced", "waiting"]
    undo.undo(rest.shipment_id, "test")
    assert (states(order_id), fresh(order_id).state) == (["waiting", "undone"], "part_shipped")
    assert due(integration_id) is not None
    pass_the_wait()
    do(integration_id, "shipments")
    assert shop.store.tracking(there) == ["PART"] and shipping(shop, there) == "P"
    books_balance()


def set_part_status(integration_id: int) -> None:
    with writing() as session:
        session.get(Integration, integration_id).part_shipped_status = "P"


@pytest.mark.one_database
def test_an_earlier_parcel_is_undone_after_the_later(sold):
    _, _, order_id = sold
    first = shipments.ship(order_id, "test", tracking_number="A", together=HELD)
    second = shipments.add_parcel(order_id, "test", tracking_number="B", together=HELD)
    with pytest.raises(Conflict, match="later parcel"):
        undo.undo(first.shipment_id, "test")
    assert undo.undo_batch("sheet-1", "test") == (2, [])
    assert (states(order_id), fresh(order_id).state, second.order_id) == (["undone", "undone"], "ready", order_id)
    assert levels("CUP") == (20, 2)


@pytest.mark.one_database
def test_a_kit_gives_back_what_it_took(shop, sold):
    integration_id, _, _ = sold
    kit = shop.store.add_product(sku="SET", name="Set", price=30, amount=5)
    do(integration_id, "listings")
    from models import Listing

    manual_links.link_listing(
        db.session.scalar(select(Listing.id).where(Listing.sku == "SET")), [("CUP", 2), ("PLATE", 1)], "test"
    )
    there = shop.store.place_order(lines=[(kit, 2)])
    do(integration_id, "orders")
    before = levels("CUP"), levels("PLATE")
    done = shipments.ship(order_here(there), "test", together=HELD)
    assert (levels("CUP"), levels("PLATE")) != before
    undo.undo(done.shipment_id, "test")
    assert (levels("CUP"), levels("PLATE")) == before
    books_balance()


@pytest.mark.one_database
def test_an_order_that_the_shop_cancelled_meanwhile_frees_its_units(shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", together=HELD)
    shop.store.cancel_order(there)
    do(integration_id, "orders")
    undo.undo(done.shipment_id, "test")
    assert (fresh(order_id).state, levels("CUP")) == ("cancelled", (20, 0))
    books_balance()


@pytest.mark.one_database
def test_an_order_that_the_shop_shows_as_shipped_meanwhile_is_not_undone(shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", together=HELD)
    shop.store.set_status(there, shipping="S")
    do(integration_id, "orders")
    with pytest.raises(undo.AlreadySent, match="as shipped already"):
        undo.undo(done.shipment_id, "test")


@pytest.mark.one_database
def test_a_line_that_the_shop_took_out_meanwhile_gives_back_its_units(shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", together=HELD)
    shop.store.edit_order(there, [(products(shop)["PLATE"], 5)])
    do(integration_id, "orders")
    undo.undo(done.shipment_id, "test")
    assert (fresh(order_id).state, levels("CUP"), levels("PLATE")) == ("ready", (20, 0), (8, 5))
    books_balance()


@pytest.mark.one_database
def test_units_that_are_no_longer_there_hold_the_order(shop, sold):
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", together=HELD)
    items.set_stock("CUP", 0, "test")
    undo.undo(done.shipment_id, "test")
    assert (fresh(order_id).state, levels("CUP")) == ("ready", (2, 2))
    # Shipped with fewer pieces than there were: no more come back than were taken.
    items.set_stock("CUP", 0, "test")
    assert "CUP: 2 of 2 not in stock." in fresh(order_id).note
    books_balance()


def test_a_file_is_undone_as_a_whole(shop, sold):
    integration_id, there, order_id = sold
    second = shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    do(integration_id, "orders")
    numbers = [fresh(one).number for one in (order_id, order_here(second))]
    file = files.read_file(f"number,tracking\n{numbers[0]},A\n{numbers[0]},B\n{numbers[1]},C\n".encode(), "x.csv", "user:ann")
    files.accept(file.id)
    files.work(file.id)
    assert due(integration_id) - utcnow() > timedelta(seconds=25)
    files.want_undo(file.id, "user:bob")
    # Nothing is sent while it is undone.
    assert due(integration_id) - utcnow() > timedelta(minutes=5)
    assert files.due_files() == [file.id]
    files.work(file.id)
    after = files.get_file(file.id)
    assert (after.undone_at is not None, after.kept) == (True, [])
    assert {fresh(order_id).state, fresh(order_here(second)).state} == {"ready"}
    assert due(integration_id) is None
    with pytest.raises(Conflict, match="undone already"):
        files.want_undo(file.id, "user:bob")
    books_balance()


@pytest.mark.one_database
def test_what_a_file_has_sent_is_named_when_the_rest_is_undone(shop, sold):
    integration_id, there, order_id = sold
    second = shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    do(integration_id, "orders")
    numbers = [fresh(one).number for one in (order_id, order_here(second))]
    file = files.read_file(f"number,tracking\n{numbers[0]},A\n{numbers[1]},C\n".encode(), "x.csv", "user:ann")
    files.accept(file.id)
    files.work(file.id)
    with writing() as session:
        session.execute(update(WriteBack).where(WriteBack.order_id == order_id).values(due_at=utcnow()))
    do(integration_id, "shipments")
    files.want_undo(file.id, "user:bob")
    files.work(file.id)
    kept = files.get_file(file.id).kept
    assert (
        [each["number"] for each in kept] == [numbers[0]]
        and "Already sent" in kept[0]["reason"]
        or "as shipped" in kept[0]["reason"]
    )
    assert (fresh(order_id).state, fresh(order_here(second)).state) == ("shipped", "ready")


# Void and edit


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
