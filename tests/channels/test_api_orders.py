"""Orders of a 5.5 shop: complete, each once, what cannot be printed reported by its id."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from channels.base import Credentials, Limits, Order, OrderPage
from channels.xcart.api.client import aligned, subdivide, target
from channels.xcart.channel import XCart
from channels.xcart.parsing.orders import order_row
from errors import KeyRejected, ShopBroken, ShopRefused, ShopTooOld, SwitchedOff
from practice_shop import Store
from tests.channels.scripted import ScriptedShop, connect

GENERATION = "api"
WIRE = Path(__file__).parents[1] / "data" / "xcart-5.5-wire.jsonl"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NOW = datetime.now(UTC).replace(microsecond=0)


def fill(store: Store, count: int, **more) -> list[int]:
    return [store.place_order([(1, 1)], at=NOW - timedelta(minutes=count - place), **more) for place in range(count)]


def break_order(store: Store, order_id: int) -> None:
    """What deleting a product does to its orders: the API cannot print them any more."""
    store.orders[order_id].items[0].product_id = None
    store.orders[order_id].revision += 1
    store.orders_version += 1


def numbers(pages: list[OrderPage]) -> list[str]:
    return [order.number for page in pages for order in page.orders]


def bad_ids(pages: list[OrderPage]) -> list[str]:
    return [row.external_id for page in pages for row in page.bad]


def recorded() -> list[tuple[str, dict]]:
    """Every order of the recorded exchanges of a real 5.5, with the exchange's name."""
    found = []
    for line in WIRE.read_text(encoding="utf-8").splitlines():
        exchange = json.loads(line)
        if exchange["response"]["status"] != 200 or exchange["request"]["headers"].get("Accept") not in (
            None,
            "*/*",
            "application/json",
        ):
            continue
        try:
            value = json.loads(exchange["response"]["body"])
        except ValueError:
            continue
        for row in value if isinstance(value, list) else [value]:
            if isinstance(row, dict) and "order_number" in row and "@id" not in row:
                found.append((exchange["name"], row))
    return found


class TestRecorded:
    def test_every_order_is_read_without_a_problem_and_adds_up(self):
        found = recorded()
        assert len(found) >= 60
        for name, row in found:
            order = order_row(msgspec.Raw(json.dumps(row).encode()))
            assert isinstance(order, Order) and order.problems == (), (name, order)
            added = sum(each.amount for each in order.surcharges if each.available and not each.included)
            assert sum(line.subtotal for line in order.lines) + added == order.total, name

    def test_what_was_stored_reads_the_same_again(self):
        channel = XCart(Credentials("https://shop.example", ""), limits=Limits())
        for _, row in recorded():
            order = order_row(msgspec.Raw(json.dumps(row).encode()))
            assert channel.parse_stored(json.loads(json.dumps(order.raw))) == order


class TestPaths:
    def test_pages_fit_any_stretch(self):
        for offset in (0, 1, 49, 99, 100, 137, 299, 1999):
            for count in (1, 2, 25, 50, 100, 101):
                covered = [row for number, size in aligned(offset, count) for row in range((number - 1) * size, number * size)]
                assert covered == list(range(offset, offset + count))
                if count > 1:
                    parts = [row for start, length in subdivide(offset, count) for row in range(start, start + length)]
                    assert parts == covered

    def test_a_page_that_goes_on_after_the_last_costs_two_requests(self):
        for page in range(1, 50):
            assert len(aligned(page * 100 - 1, 101)) == 2

    @pytest.mark.parametrize("path", ["/orders/", "orders", "/orders//status", "/"])
    def test_a_path_without_its_id_is_never_built(self, path: str):
        with pytest.raises(ValueError):
            target(path)


