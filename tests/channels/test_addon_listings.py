"""Products and variants of an add-on shop: complete, streamed, in few requests."""

from __future__ import annotations

import tracemalloc

import pytest

from channels.base import Listing
from errors import InvalidInput, ShopTooOld
from practice_shop import Store
from tests.channels.scripted import ScriptedShop, connect


def all_of(channel, **options) -> list[Listing]:
    return [listing for page in channel.iter_listings(**options) for listing in page.listings]


def catalogue(store: Store, products: int, variants_each: int = 0) -> None:
    for place in range(products):
        product = store.add_product(sku=f"P-{place:05d}", name=f"Thing № {place}", price=5, amount=place % 7)
        for number in range(variants_each):
            store.add_variant(product, sku=f"P-{place:05d}-{number}", amount=number)


class TestListings:
    def test_products_with_quantity_name_and_flags(self, store, shop, xcart):
        store.add_product(sku="OFF", name="Disabled", price=1, amount=3, enabled=False)
        store.add_product(sku="FREE", name="Uncounted", price=1, amount=0, inventory_enabled=False)
        store.add_product(sku=None, name="No SKU", price=1, amount=1)
        assert all_of(xcart) == [
            Listing("product:1", "product", "1", "CUP", "Cup", 20),
            Listing("product:2", "product", "2", "PLATE", "Téller", 8),
            Listing("product:3", "product", "3", "OFF", "Disabled", 3, enabled=False),
            Listing("product:4", "product", "4", "FREE", "Uncounted", 0, counted=False),
            Listing("product:5", "product", "5", "", "No SKU", 1),
        ]

    def test_variants_know_their_product_and_inherit_its_sku(self, store, shop, xcart):
        red = store.add_variant(1, sku="CUP-RED", amount=4)
        plain = store.add_variant(1, sku=None, amount=6)
        shared = store.add_variant(2, sku="PLATE-L", amount=1, default_amount=True)
        variants = [listing for listing in all_of(xcart) if listing.kind == "variant"]
        assert [(each.external_id, each.product_id, each.sku, each.quantity, each.own_stock) for each in variants] == [
            (f"variant:{red}", "1", "CUP-RED", 4, True),
            (f"variant:{plain}", "1", "CUP", 6, True),
            (f"variant:{shared}", "2", "PLATE-L", 1, False),
        ]

    def test_variants_follow_their_product_in_being_counted_and_enabled(self, store, shop, xcart):
        product = store.add_product(sku="OFF", name="Off", price=1, enabled=False, inventory_enabled=False)
        store.add_variant(product, sku="OFF-1", amount=4)
        variant = all_of(xcart)[-1]
        assert (variant.counted, variant.enabled) == (False, False)

    def test_a_shop_without_the_variants_module(self, store, shop, xcart):
        store.has_variants_module = False
        assert [listing.sku for listing in all_of(xcart)] == ["CUP", "PLATE"]

    def test_two_requests_a_page_and_one_more_for_each_product_with_variants(self, store, shop, xcart):
        catalogue(store, 398)
        for product in (10, 11, 250):
            for number in range(3):
                store.add_variant(product, sku=f"{store.products[product].sku}-{number}", amount=1)
        listings = all_of(xcart)
        assert len(listings) == 400 + 9
        # Two pages with names, their end, the variants' page and its end, whether there are any, whether they can be asked for.
        assert len(shop.requests) <= 2 * 2 + 1 + 2 + 2 + 3

    def test_names_can_be_left_out(self, store, shop, xcart):
        assert [listing.name for listing in all_of(xcart, names=False)] == ["CUP", "PLATE"]
        assert not any("complex" in request["target"] for request in shop.requests)

    def test_known_variants_are_not_asked_for_again(self, store, shop, xcart):
        catalogue(store, 20, variants_each=2)
        first = all_of(xcart)
        shop.clear_requests()
        known = {listing.external_id: listing.product_id for listing in first if listing.kind == "variant"}
        assert all_of(xcart, known=known) == first
        assert len(shop.requests) <= 9

    def test_names_fall_back_to_the_sku_where_the_shop_cannot_give_them(self, store, shop, xcart):
        shop.faults.add("status_500", match="_schema=complex")
        assert [listing.name for listing in all_of(xcart)] == ["CUP", "PLATE"]

    def test_goes_on_from_a_position(self, store, shop, xcart):
        catalogue(store, 30, variants_each=1)
        whole = all_of(xcart, page_size=10)
        pages = []
        for page in xcart.iter_listings(page_size=10):
            pages.append(page)
            if len(pages) == 5:
                break
        rest = list(xcart.iter_listings(start=pages[-1].position, page_size=10))
        again = [listing for page in [*pages, *rest] for listing in page.listings]
        assert again == whole and rest[-1].last

    def test_products_removed_meanwhile_hide_none(self, store, shop, xcart):
        catalogue(store, 60)
        found = []
        for page in xcart.iter_listings(page_size=10):
            if len(found) == 20:
                for gone in range(1, 9):
                    store.delete_product(gone)
            found += [listing.product_id for listing in page.listings]
        assert sorted(map(int, found)) == list(range(1, 63))

    def test_a_shop_that_ignores_the_product_of_variants_still_gives_the_right_one(self):
        """Where ``_cnd[product]`` is ignored every variant seems to belong to every product."""
        products = [{"product_id": 1, "sku": "A", "amount": 1}, {"product_id": 2, "sku": "B", "amount": 2}]
        variants = [
            {"id": 1, "sku": "A-1", "variant_id": "Av1", "amount": 3},
            {"id": 2, "sku": "B-1", "variant_id": "Bv1", "amount": 4},
        ]

        def script(exchange) -> None:
            target = exchange.target
            if "productvariant%2F" in target:
                row = int(target.partition("productvariant%2F")[2].partition("&")[0])
                exchange.json({**variants[row - 1], "product": products[row - 1]})
                return
            rows = variants if "productvariant" in target else products
            if "schema=complex" in target:
                rows = [{"productId": 1, "name": "Name A"}]
            offset = int(target.partition("limit%5D%5B0%5D=")[2].partition("&")[0])
            exchange.json(rows[offset:])

        with ScriptedShop(script) as shop:
            listings = all_of(connect(shop))
        assert [(each.external_id, each.product_id) for each in listings if each.kind == "variant"] == [
            ("variant:1", "1"),
            ("variant:2", "2"),
        ]
        assert [each.name for each in listings if each.kind == "product"] == ["Name A", "B"]

    def test_an_add_on_that_keeps_quantities_elsewhere_is_too_old(self):
        row = {"product_id": 1, "sku": "A", "inventory": {"amount": 3}}
        with ScriptedShop(lambda exchange: exchange.json([row])) as shop, pytest.raises(ShopTooOld) as caught:
            all_of(connect(shop))
        assert "5.3.2.11" in caught.value.advice

    def test_an_unreadable_product_is_reported(self):
        rows = [{"product_id": 1, "sku": "A", "amount": 3}, {"product_id": 2, "sku": "B", "amount": "lots"}]

        def script(exchange) -> None:
            rows_now = [] if "productvariant" in exchange.target else rows
            exchange.json(rows_now if "%5B0%5D=0&" in exchange.target else rows_now[-1:])

        with ScriptedShop(script) as shop:
            pages = list(connect(shop).iter_listings(names=False))
        assert [listing.sku for page in pages for listing in page.listings] == ["A"]
        assert [row.external_id for page in pages for row in page.bad] == ["product:2"]

    @pytest.mark.parametrize("start", ["product", "order:5", "product:-1", "x"])
    def test_a_position_that_is_none(self, xcart, start: str):
        with pytest.raises(InvalidInput):
            list(xcart.iter_listings(start=start))

    def test_a_large_catalogue_does_not_pile_up(self):
        def script(exchange) -> None:
            shop.seen.clear()
            if "productvariant" in exchange.target:
                exchange.json([])
                return
            offset, count = (int(exchange.target.partition(f"limit%5D%5B{place}%5D=")[2].partition("&")[0]) for place in (0, 1))
            rows = range(offset + 1, min(offset + count, 10_000) + 1)
            exchange.json([{"product_id": row, "sku": f"SKU-{row:09d}", "amount": row, "filler": "x" * 500} for row in rows])

        with ScriptedShop(script) as shop:
            walk = connect(shop).iter_listings(names=False)
            next(walk)
            tracemalloc.start()
            try:
                count = sum(len(page.listings) for page in walk)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert count == 9_800
        assert peak < 3_000_000


