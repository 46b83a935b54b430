"""Listings, stock and shipments of a 5.5 shop: no bulk, variants per product, and writes that answer 500 after saving."""

from __future__ import annotations

import json

import pytest

from channels.base import Listing
from channels.results import StockChange, StockResult
from errors import KeyRejected, MethodBlocked, ReadOnlyKey, ShopBroken, ShopRefused, ShopTimeout, SwitchedOff
from practice_shop import Store
from tests.channels.scripted import KEY, QUICK, ScriptedShop, connect

GENERATION = "api"


def writes(shop) -> list[tuple[str, dict]]:
    return [(request["target"], json.loads(request["body"])) for request in shop.requests if request["method"] != "GET"]


def all_of(channel, **options) -> list[Listing]:
    return [listing for page in channel.iter_listings(**options) for listing in page.listings]


def catalogue(store: Store, products: int) -> None:
    for place in range(products):
        store.add_product(sku=f"P-{place:05d}", name=f"Thing № {place}", price=5, amount=place % 7)


class TestListings:
    def test_products_and_variants(self, store, shop, xcart):
        red = store.add_variant(1, sku="CUP-RED", amount=4)
        plain = store.add_variant(1, sku=None, amount=6, default_amount=True)
        store.add_product(sku="FREE", name="Uncounted", price=1, inventory_enabled=False, enabled=False)
        assert all_of(xcart) == [
            Listing("product:1", "product", "1", "CUP", "Cup", 20),
            Listing("product:2", "product", "2", "PLATE", "Téller", 8),
            Listing("product:3", "product", "3", "FREE", "Uncounted", 0, counted=False, enabled=False),
            Listing(f"variant:1/{red}", "variant", "1", "CUP-RED", "Cup", 4, former_id=f"variant:{red}"),
            Listing(f"variant:1/{plain}", "variant", "1", "CUP", "Cup", 6, own_stock=False, former_id=f"variant:{plain}"),
        ]

    def test_without_the_variants_module_no_product_is_asked_for_them(self, store, shop, xcart):
        store.has_variants_module = False
        catalogue(store, 150)
        assert len(all_of(xcart)) == 152
        assert len(shop.requests) <= 6

    def test_more_variants_than_a_page(self, store, shop, xcart):
        ids = [store.add_variant(1, sku=f"CUP-{number}", amount=number) for number in range(130)]
        variants = [listing for listing in all_of(xcart) if listing.kind == "variant"]
        assert [listing.external_id for listing in variants] == [f"variant:1/{row}" for row in ids]

    def test_goes_on_from_a_position(self, store, shop, xcart):
        catalogue(store, 33)
        whole = all_of(xcart, page_size=10)
        first = next(xcart.iter_listings(page_size=10))
        again = [*first.listings, *all_of(xcart, start=first.position, page_size=10)]
        assert sorted({each.external_id for each in again}) == sorted(each.external_id for each in whole)

    def test_products_removed_meanwhile_hide_none(self, store, shop, xcart):
        catalogue(store, 60)
        found = []
        for page in xcart.iter_listings(page_size=10):
            if len(found) == 20:
                for gone in range(1, 9):
                    store.delete_product(gone)
            found += [listing.product_id for listing in page.listings]
        assert sorted(map(int, found)) == list(range(1, 63))

    def test_a_product_without_sku_breaks_its_page_and_only_itself(self, store, shop, xcart):
        catalogue(store, 40)
        store.add_product(sku=None, name="No SKU", price=1)
        catalogue(store, 20)
        pages = list(xcart.iter_listings())
        assert sum(len(page.listings) for page in pages) == 62
        assert sum(len(page.bad) for page in pages) == 1

    def test_variants_alone(self, store, shop, xcart):
        store.add_variant(2, sku="PLATE-L")
        assert [listing.external_id for listing in all_of(xcart, start="variant:0")] == ["variant:2/1"]


class TestQuantities:
    def test_products_and_variants(self, store, shop, xcart):
        variants = [store.add_variant(1, sku=f"V{number}", amount=number) for number in range(3)]
        wanted = [
            "product:1",
            "product:2",
            "product:99",
            *(f"variant:1/{row}" for row in variants),
            "variant:1/99",
            "variant:99/1",
        ]
        assert xcart.read_quantities(wanted) == {
            "product:1": 20, "product:2": 8, **{f"variant:1/{row}": number for number, row in enumerate(variants)},
        }  # fmt: skip

    def test_many_products_are_leafed_through(self, store, shop, xcart):
        catalogue(store, 298)
        found = xcart.read_quantities([f"product:{row}" for row in range(1, 301)])
        assert len(found) == 300 and len(shop.requests) <= 7

    def test_few_of_many_come_one_by_one(self, store, shop, xcart):
        catalogue(store, 298)
        xcart.read_quantities(["product:299", "product:300"])
        assert len(shop.requests) == 2

    def test_a_variant_known_from_an_older_x_cart_is_left_out(self, store, shop, xcart):
        store.add_variant(1, sku="V")
        assert xcart.read_quantities(["variant:1"]) == {}


