"""Kits: an order of one listing reserves each of its parts, whatever then becomes of the order."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from extensions import db
from models import Listing, Order, StockItem
from practice_shop import PracticeShop, Store
from services.listings import manual_links
from services.orders import views
from services.shipping import shipments
from services.stock import items
from tests.support.books import books_balance
from tests.support.shops import connect, do, products


@pytest.fixture
def kit(app, shop):
    """A shop whose listing SET is two cups and a plate; (integration id, product id of the set)."""
    there = shop.store.add_product(sku="SET", name="Tea set", price=30, amount=4)
    integration_id = connect(shop)
    do(integration_id, "stock")
    listing_id = db.session.scalar(select(Listing.id).where(Listing.sku == "SET"))
    db.session.rollback()
    manual_links.link_listing(listing_id, [("CUP", 2), ("PLATE", 1)], "test")
    return integration_id, there


def books(db) -> dict[str, tuple[int, int]]:
    """On hand and reserved by SKU, proven against the ledger and the lines."""
    books_balance()
    return {item.sku: (item.on_hand, item.reserved) for item in db.session.scalars(select(StockItem))}


def test_a_sold_kit_reserves_each_part_and_the_scarcest_decides_what_is_offered(db, shop, kit):
    integration_id, there = kit
    shop.store.place_order(lines=[(there, 2)])
    do(integration_id, "orders")
    assert (books(db)["CUP"], books(db)["PLATE"]) == ((20, 4), (8, 2))
    order = db.session.scalar(select(Order))
    assert (order.state, order.lines[0].reserved, len(order.lines[0].allocations)) == ("ready", 2, 2)
    do(integration_id, "stock")
    do(integration_id, "stock")
    ids = products(shop)
    assert (shop.store.amount(ids["SET"]), shop.store.amount(ids["CUP"]), shop.store.amount(ids["PLATE"])) == (6, 16, 6)


@pytest.mark.parametrize("how", ["ship here", "ship there", "cancel", "edit down", "edit away"])
def test_the_parts_follow_what_becomes_of_the_order(db, shop, kit, how):
    integration_id, there = kit
    order = shop.store.place_order(lines=[(there, 2)])
    do(integration_id, "orders")
    if how == "ship here":
        shipments.ship(db.session.scalar(select(Order.id)), "test")
        do(integration_id, "shipments")
    elif how == "ship there":
        shop.store.set_status(order, shipping="S")
    elif how == "cancel":
        shop.store.cancel_order(order)
    elif how == "edit down":
        shop.store.edit_order(order, [(there, 1)])
    else:
        shop.store.edit_order(order, [(products(shop)["PLATE"], 1)])
    do(integration_id, "orders")
    expected = {
        "ship here": ((16, 0), (6, 0)), "ship there": ((16, 0), (6, 0)), "cancel": ((20, 0), (8, 0)),
        "edit down": ((20, 2), (8, 1)), "edit away": ((20, 0), (8, 1)),
    }  # fmt: skip
    assert (books(db)["CUP"], books(db)["PLATE"]) == expected[how]


@pytest.mark.parametrize("kit_first", [True, False], ids=["kit first", "piece first"])
def test_a_part_of_a_kit_sold_twice_is_said_on_both_orders(db, shop, kit, kit_first):
    one, there = kit
    store = Store()
    cup = store.add_product(sku="CUP", name="Cup", price=12, amount=20)
    with PracticeShop(store=store) as other:
        two = connect(other, "Other")
        do(two, "stock")
        items.set_stock("CUP", 2, "test")
        for integration_id in (one, two):
            do(integration_id, "stock")
        shop.store.place_order(lines=[(there, 1)])
        store.place_order(lines=[(cup, 1)])
        for integration_id in (one, two) if kit_first else (two, one):
            do(integration_id, "orders")
    first, second = db.session.scalars(select(Order.id).order_by(Order.id)).all()
    places = ("Shop", "Other") if kit_first else ("Other", "Shop")
    assert views.oversold(second) == [f"CUP: 1 is missing, because order 1 of {places[0]} took the last."]
    assert views.oversold(first) == [f"CUP: this order took the last; order 1 of {places[1]} sold 1 that is not there."]
    books(db)


def test_a_kit_that_lacks_a_part_says_so_and_gets_it_when_it_comes(db, shop, kit):
    integration_id, there = kit
    items.set_stock("CUP", 3, "test")
    shop.store.place_order(lines=[(there, 2)])
    do(integration_id, "orders")
    assert books(db)["CUP"] == (3, 3)
    order = db.session.scalar(select(Order))
    assert order.note == "SET: 1 of 2 not in stock."
    items.set_stock("CUP", 10, "test")
    assert books(db)["CUP"] == (10, 4)
    assert db.session.scalar(select(Order)).note == ""
    items.set_stock("CUP", 1, "test")
    assert books(db)["CUP"] == (1, 1)


def test_orders_that_came_before_the_kit_was_made_follow_its_links(db, shop):
    there = shop.store.add_product(sku="SET", name="Tea set", price=30, amount=4)
    integration_id = connect(shop)
    shop.store.place_order(lines=[(there, 1)])
    do(integration_id, "stock")
    assert books(db)["SET"] == (4, 1)
    listing_id = db.session.scalar(select(Listing.id).where(Listing.sku == "SET"))
    manual_links.link_listing(listing_id, [("CUP", 2)], "test")
    assert (books(db)["SET"], books(db)["CUP"]) == ((4, 0), (20, 2))
    manual_links.link_listing(listing_id, [("PLATE", 1)], "test")
    assert (books(db)["CUP"], books(db)["PLATE"]) == ((20, 0), (8, 1))
