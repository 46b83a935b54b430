"""A shop that cancels an order puts its units back on its shelf. Where nothing came back to ours, it is told so."""

from __future__ import annotations

from sqlalchemy import select

from models import Listing, Order
from services import shipments
from tests.support.shops import connect, do, products


def test_what_was_shipped_here_and_then_cancelled_there_is_not_offered_again(app, db, shop):
    cup = products(shop)["CUP"]
    integration_id = connect(shop)
    do(integration_id, "stock")
    order_id = shop.store.place_order([(cup, 3)])
    do(integration_id, "orders")
    shipments.ship(db.session.scalar(select(Order.id)), "test")
    do(integration_id, "stock")
    assert shop.store.amount(cup) == 17
    shop.store.cancel_order(order_id)
    assert shop.store.amount(cup) == 20
    do(integration_id, "orders")
    assert do(integration_id, "stock").counts == {"compared": 1, "sent": 1}
    assert shop.store.amount(cup) == 17


def test_what_was_cancelled_here_and_then_there_is_put_back_once(app, db, shop):
    cup = products(shop)["CUP"]
    integration_id = connect(shop)
    do(integration_id, "stock")
    order_id = shop.store.place_order([(cup, 3)])
    do(integration_id, "orders")
    shipments.cancel_order(db.session.scalar(select(Order.id)), "test")
    do(integration_id, "stock")
    assert shop.store.amount(cup) == 20
    shop.store.cancel_order(order_id)
    assert shop.store.amount(cup) == 23
    do(integration_id, "orders")
    do(integration_id, "stock")
    assert shop.store.amount(cup) == 20


def test_an_order_edited_there_after_it_was_shipped_is_compared_at_once(app, db, shop):
    """The shop has taken units off for it that nobody ships: what it offers is brought back to the books."""
    ids = products(shop)
    integration_id = connect(shop)
    do(integration_id, "stock")
    order_id = shop.store.place_order([(ids["CUP"], 3)])
    do(integration_id, "orders")
    shop.store.set_status(order_id, shipping="S")
    do(integration_id, "orders")
    do(integration_id, "stock")
    shop.store.edit_order(order_id, lines=[(ids["PLATE"], 2)])
    assert (shop.store.amount(ids["CUP"]), shop.store.amount(ids["PLATE"])) == (20, 6)
    do(integration_id, "orders")
    assert do(integration_id, "stock").counts == {"compared": 2, "sent": 2}
    assert (shop.store.amount(ids["CUP"]), shop.store.amount(ids["PLATE"])) == (17, 8)


def test_what_was_shipped_and_told_and_then_cancelled_there_is_not_offered_again(app, db, shop):
    cup = products(shop)["CUP"]
    integration_id = connect(shop)
    do(integration_id, "stock")
    order_id = shop.store.place_order([(cup, 3)])
    do(integration_id, "orders")
    shipments.ship(db.session.scalar(select(Order.id)), "test")
    do(integration_id, "shipments")
    do(integration_id, "orders")
    do(integration_id, "stock")
    shop.store.cancel_order(order_id)
    assert shop.store.amount(cup) == 20
    do(integration_id, "orders")
    assert do(integration_id, "stock").counts == {"compared": 1, "sent": 1}
    assert shop.store.amount(cup) == 17


def test_a_shipped_order_that_is_paid_or_refunded_moves_no_stock_there(app, db, shop):
    cup = products(shop)["CUP"]
    integration_id = connect(shop)
    do(integration_id, "stock")
    order_id = shop.store.place_order([(cup, 3)], payment="A")
    do(integration_id, "orders")
    shop.store.set_status(order_id, shipping="S")
    do(integration_id, "orders")
    do(integration_id, "stock")
    for payment in ("P", "R"):
        shop.store.set_status(order_id, payment=payment)
        assert do(integration_id, "orders").counts == {"changed": 1}
        assert db.session.scalar(select(Listing.id).where(Listing.stale)) is None
        db.session.rollback()
    assert shop.store.amount(cup) == 17


def test_a_refund_before_shipping_frees_our_stock_and_is_no_drift(app, db, shop):
    """The shop leaves its own quantity as it is (5.4 and 5.5, observed): it is told."""
    cup = products(shop)["CUP"]
    integration_id = connect(shop)
    do(integration_id, "stock")
    order_id = shop.store.place_order([(cup, 3)])
    do(integration_id, "stock")
    do(integration_id, "orders")
    do(integration_id, "stock")
    shop.store.set_status(order_id, payment="R")
    assert shop.store.amount(cup) == 17
    do(integration_id, "orders")
    assert do(integration_id, "stock").counts == {"compared": 1, "sent": 1}
    assert shop.store.amount(cup) == 20