class TestQuantities:
    def test_a_hundred_products_for_one_request(self, store, shop, xcart):
        catalogue(store, 200)
        wanted = [f"product:{number}" for number in range(1, 101)]
        found = xcart.read_quantities(wanted)
        assert found == {external_id: store.amount(int(external_id[8:])) for external_id in wanted}
        assert len(shop.requests) == 1

    def test_those_that_are_gone_are_left_out(self, store, shop, xcart):
        store.delete_product(1)
        assert xcart.read_quantities(["product:1", "product:2", "product:999"]) == {"product:2": 8}

    def test_a_few_variants_one_by_one(self, store, shop, xcart):
        store.add_variant(1, sku="A", amount=4)
        store.add_variant(1, sku="B", amount=6)
        assert xcart.read_quantities(["variant:2", "variant:1", "variant:99"]) == {"variant:1": 4, "variant:2": 6}

    def test_many_variants_in_pages(self, store, shop, xcart):
        catalogue(store, 300, variants_each=2)
        wanted = [f"variant:{number}" for number in range(1, 601, 5)]
        found = xcart.read_quantities(wanted)
        assert found == {external_id: store.variant_amount(int(external_id[8:])) for external_id in wanted}
        assert len(shop.requests) <= 4

    def test_a_shop_that_ignores_the_products_asked_for_is_leafed_through(self):
        rows = [{"product_id": number, "sku": f"S{number}", "amount": number * 2} for number in range(1, 41)]

        def script(exchange) -> None:
            offset, count = (int(exchange.target.partition(f"limit%5D%5B{place}%5D=")[2].partition("&")[0]) for place in (0, 1))
            exchange.json(rows[offset : offset + count])

        with ScriptedShop(script) as shop:
            found = connect(shop).read_quantities(["product:30", "product:7", "product:99"])
            assert len(shop.seen) <= 4
        assert found == {"product:30": 60, "product:7": 14}

    def test_nothing_asked_nothing_sent(self, shop, xcart):
        assert xcart.read_quantities([]) == {}
        assert shop.requests == []
