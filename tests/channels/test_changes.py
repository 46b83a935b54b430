"""A reading by change reaches every changed order, also if orders are removed during it or changed in one second."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from channels.base import OrderPage
from errors import ShopBroken
from practice_shop import PracticeShop, Store
from tests.channels.scripted import ScriptedShop, connect
from tests.channels.test_api_orders import api_row

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(params=["addon", "api"])
def shop(request: pytest.FixtureRequest, store: Store):
    with PracticeShop(store=store, generation=request.param) as running:
        yield running
        assert running.failures == []


def fill(store: Store, count: int, in_one_second: int = 1) -> list[int]:
    """Orders, oldest first, of which so many at a time changed in one second."""
    return [store.place_order([(1, 1)], at=NOW - timedelta(minutes=(count - place) // in_one_second)) for place in range(count)]


def read(shop: PracticeShop, **asked) -> list[OrderPage]:
    channel = connect(shop, generation=shop.generation)
    try:
        return list(channel.iter_changed_orders(changed_since=LONG_AGO, **asked))
    finally:
        channel.close()


def ids(pages: list[OrderPage]) -> list[int]:
    return [int(order.external_id) for page in pages for order in page.orders]


def first_part(shop: PracticeShop, position: int, page_size: int) -> list[OrderPage]:
    """The pages of a reading that paused at a position."""
    channel = connect(shop, generation=shop.generation)
    pages: list[OrderPage] = []
    for page in channel.iter_changed_orders(changed_since=LONG_AGO, page_size=page_size):
        pages.append(page)
        if page.position >= position:
            break
    channel.close()
    return pages


@pytest.mark.parametrize("page_size", range(2, 14))
def test_every_order_once_with_any_page_size(shop: PracticeShop, store: Store, page_size: int):
    placed = fill(store, 65)
    assert ids(read(shop, page_size=page_size)) == placed[::-1]


@pytest.mark.parametrize("in_one_second", [1, 100])
@pytest.mark.parametrize("removed", [0, 1, 5, 20, 30, 60])
@pytest.mark.sampled(8)
def test_a_resumed_reading_reaches_every_order_however_many_were_removed(
    shop: PracticeShop, store: Store, removed: int, in_one_second: int
):
    placed = fill(store, 100, in_one_second)
    before = first_part(shop, 40, 5)
    for gone in placed[::-1][:removed]:
        store.delete_order(gone)
    rest = read(shop, page_size=5, start=before[-1].position - 2, memory=before[-1].memory)
    assert rest[-1].last
    assert set(ids(before) + ids(rest)) >= set(store.orders)
    assert len(shop.requests) < 80


@pytest.mark.parametrize("remembers", [True, False])
def test_a_resumed_reading_reaches_every_order_when_the_list_ends_before_its_place(
    shop: PracticeShop, store: Store, remembers: bool
):
    placed = fill(store, 100)
    before = first_part(shop, 40, 5)
    for gone in placed[5:]:
        store.delete_order(gone)
    rest = read(shop, page_size=5, start=before[-1].position - 2, memory=before[-1].memory if remembers else b"")
    assert rest[-1].last and set(ids(rest)) == set(placed[:5])


@pytest.mark.parametrize("in_one_second", [1, 2, 3, 4])
def test_orders_of_one_second_may_come_in_another_order_on_each_page(shop: PracticeShop, store: Store, in_one_second: int):
    placed = fill(store, 60, in_one_second)
    store.natural_order = "any"
    assert sorted(ids(read(shop, page_size=8))) == placed


def test_a_second_with_more_orders_than_a_page_holds_does_not_fail_the_reading(shop: PracticeShop, store: Store):
    fill(store, 60, 60)
    store.natural_order = "any"
    assert read(shop, page_size=8)[-1].last


def test_a_shop_that_does_not_page_is_given_up():
    rows = [api_row(number, NOW) for number in range(1, 11)]
    with ScriptedShop(lambda exchange: exchange.json(rows[: int(re.search(r"itemsPerPage=(\d+)", exchange.target)[1])])) as shop:
        with pytest.raises(ShopBroken, match="keeps changing the order"):
            list(connect(shop, "key", generation="api").iter_changed_orders(changed_since=LONG_AGO, page_size=10))
        assert len(shop.seen) < 20