class TestPutStock:
    def test_quantities_arrive(self, store, shop, xcart):
        variant = store.add_variant(1, sku="CUP-RED", amount=4)
        results = xcart.put_stock(
            [StockChange("product:1", 7), StockChange(f"variant:1/{variant}", 3), StockChange("product:2", 0)]
        )
        assert results == [
            StockResult("product:1", "stored", 7),
            StockResult(f"variant:1/{variant}", "stored", 3),
            StockResult("product:2", "stored", 0),
        ]
        assert (store.amount(1), store.amount(2), store.variant_amount(variant)) == (7, 0, 3)
        assert sorted(writes(shop)) == [
            ("/api/products/1", {"amount": 7}), (f"/api/products/1/variants/{variant}", {"amount": 3}), ("/api/products/2", {"amount": 0}),
        ]  # fmt: skip

    @pytest.mark.parametrize("quantity", [-1, 16.7, "5", None, True, 2**31])
    def test_a_quantity_the_shop_would_twist_or_refuse_is_not_sent(self, store, shop, xcart, quantity):
        bad, good = xcart.put_stock([StockChange("product:1", quantity), StockChange("product:2", 4)])
        assert not bad.ok and good.ok and len(shop.requests) == 1

    def test_a_row_that_fails_never_fails_the_others(self, store, shop, xcart):
        broken = store.add_product(sku=None, name="No SKU", price=1)
        shared = store.add_variant(1, sku="X", default_amount=True)
        wanted = [StockChange("product:1", 7), StockChange("product:99", 1), StockChange(f"product:{broken}", 5), StockChange(f"variant:1/{shared}", 5),
                  StockChange("variant:7", 1), StockChange("order:1", 1), StockChange("product:2", 4)]  # fmt: skip
        results = xcart.put_stock(wanted)
        assert [result.ok for result in results] == [True, False, False, False, False, False, True]
        assert all(result.reason for result in results if not result.ok)
        assert (store.amount(1), store.amount(2)) == (7, 4)

    def test_a_500_after_saving_is_a_success(self, store, shop, xcart):
        shop.faults.add("error_after_write", times=1)
        assert all(result.ok for result in xcart.put_stock([StockChange("product:1", 7), StockChange("product:2", 9)]))

    def test_an_outage(self, store, shop, xcart):
        catalogue(store, 200)
        shop.mode.database_down = True
        with pytest.raises(ShopBroken):
            xcart.put_stock([StockChange(f"product:{row}", 1) for row in range(1, 201)])
        assert len(shop.requests) < 60

    def test_a_shop_that_takes_no_writes(self, store, shop, xcart):
        catalogue(store, 200)
        shop.faults.add("status_500", method="PUT")
        with pytest.raises(ShopBroken):
            xcart.put_stock([StockChange(f"product:{row}", 77) for row in range(1, 201)])
        assert len(writes(shop)) <= 40

    def test_a_shop_that_stops_answering(self, store, shop):
        shop.faults.add("latency_ms", 5000)
        with pytest.raises(ShopTimeout):
            connect(shop, limits=QUICK, generation="api").put_stock([StockChange("product:1", 1)])

    def test_a_read_only_key(self, store, shop):
        with pytest.raises(ReadOnlyKey):
            connect(shop, shop.read_key, generation="api").put_stock([StockChange("product:1", 1)])

    def test_a_firewall_is_no_read_only_key(self, store, shop, xcart):
        shop.faults.add("status", 403, method="PUT")
        with pytest.raises(MethodBlocked):
            xcart.put_stock([StockChange("product:1", 1)])

    def test_the_gate_stops_it(self, store, shop):
        catalogue(store, 100)

        def gate() -> None:
            if len(shop.requests) >= 7:
                raise SwitchedOff("The integration was disabled.")

        with pytest.raises(SwitchedOff):
            connect(shop, gate=gate, generation="api").put_stock([StockChange(f"product:{row}", 1) for row in range(1, 101)])
        assert len(shop.requests) <= 9

    def test_an_error_that_echoes_the_key_does_not_tell_it(self):
        key = KEY.replace("é", "e")
        with ScriptedShop(lambda exchange: exchange.json({"title": "An error occurred", "detail": f"bad {key}"}, 400)) as shop:
            result = connect(shop, key, generation="api").put_stock([StockChange("product:1", 1)])[0]
        assert result.reason.endswith("bad ***.")