class TestDownload:
    @pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 35])
    def test_every_order_once_in_few_requests(self, store, shop, xcart, count: int):
        ids = fill(store, count)
        pages = list(xcart.iter_orders(placed_since=LONG_AGO, page_size=10))
        assert numbers(pages) == [str(each) for each in ids]
        assert xcart.requests == len(shop.requests) <= math.ceil(count / 10) + 1
        assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]

    def test_the_key_goes_in_the_header_only(self, store, shop, xcart):
        list(xcart.iter_orders(placed_since=LONG_AGO))
        assert shop.requests[0]["headers"]["x-auth-token"] == shop.key
        assert shop.key not in shop.requests[0]["target"]

    def test_more_orders_of_one_second_than_a_page_holds(self, store, shop, xcart):
        ids = [store.place_order([(1, 1)], at=NOW) for _ in range(35)] + fill(store, 5)
        pages = list(xcart.iter_orders(placed_since=LONG_AGO, page_size=10))
        assert Counter(map(int, numbers(pages))) == Counter(ids)

    def test_orders_removed_and_placed_meanwhile(self, store, shop, xcart):
        ids = fill(store, 60)
        pages = []
        for page in xcart.iter_orders(placed_since=LONG_AGO, page_size=10):
            pages.append(page)
            if len(pages) == 3:
                for gone in ids[:17]:
                    store.delete_order(gone)
                ids.append(store.place_order([(1, 1)]))
        assert sorted(map(int, numbers(pages))) == ids

    def test_goes_on_from_a_position(self, store, shop, xcart):
        ids = fill(store, 45)
        first = next(xcart.iter_orders(placed_since=LONG_AGO, page_size=10))
        for start in (first.position, 17, 44, 45, 60):
            rest = list(xcart.iter_orders(placed_since=LONG_AGO, start=start, page_size=10))
            assert set(map(int, numbers(rest))) >= set(ids[start:]) and rest[-1].last

    def test_only_those_placed_since_even_where_the_shop_ignores_the_date(self):
        rows = [api_row(number, NOW - timedelta(days=30 - number)) for number in range(1, 11)]
        with ScriptedShop(lambda exchange: exchange.json(rows)) as shop:
            pages = list(connect(shop, "key", generation="api").iter_orders(placed_since=NOW - timedelta(days=23)))
        assert numbers(pages) == ["7", "8", "9", "10"]
        assert "ignored the start date" in pages[0].warnings[0]

    def test_a_shop_that_does_not_sort(self):
        rows = [api_row(number, NOW - timedelta(days=number)) for number in range(1, 4)]
        with ScriptedShop(lambda exchange: exchange.json(rows)) as shop, pytest.raises(ShopTooOld):
            list(connect(shop, "key", generation="api").iter_orders(placed_since=LONG_AGO))

    def test_the_same_page_for_ever(self):
        rows = [api_row(number, NOW) for number in range(1, 11)]
        with ScriptedShop(lambda exchange: exchange.json(rows)) as shop:
            with pytest.raises(ShopBroken, match="same"):
                list(connect(shop, "key", generation="api").iter_orders(placed_since=LONG_AGO, page_size=10))
            assert len(shop.seen) < 10

    def test_their_parts(self, store, shop, xcart):
        variant = store.add_variant(1, sku="CUP-RED")
        store.place_order(
            [((1, variant), 2), (2, 1)], shipping_cost=4.95, email="zoë@example.com", notes="ring twice",
            surcharges=[("discount", "DCOUPON", "Coupon", -3), ("tax", "VAT", "VAT", 2.5, True), ("tax", "X", "Old", 9, False, False),
                        ("handling", "PACK", "Packing fee", 1.5)],
        )  # fmt: skip
        order = next(xcart.iter_orders(placed_since=LONG_AGO)).orders[0]
        assert (order.total, order.shipping, order.discount, order.tax) == tuple(map(Decimal, ("28.45", "4.95", "-3.00", "2.50")))
        assert [(each.name, each.amount) for each in order.other] == [("Packing fee", Decimal("1.50"))]
        assert [(line.quantity, line.subtotal, line.product_id, line.variant_id) for line in order.lines] == [
            (2, Decimal("20.00"), "1", str(variant)),
            (1, Decimal("5.00"), "2", ""),
        ]
        assert (order.email, order.customer_notes, order.payment_status, order.shipping_status) == (
            "zoë@example.com",
            "ring twice",
            "P",
            "N",
        )
        assert order.problems == () and len(order.surcharges) == 5


def api_row(number: int, at: datetime) -> dict:
    return {
        "id": number, "order_number": str(number), "total": 1, "currency": "USD", "items": [],
        "create_date": at.strftime("%Y-%m-%dT%H:%M:%S+0000"), "update_date": at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
    }  # fmt: skip


class TestOrdersAtFault:
    @pytest.mark.parametrize("place", [0, 1, 42, 98, 99])
    def test_one_is_reported_by_its_id_and_the_others_come(self, store, shop, xcart, place: int):
        ids = fill(store, 100)
        break_order(store, ids[place])
        pages = list(xcart.iter_orders(placed_since=LONG_AGO))
        assert sorted(map(int, numbers(pages))) == ids[:place] + ids[place + 1 :]
        assert set(bad_ids(pages)) == {str(ids[place])}
        assert "product was deleted" in pages[0].bad[0].reason
        assert len(shop.requests) < 40

    def test_many_at_the_beginning_are_all_named(self, store, shop, xcart):
        ids = fill(store, 60)
        for order_id in ids[:37]:
            break_order(store, order_id)
        pages = list(xcart.iter_orders(placed_since=LONG_AGO, page_size=10))
        assert set(map(int, bad_ids(pages))) == set(ids[:37])
        assert sorted(set(map(int, numbers(pages)))) == ids[37:]

    def test_before_a_start_date(self, store, shop, xcart):
        ids = fill(store, 30)
        break_order(store, ids[20])
        pages = list(xcart.iter_orders(placed_since=NOW - timedelta(minutes=10)))
        assert (bad_ids(pages), len(numbers(pages))) == ([str(ids[20])], 9)

    def test_all_of_a_shop(self, store, shop, xcart):
        ids = fill(store, 7)
        for order_id in ids:
            break_order(store, order_id)
        pages = list(xcart.iter_orders(placed_since=LONG_AGO))
        assert numbers(pages) == [] and set(map(int, bad_ids(pages))) == set(ids)

    def test_an_outage_is_given_up_quickly(self, store, shop, xcart):
        fill(store, 30)
        shop.mode.database_down = True
        with pytest.raises(ShopBroken):
            list(xcart.iter_orders(placed_since=LONG_AGO))
        assert len(shop.requests) <= 3


