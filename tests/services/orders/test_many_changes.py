"""Many orders that change at the same time are read once, in full pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from models import Order
from practice_shop import PracticeShop, Store
from tests.support.shops import connect, do

pytestmark = pytest.mark.one_database
MANY = 400
PAGE = 100


@pytest.fixture(params=["addon", "api"])
def busy(request, app, db):
    """A shop all of whose orders have changed in one second, and its integration."""
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=5000)
    start = datetime.now(UTC) - timedelta(days=2)
    for number in range(MANY):
        store.place_order([(1, 1)], at=start + timedelta(seconds=number), shipping="S" if number % 2 else "N")
    with PracticeShop(store=store, generation=request.param) as shop:
        integration_id = connect(shop)
        do(integration_id, "orders")
        do(integration_id, "listings")
        do(integration_id, "stock")
        now = store.now() - 5
        for each in store.orders.values():
            each.admin_notes, each.renewed = "packed", now
            store.touch_order(each, renewed=False)
        shop.clear_requests()
        yield shop, integration_id


def lists(shop: PracticeShop) -> int:
    return sum("_path=order&" in request["target"] or "/api/orders?" in request["target"] for request in shop.requests)


def test_they_are_read_once(db, busy):
    shop, integration_id = busy
    do(integration_id, "orders")
    assert lists(shop) <= 1.2 * (MANY / PAGE + 1)
    assert db.session.scalar(select(func.count()).where(Order.admin_notes == "packed")) == MANY
    shop.clear_requests()
    for _ in range(3):
        assert do(integration_id, "orders").outcome == "done"
    assert lists(shop) <= 6
    # What is new above them is still found.
    new = shop.store.place_order([(1, 1)])
    shop.store.set_status(5, payment="C")
    shop.clear_requests()
    do(integration_id, "orders")
    db.session.rollback()
    assert lists(shop) <= 2
    assert db.session.scalar(select(Order.state).where(Order.external_id == "5")) == "cancelled"
    assert db.session.scalar(select(Order.id).where(Order.external_id == str(new))) is not None


def test_inside_a_stock_run_too(db, busy):
    shop, integration_id = busy
    shop.store.set_amount(1, 4000)
    do(integration_id, "listings")
    shop.clear_requests()
    do(integration_id, "stock")
    assert lists(shop) <= 1.2 * (MANY / PAGE + 1)
    assert sum("product" in request["target"] for request in shop.requests if request["method"] == "GET") <= 1


@pytest.mark.sampled(1)
def test_a_new_one_that_is_dated_before_all_of_them_is_found(db, busy):
    """The shop's program takes the time at the beginning of a sale and stores the order at its end."""
    shop, integration_id = busy
    do(integration_id, "orders")
    new = shop.store.place_order([(1, 1)])
    shop.store.orders[new].renewed = shop.store.orders[1].renewed - 2
    shop.store.touch_order(shop.store.orders[new], renewed=False)
    do(integration_id, "orders")
    db.session.rollback()
    assert db.session.scalar(select(Order.id).where(Order.external_id == str(new))) is not None


def test_those_that_are_recognised_are_not_asked_for_one_by_one(db, busy):
    shop, integration_id = busy
    do(integration_id, "orders")
    shop.clear_requests()
    do(integration_id, "orders")
    assert len(shop.requests) <= 2
    assert not db.session.scalars(select(Order.id).where(Order.seen_at.is_(None))).all()


def test_an_order_that_changes_twice_in_a_second_is_read_again(app, db):
    """The second change moves nothing that a reading by change could see: the row has the same place and time as before."""
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=5000)
    for number in range(80):
        store.place_order([(1, 1)], at=datetime.now(UTC) - timedelta(hours=5, seconds=-number))
    with PracticeShop(store=store) as shop:
        integration_id = connect(shop)
        do(integration_id, "orders")
        do(integration_id, "orders")
        now = store.now()
        for number in range(1, 61):
            store.set_status(number, payment="A")
            store.order(number).renewed = now
        do(integration_id, "orders")
        # In the same second, and deep down in the list.
        store.set_status(5, payment="C")
        store.order(5).renewed = now
        do(integration_id, "orders")
        assert db.session.scalar(select(Order.state).where(Order.external_id == "5")) == "cancelled"
