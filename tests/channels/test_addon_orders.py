"""Orders of an add-on shop: complete, each once, in few requests, whatever the shop does meanwhile."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import unquote

import pytest

from channels.base import BadRow, Order, OrderPage
from errors import KeyRejected, ShopBroken, ShopRefused, ShopTooOld, SwitchedOff
from practice_shop import PracticeShop, Store
from tests.channels.scripted import PATIENT, ScriptedShop, connect

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NOW = datetime.now(UTC).replace(microsecond=0)


def fill(store: Store, count: int, **more) -> list[int]:
    """Orders placed one a minute, the last one just now."""
    return [store.place_order([(1, 1)], at=NOW - timedelta(minutes=count - place), **more) for place in range(count)]


def numbers(pages: list[OrderPage]) -> list[str]:
    return [order.number for page in pages for order in page.orders]


def warnings(pages: list[OrderPage]) -> str:
    return " ".join(sentence for page in pages for sentence in page.warnings)


class TestDownload:
    @pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 35])
    def test_every_order_once_in_few_requests(self, store, shop, xcart, count: int):
        ids = fill(store, count)
        pages = list(xcart.iter_orders(placed_since=LONG_AGO, page_size=10))
        assert numbers(pages) == [str(each) for each in ids]
        assert xcart.requests == len(shop.requests) <= math.ceil(count / 10) + 1
        assert sum(page.requests for page in pages) == xcart.requests
        assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
        assert warnings(pages) == ""

    def test_asks_with_order_limit_and_schema_and_the_key_only_in_the_query(self, store, shop, xcart):
        fill(store, 1)
        list(xcart.iter_orders(placed_since=NOW - timedelta(days=1)))
        request = shop.requests[0]
        target = unquote(request["target"])
        since = int((NOW - timedelta(days=1)).timestamp())
        for part in (
            f"_cnd[date][0]={since}",
            "_cnd[orderBy][0]=o.order_id",
            "_cnd[orderBy][1]=ASC",
            "_cnd[limit][0]=0",
            "_cnd[limit][1]=100",
            "_schema=complex",
        ):
            assert part in target
        assert shop.key not in str(request["headers"])

    def test_only_those_placed_since(self, store, shop, xcart):
        ids = fill(store, 10)
        pages = list(xcart.iter_orders(placed_since=NOW - timedelta(minutes=3)))
        assert numbers(pages) == [str(each) for each in ids[-3:]]

    def test_goes_on_from_a_position(self, store, shop, xcart):
        ids = fill(store, 25)
        first = next(xcart.iter_orders(placed_since=LONG_AGO, page_size=10))
        rest = list(xcart.iter_orders(placed_since=LONG_AGO, start=first.position, page_size=10))
        assert numbers([first, *rest]) == [str(each) for each in ids]

    def test_orders_placed_meanwhile_come_too(self, store, shop, xcart):
        fill(store, 20)
        pages = []
        for page in xcart.iter_orders(placed_since=LONG_AGO, page_size=10):
            if not pages:
                fill(store, 5)
            pages.append(page)
        assert len(numbers(pages)) == len(set(numbers(pages))) == 25

    def test_carts_are_left_out_and_end_nothing(self, store, shop, xcart):
        for place in range(30):
            store.place_order([(1, 1)], shipping="NF" if place < 15 else "N", number="" if place < 12 else str(place + 1))
        pages = list(xcart.iter_orders(placed_since=LONG_AGO, page_size=10))
        assert len(numbers(pages)) == 15

    def test_their_parts(self, store, shop, xcart):
        variant = store.add_variant(1, sku="CUP-RED", attributes={"Farbe": "röt"})
        store.place_order(
            [((1, variant), 2), (2, 1)], shipping_cost=4.95, email="zoë@example.com", notes="ring twice",
            surcharges=[("discount", "DCOUPON", "Coupon", -3), ("tax", "VAT", "VAT", 2.5, True), ("handling", "PACK", "Packing fee", 1.5)],
        )  # fmt: skip
        order = next(xcart.iter_orders(placed_since=LONG_AGO)).orders[0]
        assert (order.total, order.shipping, order.discount, order.tax) == tuple(map(Decimal, ("28.45", "4.95", "-3.00", "2.50")))
        assert [(each.name, each.amount) for each in order.other] == [("Packing fee", Decimal("1.50"))]
        assert [(line.sku, line.quantity, line.subtotal, line.options) for line in order.lines] == [
            ("CUP-RED", 2, Decimal("20.00"), (("Farbe", "röt"),)),
            ("PLATE", 1, Decimal("5.00"), ()),
        ]
        assert (order.email, order.customer_notes, order.payment_status, order.shipping_status) == (
            "zoë@example.com",
            "ring twice",
            "P",
            "N",
        )
        assert order.problems == ()


class TestAListThatMoves:
    def test_orders_removed_meanwhile_hide_none(self, store, shop, xcart):
        ids = fill(store, 60)
        pages = []
        for page in xcart.iter_orders(placed_since=LONG_AGO, page_size=10):
            pages.append(page)
            if len(pages) == 2:
                for gone in ids[:7]:
                    store.delete_order(gone)
        assert sorted(map(int, numbers(pages))) == ids
        assert "The shop removed orders during the download" in warnings(pages)

    def test_even_when_most_of_what_was_read_is_gone(self, store, shop, xcart):
        ids = fill(store, 60)
        pages = []
        for page in xcart.iter_orders(placed_since=LONG_AGO, page_size=10):
            pages.append(page)
            if len(pages) == 3:
                for gone in ids[:30]:
                    store.delete_order(gone)
        assert sorted(map(int, numbers(pages))) == ids

    def test_a_page_that_comes_twice_is_read_again(self, store, shop, xcart):
        ids = fill(store, 40)
        pages = []
        for page in xcart.iter_orders(placed_since=LONG_AGO, page_size=10):
            if not pages:
                shop.faults.add("duplicate_page", times=1)
            pages.append(page)
        assert numbers(pages) == [str(each) for each in ids]
        assert "read again" in warnings(pages)

    def test_the_same_page_for_ever_is_an_error_and_not_an_endless_loop(self):
        rows = [complex_row(number, NOW) for number in range(1, 11)]
        with ScriptedShop(lambda exchange: exchange.json(rows)) as shop:
            with pytest.raises(ShopBroken, match="same page of orders"):
                list(connect(shop).iter_orders(placed_since=LONG_AGO, page_size=10))
            assert len(shop.seen) < 20

    def test_a_page_that_begins_late_hides_none(self, store, shop, xcart):
        ids = fill(store, 40)
        pages = []
        for page in xcart.iter_orders(placed_since=LONG_AGO, page_size=10):
            if not pages:
                shop.faults.add("shifted_page", 3, times=1)
            pages.append(page)
        assert sorted(map(int, numbers(pages))) == ids

    def test_a_short_page_is_not_taken_for_the_last(self, store, shop, xcart):
        ids = fill(store, 40)
        shop.faults.add("missing_rows", 2, times=1)
        read = set(map(int, numbers(list(xcart.iter_orders(placed_since=LONG_AGO, page_size=10)))))
        assert len(read) >= 38 and ids[-1] in read

    def test_a_start_date_that_the_shop_ignores_is_kept_here(self):
        rows = [complex_row(number, NOW - timedelta(days=30 - number)) for number in range(1, 11)]

        def script(exchange) -> None:
            exchange.json(rows if "limit%5D%5B0%5D=0" in exchange.target else rows[-1:])

        with ScriptedShop(script) as shop:
            pages = list(connect(shop).iter_orders(placed_since=NOW - timedelta(days=23), page_size=10))
        assert numbers(pages) == ["7", "8", "9", "10"]
        assert "ignored the start date" in warnings(pages)

    def test_a_shop_that_ignores_the_limit_is_read_once(self):
        rows = [complex_row(number, NOW) for number in range(1, 31)]
        with ScriptedShop(lambda exchange: exchange.json(rows)) as shop:
            pages = list(connect(shop).iter_orders(placed_since=LONG_AGO, page_size=10))
            assert len(shop.seen) == 1
        assert len(numbers(pages)) == 30 and pages[-1].last

    def test_a_shop_that_ignores_the_order_is_too_old(self):
        rows = [complex_row(number, NOW) for number in (3, 1, 2)]
        with ScriptedShop(lambda exchange: exchange.json(rows)) as shop, pytest.raises(ShopTooOld, match="ignores the order"):
            list(connect(shop).iter_orders(placed_since=LONG_AGO, page_size=10))


def complex_row(number: int, at: datetime) -> dict:
    return {
        "orderId": number, "orderNumber": str(number), "total": 1, "currency": "USD", "orderDate": at.isoformat(),
        "updateDate": at.isoformat(), "items": [],
    }  # fmt: skip


class TestOrdersAtFault:
    def test_one_bad_order_costs_its_page_halves_and_is_read_another_way(self, store, shop, xcart):
        ids = fill(store, 50)
        variant = store.add_variant(1, sku="CUP-RED", attributes={"Size": "L"})
        bad = store.place_order(
            [((1, variant), 3), (2, 1)], profile=False, shipping_cost=4, surcharges=[("tax", "T", "VAT", 1.5)]
        )
        ids += [bad, *fill(store, 49)]
        pages = list(xcart.iter_orders(placed_since=LONG_AGO))
        assert numbers(pages) == [str(each) for each in ids]
        order = next(order for page in pages for order in page.orders if order.external_id == str(bad))
        assert "addresses are missing" in order.problems[0]
        assert (order.total, order.shipping, order.tax) == (Decimal("40.50"), Decimal("4.00"), Decimal("1.50"))
        assert [(line.sku, line.quantity, line.product_id, line.variant_id, line.options) for line in order.lines] == [
            ("CUP-RED", 3, "1", str(variant), (("Size", "L"),)),
            ("PLATE", 1, "2", "", ()),
        ]
        assert xcart.requests < 30

    def test_several_bad_orders(self, store, shop, xcart):
        for place in range(100):
            store.place_order([(1, 1)], profile=place not in (0, 1, 2, 57, 99))
        pages = list(xcart.iter_orders(placed_since=LONG_AGO))
        orders = [order for page in pages for order in page.orders]
        assert len(orders) == 100
        assert [order.number for order in orders if order.problems] == ["1", "2", "3", "58", "100"]

    def test_a_shop_whose_complex_schema_fails_for_all_is_still_read(self, store, shop, xcart):
        fill(store, 12, profile=False)
        pages = list(xcart.iter_orders(placed_since=LONG_AGO))
        assert len(numbers(pages)) == 12
        assert xcart.requests < 45

    def test_an_order_that_cannot_be_had_at_all_is_reported_not_dropped(self, store, shop, xcart):
        ids = fill(store, 20)
        store.orders[ids[7]].profile = None
        shop.faults.add("status_500", match=f"_path=order%2F{ids[7]}")
        pages = list(xcart.iter_orders(placed_since=LONG_AGO))
        assert len(numbers(pages)) == 19
        assert [row.external_id for page in pages for row in page.bad] == [str(ids[7])]
        assert "answers with an error" in pages[0].bad[0].reason

    def test_a_500_on_every_request_is_an_outage_and_given_up_quickly(self, store, shop, xcart):
        fill(store, 100)
        shop.mode.database_down = True
        begun = time.monotonic()
        with pytest.raises(ShopBroken) as caught:
            list(xcart.iter_orders(placed_since=LONG_AGO))
        assert caught.value.retryable and xcart.requests <= 3
        assert time.monotonic() - begun < 30

    def test_a_shop_that_breaks_down_in_the_middle_loses_nothing_read_before(self, store, shop, xcart):
        fill(store, 30)
        walk = xcart.iter_orders(placed_since=LONG_AGO, page_size=10)
        first = next(walk)
        shop.mode.database_down = True
        with pytest.raises(ShopBroken):
            next(walk)
        shop.mode.database_down = False
        rest = list(xcart.iter_orders(placed_since=LONG_AGO, start=first.position, page_size=10))
        assert len(numbers([first, *rest])) == 30

    def test_a_page_larger_than_accepted_is_read_in_halves(self, store, shop):
        store.products[1].description = "<p>" + "long text " * 300 + "</p>"
        store.touch_product(1)
        ids = fill(store, 60)
        channel = connect(shop, limits=replace(PATIENT, max_bytes=100_000))
        pages = list(channel.iter_orders(placed_since=LONG_AGO))
        assert numbers(pages) == [str(each) for each in ids]
        assert not any(order.problems for page in pages for order in page.orders)
        assert 3 < channel.requests < 12

    @pytest.mark.parametrize("fault", ["truncate", "bad_json", "html", "status_500"])
    def test_a_trouble_that_passes_leaves_no_trace(self, store, shop, xcart, fault: str):
        ids = fill(store, 25)
        shop.faults.add(fault, times=1)
        assert numbers(list(xcart.iter_orders(placed_since=LONG_AGO, page_size=10))) == [str(each) for each in ids]

    @pytest.mark.parametrize("where", ["before", "middle"])
    def test_a_cut_connection_leaves_no_trace(self, store, shop, xcart, where: str):
        ids = fill(store, 25)
        shop.faults.add("reset", where, every=2, times=2)
        assert numbers(list(xcart.iter_orders(placed_since=LONG_AGO, page_size=10))) == [str(each) for each in ids]


class TestOneOrder:
    def test_by_id_and_by_number(self, store, shop, xcart):
        fill(store, 3)
        order_id = store.place_order([(1, 2)], number="A-0042")
        store.place_order([(1, 2)], number="A-00421")
        assert xcart.read_order(str(order_id)).number == "A-0042"
        assert xcart.find_order("A-0042").external_id == str(order_id)

    def test_what_the_shop_does_not_have(self, store, shop, xcart):
        fill(store, 2)
        assert xcart.read_order("999") is None
        assert xcart.find_order("999") is None
        assert xcart.find_order("") is None

    @pytest.mark.parametrize("external_id", ["", "1/2", "abc", "1%2F2", "-1", "٣"])
    def test_an_id_that_is_none_is_never_sent(self, store, shop, xcart, external_id: str):
        with pytest.raises(ShopRefused):
            xcart.read_order(external_id)
        with pytest.raises(ShopRefused):
            xcart.read_surcharges(external_id)
        assert shop.requests == []

    def test_without_a_customer(self, store, shop, xcart):
        order_id = store.place_order([(1, 2)], profile=False)
        order = xcart.read_order(str(order_id))
        assert isinstance(order, Order) and order.problems

    def test_its_single_money_rows_for_one_request(self, store, shop, xcart):
        order_id = store.place_order(
            [(1, 1)], shipping_cost=5, surcharges=[("tax", "VAT.1", "VAT", 2, True), ("tax", "X", "Old tax", 9, False, False)]
        )
        rows = xcart.read_surcharges(str(order_id))
        assert [(row.type, row.name, row.amount, row.included, row.available) for row in rows] == [
            ("shipping", "Shipping cost", Decimal("5.00"), False, True),
            ("tax", "VAT", Decimal("2.00"), True, True),
            ("tax", "Old tax", Decimal("9.00"), False, False),
        ]
        assert xcart.requests == 1

    def test_an_order_that_is_gone_has_no_money_rows(self, store, shop, xcart):
        with pytest.raises(ShopRefused, match="no order 999 any more"):
            xcart.read_surcharges("999")


class TestGateAndKey:
    def test_the_gate_stops_between_two_pages(self, store, shop):
        fill(store, 30)

        def gate() -> None:
            if len(shop.requests) == 2:
                raise SwitchedOff("The integration was disabled.")

        channel = connect(shop, gate=gate)
        with pytest.raises(SwitchedOff):
            list(channel.iter_orders(placed_since=LONG_AGO, page_size=10))
        assert len(shop.requests) == 2

    def test_a_wrong_key(self, store, shop):
        with pytest.raises(KeyRejected):
            list(connect(shop, "wrong").iter_orders(placed_since=LONG_AGO))

    def test_a_read_only_key_may_download(self, store, shop):
        fill(store, 3)
        assert len(numbers(list(connect(shop, shop.read_key).iter_orders(placed_since=LONG_AGO)))) == 3


def test_a_shop_in_a_sub_folder(store: Store):
    fill(store, 3)
    with PracticeShop(store=store, base_path="/outlet") as shop:
        assert len(numbers(list(connect(shop).iter_orders(placed_since=LONG_AGO)))) == 3


def test_bad_rows_are_values_not_errors():
    rows = [complex_row(1, NOW), {"orderId": 2, "orderNumber": {"odd": 1}}, complex_row(3, NOW)]

    def script(exchange) -> None:
        exchange.json(rows if "limit%5D%5B0%5D=0" in exchange.target else rows[-1:])

    with ScriptedShop(script) as shop:
        pages = list(connect(shop).iter_orders(placed_since=LONG_AGO))
    assert numbers(pages) == ["1", "3"]
    assert [(type(row), row.external_id) for page in pages for row in page.bad] == [(BadRow, "2")]
