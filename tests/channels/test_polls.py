"""The question of a poll: one cheap request whose answer differs as soon as an order has changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest

from practice_shop import PracticeShop, Store
from tests.channels.scripted import connect

AN_HOUR_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture(params=["addon", "api"])
def shop(request):
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=200)
    for number in range(8):
        store.place_order([(1, 1)], at=AN_HOUR_AGO + timedelta(seconds=number // 4))
    with PracticeShop(store=store, generation=request.param) as shop:
        yield shop


def newest(shop):
    xcart = connect(shop, generation=shop.generation)
    try:
        return xcart.newest_changes()
    finally:
        xcart.close()


def test_one_request_in_the_plain_schema_for_few_rows(shop):
    found = newest(shop)
    assert len(shop.requests) == 1
    target = unquote(shop.requests[0]["target"])
    assert "complex" not in target
    assert len(found.rows) == 5
    assert abs(found.shop_time - datetime.now(UTC)) < timedelta(seconds=5)
    assert found.changed_at >= AN_HOUR_AGO


def test_the_same_answer_while_nothing_changes_although_orders_share_a_second(shop):
    first = newest(shop)
    assert all(newest(shop).rows == first.rows for _ in range(5))


@pytest.mark.parametrize("act", ["place", "pay", "ship", "edit", "cancel", "delete"])
def test_another_answer_after_every_change(shop, act):
    before, last = newest(shop), max(shop.store.orders)
    {
        "place": lambda: shop.store.place_order([(1, 1)]),
        "pay": lambda: shop.store.set_status(last, payment="C"),
        "ship": lambda: shop.store.set_status(last, shipping="S"),
        "edit": lambda: shop.store.edit_order(last, lines=[(1, 3)]),
        "cancel": lambda: shop.store.cancel_order(last),
        "delete": lambda: shop.store.delete_order(last),
    }[act]()
    assert newest(shop).rows != before.rows


def test_an_old_order_that_changes_comes_to_the_top(shop):
    before = newest(shop)
    shop.store.set_status(min(shop.store.orders), payment="C")
    assert newest(shop).rows != before.rows


def test_no_orders_are_an_answer_too(shop):
    shop.store.orders.clear()
    assert (newest(shop).rows, newest(shop).changed_at) == (frozenset(), None)