class TestChanges:
    def test_an_idle_look_costs_one_request(self, store, shop, xcart):
        fill(store, 300)
        pages = list(xcart.iter_changed_orders(changed_since=NOW + timedelta(seconds=1)))
        assert (numbers(pages), pages[-1].last, xcart.requests) == ([], True, 1)

    @pytest.mark.parametrize("newer", [True, False])
    def test_all_that_changed_newest_first(self, store, shop, xcart, newer: bool):
        store.newer_api = newer
        ids = fill(store, 300)
        pages = list(xcart.iter_changed_orders(changed_since=NOW - timedelta(minutes=120), page_size=25))
        assert [int(number) for number in numbers(pages)] == sorted(ids[-120:], reverse=True)

    def test_orders_removed_while_reading_hide_none(self, store, shop, xcart):
        ids = fill(store, 120)
        pages = []
        for page in xcart.iter_changed_orders(changed_since=LONG_AGO, page_size=20):
            pages.append(page)
            if len(pages) == 2:
                for gone in ids[-30:-15]:
                    store.delete_order(gone)
        assert set(map(int, numbers(pages))) == set(ids)

    def test_a_status_change_is_seen(self, store, shop, xcart):
        ids = fill(store, 50)
        time.sleep(1.1)
        mark = datetime.now(UTC) - timedelta(seconds=1)
        store.set_status(ids[3], shipping="S")
        pages = list(xcart.iter_changed_orders(changed_since=mark))
        assert numbers(pages) == [str(ids[3])] and pages[0].orders[0].shipping_status == "S"


class TestOneOrder:
    def test_by_id_and_number(self, store, shop, xcart):
        order_id = store.place_order([(1, 1)], number="0042")
        assert xcart.read_order(str(order_id)).number == "0042"
        assert xcart.find_order("0042").external_id == str(order_id)
        assert xcart.find_order("42") is None and xcart.read_order("999") is None

    def test_a_number_the_shops_path_does_not_take(self, store, shop, xcart):
        fill(store, 20)
        order_id = store.place_order([(1, 1)], number="A-15/2", at=NOW - timedelta(minutes=7))
        assert xcart.find_order("A-15/2").external_id == str(order_id)
        assert xcart.find_order("A-16") is None

    def test_two_orders_with_one_number(self, store, shop, xcart):
        fill(store, 2, number="77")
        assert xcart.find_order("77").number == "77"

    @pytest.mark.parametrize("external_id", ["", "abc", "1/2", "%31"])
    def test_an_id_that_is_none(self, shop, xcart, external_id: str):
        with pytest.raises(ShopRefused):
            xcart.read_order(external_id)
        assert shop.requests == []

    def test_its_money_rows(self, store, shop, xcart):
        order_id = store.place_order([(1, 1)], shipping_cost=5)
        assert [(row.type, row.amount) for row in xcart.read_surcharges(str(order_id))] == [("shipping", Decimal("5.00"))]
        with pytest.raises(ShopRefused, match="no order 999"):
            xcart.read_surcharges("999")


class TestKeyAndGate:
    def test_a_wrong_key(self, shop):
        with pytest.raises(KeyRejected):
            list(connect(shop, "wrong", generation="api").iter_orders(placed_since=LONG_AGO))

    def test_a_key_no_header_can_hold_is_not_sent(self, shop):
        with pytest.raises(KeyRejected) as caught:
            connect(shop, "schlüssel\n", generation="api").statuses()
        assert shop.requests == [] and "schl" not in str(caught.value)

    def test_a_closed_gate(self, shop):
        def gate() -> None:
            raise SwitchedOff("The integration was disabled.")

        with pytest.raises(SwitchedOff):
            list(connect(shop, gate=gate, generation="api").iter_orders(placed_since=LONG_AGO))
        assert shop.requests == []

    def test_the_session_cookie_goes_back(self, store, shop, xcart):
        fill(store, 30)
        list(xcart.iter_orders(placed_since=LONG_AGO, page_size=10))
        assert len(store.sessions) == 1
