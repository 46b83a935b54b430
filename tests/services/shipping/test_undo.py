"""Undoing a shipment before its shop knows of it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from errors import Conflict
from extensions import db, writing
from models import Integration, StockEntry, WriteBack
from models.types import utcnow
from services.listings import manual_links
from services.order_basics import holds
from services.orders import deletions
from services.shipping import files, shipments, trying_again, undo
from services.stock import items
from services.sync import schedule
from tests.services.shipping.looks import HELD, due, fresh, levels, lose_the_answer, pass_the_wait, shipping, states
from tests.support.books import books_balance
from tests.support.shops import do, order_here, products


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
    trying_again.try_again(trying_again.unsent(order_id), "test")
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
        thread.join(90)
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
        thread.join(90)
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
def test_a_shipment_of_an_order_that_the_shop_deleted_meanwhile_is_undone(shop, sold):
    """Its update of the shop failed without having been tried, so the shop cannot know of it."""
    integration_id, there, order_id = sold
    done = shipments.ship(order_id, "test", tracking_number="T-1", together=HELD)
    with writing():
        deletions.mark_gone(holds.rules_for_shop(fresh(order_id).shop_id), order_id)
    assert states(order_id) == ["failed"]
    undo.undo(done.shipment_id, "test")
    assert (states(order_id), fresh(order_id).state, levels("CUP")) == (["undone"], "on_hold", (20, 2))
    deletions.mark_seen([order_id], "test")
    assert (fresh(order_id).state, levels("CUP"), levels("PLATE")) == ("cancelled", (20, 0), (8, 0))
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
