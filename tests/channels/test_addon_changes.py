"""Orders of X-Cart 5.0 to 5.4 that were changed since a moment."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from channels.xcart.change_memory import Memory
from errors import ShopTooOld
from tests.channels.scripted import ScriptedShop, connect
from tests.channels.test_addon_orders import LONG_AGO, NOW, complex_row, fill, numbers


class TestChanges:
    def test_an_idle_look_costs_one_request(self, store, shop, xcart):
        fill(store, 500)
        pages = list(xcart.iter_changed_orders(changed_since=NOW + timedelta(seconds=1)))
        assert (numbers(pages), pages[-1].last, xcart.requests) == ([], True, 1)

    def test_new_and_changed_orders_come_in_one_page_newest_change_first(self, store, shop, xcart):
        ids = fill(store, 200)
        time.sleep(1.1)
        mark = datetime.now(UTC)
        store.set_status(ids[10], shipping="S")
        new = store.place_order([(1, 1)])
        pages = list(xcart.iter_changed_orders(changed_since=mark - timedelta(seconds=1)))
        assert sorted(map(int, numbers(pages))) == [ids[10], new]
        assert xcart.requests == 1

    @pytest.mark.parametrize("supported", [True, False])
    def test_the_same_with_a_shop_that_filters_by_change(self, store, shop, xcart, supported: bool):
        store.supports_update_date = supported
        ids = fill(store, 300)
        pages = list(xcart.iter_changed_orders(changed_since=NOW - timedelta(minutes=120), page_size=25))
        assert [int(number) for number in numbers(pages)] == sorted(ids[-120:], reverse=True)
        assert pages[-1].last

    @pytest.mark.parametrize("size", (1, 2, 4, 5, 6))
    def test_small_pages_go_on_from_the_middle_without_going_back(self, store, shop, xcart, size: int):
        """Rows before the place where a run goes on were read by the run before it: that they are not known here is nothing odd."""
        ids = fill(store, 40)
        pages = list(xcart.iter_changed_orders(changed_since=LONG_AGO, start=20, page_size=size))
        assert [int(number) for number in numbers(pages)] == sorted(ids, reverse=True)[20:]
        assert not any(page.warnings for page in pages)

    def test_many_orders_changed_in_the_same_second(self, store, shop, xcart):
        store.natural_order = "any"
        ids = [store.place_order([(1, 1)], at=NOW) for _ in range(180)]
        pages = list(xcart.iter_changed_orders(changed_since=NOW - timedelta(minutes=1), page_size=25))
        assert Counter(map(int, numbers(pages))) == Counter(ids)

    def test_orders_changed_and_removed_while_reading_are_not_missed(self, store, shop, xcart):
        ids = fill(store, 120)
        pages = []
        for page in xcart.iter_changed_orders(changed_since=LONG_AGO, page_size=20):
            pages.append(page)
            if len(pages) == 2:
                store.set_status(ids[5], shipping="S")
                for gone in ids[-30:-15]:
                    store.delete_order(gone)
        missed = set(ids) - set(map(int, numbers(pages)))
        assert missed <= {ids[5]}, "what changes during the reading is found by the next one, all else now"

    def test_a_bad_order_among_the_changes(self, store, shop, xcart):
        fill(store, 20)
        bad = store.place_order([(1, 1)], profile=False)
        pages = list(xcart.iter_changed_orders(changed_since=NOW - timedelta(minutes=5)))
        assert str(bad) in numbers(pages) and len(numbers(pages)) == 6

    def test_a_shop_that_does_not_sort_is_too_old(self):
        rows = [complex_row(number, NOW + timedelta(minutes=number)) for number in (1, 2, 3)]
        with ScriptedShop(lambda exchange: exchange.json(rows)) as shop, pytest.raises(ShopTooOld, match="last change"):
            list(connect(shop).iter_changed_orders(changed_since=LONG_AGO))


class TestAListThatFailsForAll:
    """X-Cart 5.4, observed: one order without a customer makes a complex page fail. Where all have none, each page does."""

    def test_later_readings_go_the_working_way_at_once_and_try_the_other_again_daily(self, store, shop):
        fill(store, 40, profile=False)
        memory = self.read(shop, b"")[1]
        for _ in range(2):
            time.sleep(3.1)  # What changed in the two seconds before a reading is read again.
            new = store.place_order([(1, 1)], profile=False)
            found, memory = self.read(shop, memory)
            assert found[0] == str(new) and "complex" not in self.schemas(shop) and len(shop.requests) <= 8
        tomorrow = msgspec.structs.replace(Memory.unpacked(memory), plain_until=int(time.time()) - 1).packed()
        self.read(shop, tomorrow)
        assert "complex" in self.schemas(shop)

    def test_some_faulty_orders_at_the_top_change_nothing_for_the_others(self, store, shop):
        fill(store, 40)
        for _ in range(4):
            store.place_order([(1, 1)], profile=False)
        _, memory = self.read(shop, b"")
        assert Memory.unpacked(memory).plain_until == 0

    def test_what_was_read_one_by_one_is_whole(self, store, shop):
        fill(store, 5, profile=False)
        _, memory = self.read(shop, b"")
        time.sleep(1.1)
        store.place_order([(1, 3)], profile=False)
        order = next(each for page in changes(connect(shop, generation="addon"), memory) for each in page.orders)
        assert [(line.sku, line.quantity, line.product_id) for line in order.lines] == [("CUP", 3, "1")]

    def read(self, shop, memory: bytes) -> tuple[list[str], bytes]:
        """The numbers of the orders of one run, and what it leaves for the next."""
        shop.clear_requests()
        pages = list(changes(connect(shop, generation="addon"), memory))
        return numbers(pages), pages[-1].memory

    def schemas(self, shop) -> str:
        return " ".join("complex" for request in shop.requests if "_schema=complex" in request["target"])


def changes(xcart, memory: bytes):
    return xcart.iter_changed_orders(changed_since=LONG_AGO, first_size=10, memory=memory)