class TestShipment:
    @pytest.fixture
    def order(self, store: Store) -> str:
        return str(store.place_order([(1, 1)]))

    def test_the_status_arrives_and_the_number_is_left_to_a_person(self, store, shop, xcart, order):
        result = xcart.put_shipment(order, status="S", tracking_numbers=["1Z"])
        assert (result.sent, result.shipping_status, result.tracking_numbers) == (True, "S", ())
        assert "enter 1Z in the shop by hand" in result.note
        assert writes(shop) == [(f"/api/orders/{order}/shipping_status", {"code": "S"})]
        assert len(store.mails) == 1

    def test_a_newer_shop_gets_the_number_before_the_status(self, store, shop, xcart, order):
        store.newer_api = True
        result = xcart.put_shipment(order, status="S", tracking_numbers=["1Z", " 1Z"])
        assert (result.tracking_numbers, result.note) == (("1Z",), "")
        assert [target for target, _ in writes(shop)] == [
            f"/api/orders/{order}/tracking_numbers",
            f"/api/orders/{order}/shipping_status",
        ]
        shop.clear_requests()
        assert not xcart.put_shipment(order, status="S", tracking_numbers=["1Z"]).sent
        assert writes(shop) == [] and store.tracking(int(order)) == ["1Z"]

    @pytest.mark.parametrize("present", ["S", "D", "R", "WND"])
    def test_never_backwards(self, store, shop, xcart, order, present: str):
        store.set_status(int(order), shipping=present)
        result = xcart.put_shipment(order, status="S")
        assert (result.sent, result.shipping_status, writes(shop)) == (False, present, [])

    @pytest.mark.parametrize("status", ["ZZ", "", "999"])
    def test_a_status_the_shop_does_not_have(self, shop, xcart, order, status: str):
        with pytest.raises(ShopRefused, match="no shipping status"):
            xcart.put_shipment(order, status=status)
        assert writes(shop) == []

    def test_by_the_id_of_a_status_seen_in_orders(self, store, shop, xcart, order):
        store.place_order([(1, 1)], shipping="P")
        assert xcart.put_shipment(order, status="2").shipping_status == "P"
        assert writes(shop)[0][1] == {"code": "P"}

    def test_an_order_that_cannot_be_printed_can_still_be_shipped(self, store, shop, xcart, order):
        store.orders[int(order)].items[0].product_id = None
        store.orders[int(order)].revision += 1
        assert xcart.put_shipment(order, status="S").sent
        assert store.order(int(order)).shipping_id == 3

    def test_a_500_after_saving_is_a_success(self, store, shop, xcart, order):
        store.mail_fails = True
        assert xcart.put_shipment(order, status="S").sent
        assert len(writes(shop)) == 1

    def test_a_500_before_saving_is_an_error_to_try_again(self, store, shop, xcart, order):
        shop.faults.add("status_500", times=1, method="PUT")
        with pytest.raises(ShopBroken):
            xcart.put_shipment(order, status="S")
        assert store.order(int(order)).shipping_id == 1

    def test_an_order_the_shop_does_not_have(self, shop, xcart):
        with pytest.raises(ShopRefused, match="no order 999"):
            xcart.put_shipment("999", status="S")
        assert writes(shop) == []

    def test_a_read_only_key(self, shop, order):
        with pytest.raises(ReadOnlyKey):
            connect(shop, shop.read_key, generation="api").put_shipment(order, status="S")

    def test_a_wrong_key(self, shop, order):
        with pytest.raises(KeyRejected):
            connect(shop, "wrong", generation="api").put_shipment(order, status="S")

    def test_statuses_are_the_built_in_ones_and_those_seen(self, store, shop, xcart, order):
        own = store.add_status("shipping", "X1", "Packed by Zoë")
        store.place_order([(1, 1)], shipping="X1")
        shipping = {status.code: status for status in xcart.statuses() if status.kind == "shipping"}
        assert (shipping["X1"].name, shipping["X1"].external_id) == ("Packed by Zoë", str(own))
        assert (shipping["S"].name, shipping["N"].external_id) == ("Shipped", "1")


def test_never_a_delete(store, shop, xcart):
    store.place_order([(1, 1)])
    all_of(xcart)
    xcart.put_stock([StockChange("product:1", 3)])
    xcart.put_shipment("1", status="S", tracking_numbers=["T"])
    xcart.check()
    assert {request["method"] for request in shop.requests} == {"GET", "PUT"}
