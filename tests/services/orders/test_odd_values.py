"""Values that no column is made for: the order or product that has one stops no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from models import Order
from practice_shop import PracticeShop, Store
from services.stock import items
from tests.support.shops import add, connect, do, products


def orders(db) -> list[Order]:
    db.session.rollback()
    return list(db.session.scalars(select(Order)))


@pytest.mark.parametrize("oddity", ["total", "quantity", "status", "number", "text"])
def test_an_order_no_column_is_made_for_stops_no_other(app, db, shop, oddity):
    ids = products(shop)
    store = shop.store
    order = store.orders[store.place_order(lines=[(ids["CUP"], 1)])]
    if oddity == "total":
        order.total = 1e17
    elif oddity == "quantity":
        order.items[0].amount = 2**31
    elif oddity == "status":
        store.add_status("payment", "X" * 60, "Long")
        store.set_status(max(store.orders), payment="X" * 60)
    elif oddity == "number":
        order.number = "N" * 100
    else:
        order.items[0].sku = order.items[0].name = "A\0B"
    store.place_order(lines=[(ids["CUP"], 1)])
    run = do(connect(shop), "orders")
    assert run.outcome in ("done", "partial"), run.error
    assert len(orders(db)) == 2


@pytest.mark.parametrize(("field", "value"), [("sku", "C\0UP"), ("sku", "C" * 300), ("amount", 2**40), ("amount", -5)])
def test_a_product_no_column_is_made_for_stops_no_other(app, db, shop, field, value):
    setattr(shop.store.products[products(shop)["CUP"]], field, value)
    integration_id = connect(shop)
    for kind in ("listings", "stock"):
        run = do(integration_id, kind)
        assert run.outcome in ("done", "partial", "waiting"), run.error
    assert "PLATE" in {item.sku for item in items.list_stock()}


def test_an_order_with_half_a_character_in_it_costs_nothing_else(app, db, shop):
    """A note cut in the middle of an emoji: PHP prints a lone surrogate, which is no text."""
    ids = products(shop)
    bad = shop.store.place_order(lines=[(ids["CUP"], 1)])
    shop.store.orders[bad].notes = "Thank you \ud83d"
    shop.store.place_order(lines=[(ids["CUP"], 2)])
    integration_id = connect(shop)
    run = do(integration_id, "orders")
    assert (run.outcome, run.counts["new"]) == ("done", 2)
    assert {order.customer_notes for order in orders(db)} == {"Thank you \ufffd", ""}


@pytest.mark.one_database
@pytest.mark.parametrize("generation", ["addon", "api"])
@pytest.mark.parametrize("sign", ["\0", "\x01", "\n", "\x1f"])
def test_a_control_character_in_an_answer_costs_no_order(app, db, generation, sign, proxied):
    """JSON allows none in its texts, and a filter on the way may put one there."""
    store = Store()
    cup = store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    with PracticeShop(store=store, generation=generation) as shop:
        proxy = proxied(shop)
        proxy.change_answer = lambda method, answer: replace(
            answer, body=answer.body.replace(b"Thank you", f"Thank{sign}you".encode())
        )
        integration_id = add(proxy.url, shop.key)
        for notes in ("Thank you", ""):
            store.orders[store.place_order([(cup, 1)])].notes = notes
        assert do(integration_id, "orders").outcome == "done"
        assert do(integration_id, "orders").outcome == "done"
    assert {(order.customer_notes.replace(" ", ""), order.held_reason.count("text")) for order in orders(db)} == {
        ("Thankyou", 0),
        ("", 0),
    }
