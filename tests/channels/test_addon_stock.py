"""Quantities to an add-on shop: in bulk, each answer compared with what was sent."""

from __future__ import annotations

import json
import logging
from urllib.parse import quote

import pytest

from channels.results import StockChange, StockResult
from errors import BodyChanged, KeyRejected, ReadOnlyKey, ShopBroken, ShopTimeout, SwitchedOff
from practice_shop import Store
from tests.channels.scripted import KEY, QUICK, ScriptedShop, connect


def changes(*pairs: tuple[str, int]) -> list[StockChange]:
    return [StockChange(external_id, quantity) for external_id, quantity in pairs]


def products(store: Store, count: int) -> None:
    for place in range(count):
        store.add_product(sku=f"P-{place:05d}", name=f"Thing {place}", price=5, amount=1)


def writes(shop) -> list[dict]:
    return [request for request in shop.requests if request["method"] != "GET"]


class TestPutStock:
    def test_quantities_arrive(self, store, shop, xcart):
        variant = store.add_variant(1, sku="CUP-RED", amount=4)
        results = xcart.put_stock(changes(("product:1", 7), (f"variant:{variant}", 3), ("product:2", 0)))
        assert results == [
            StockResult("product:1", "stored", 7),
            StockResult(f"variant:{variant}", "stored", 3),
            StockResult("product:2", "stored", 0),
        ]
        assert (store.amount(1), store.amount(2), store.variant_amount(variant)) == (7, 0, 3)
        assert len(shop.requests) == 2

    def test_a_hundred_rows_a_request(self, store, shop, xcart):
        products(store, 250)
        results = xcart.put_stock([StockChange(f"product:{number}", number) for number in range(1, 251)])
        assert all(result.ok for result in results)
        assert [len(json.loads(request["body"])["model"]) for request in writes(shop)] == [100, 100, 50]
        assert len(shop.requests) == 3

    def test_nothing_but_ids_and_whole_amounts_is_sent(self, store, shop, xcart):
        xcart.put_stock(changes(("product:1", 7)))
        assert json.loads(writes(shop)[0]["body"]) == {"model": [{"product_id": 1, "amount": 7}]}
        assert "cookie" not in writes(shop)[0]["headers"]

    @pytest.mark.parametrize("quantity", [-1, 16.7, "5", None, True, 2**31])
    def test_a_quantity_the_shop_would_twist_is_not_sent(self, store, shop, xcart, quantity):
        bad, good = xcart.put_stock([StockChange("product:1", quantity), StockChange("product:2", 4)])
        assert not bad.ok and bad.reason
        assert good.ok and store.amount(1) == 20

    def test_rows_the_shop_drops_without_a_word_are_not_done(self, store, shop, xcart):
        results = xcart.put_stock(changes(("product:1", 7), ("product:999", 5), ("product:2", 6)))
        assert [result.outcome for result in results] == ["stored", "not_done", "stored"]
        assert "left this listing out" in results[1].reason

    @pytest.mark.parametrize("external_id", ["order:1", "product:", "product:x", "7", "product:1/2"])
    def test_what_is_no_listing(self, store, shop, xcart, external_id: str):
        bad, good = xcart.put_stock(changes((external_id, 1), ("product:2", 6)))
        assert not bad.ok and good.ok

    def test_of_two_changes_of_one_listing_the_later_counts(self, store, shop, xcart):
        results = xcart.put_stock(changes(("product:1", 7), ("product:1", 9)))
        assert [result.stored for result in results] == [9, 9] and store.amount(1) == 9

    def test_a_variant_that_takes_its_products_quantity_is_named(self, store, shop, xcart):
        variant = store.add_variant(1, sku="X", amount=1, default_amount=True)
        result = xcart.put_stock(changes((f"variant:{variant}", 5)))[0]
        assert not result.ok and "takes its product's quantity" in result.reason

    def test_a_third_quantity_in_the_answer_is_another_value(self):
        with ScriptedShop(lambda exchange: exchange.json([{"product_id": 1, "amount": 3}])) as shop:
            result = connect(shop).put_stock([StockChange("product:1", 5, now=9)])[0]
        assert result == StockResult("product:1", "other_value", 3, "The shop stored 3 where 5 was sent.")

    def test_old_quantities_in_the_answer_are_not_done(self):
        answer = [{"product_id": 1, "amount": 9}, {"product_id": 2, "amount": 8}]
        with ScriptedShop(lambda exchange: exchange.json(answer)) as shop:
            with pytest.raises(BodyChanged):
                connect(shop).put_stock([StockChange("product:1", 5, now=9), StockChange("product:2", 5, now=8)])
            one, two = connect(shop).put_stock([StockChange("product:1", 5, now=9), StockChange("product:2", 8, now=3)])
        assert (one.outcome, one.stored, two.outcome) == ("not_done", 9, "stored")


class TestTrouble:
    def refusing(self, poison: int, status: int = 400):
        """A shop that refuses every bulk write with one certain row in it."""
        stored: dict[int, int] = {}

        def script(exchange) -> None:
            if exchange.method == "GET":
                exchange.json([{"product_id": row, "amount": stored.get(row, 0)} for row in range(1, 101)])
                return
            rows = json.loads(exchange.body)["model"]
            if any(row["product_id"] == poison for row in rows):
                exchange.answer(
                    status, b"[]" if status == 400 else b"<h1>oops</h1>", kind="text/html", X_REST_Error="SKU must be unique"
                )
                return
            stored.update((row["product_id"], row["amount"]) for row in rows)
            exchange.json(rows)

        return script, stored

    @pytest.mark.parametrize("poison", [1, 42, 100])
    @pytest.mark.parametrize("status", [400, 500])
    def test_one_bad_row_never_fails_the_others(self, poison: int, status: int):
        script, stored = self.refusing(poison, status)
        with ScriptedShop(script) as shop:
            results = connect(shop).put_stock([StockChange(f"product:{row}", row + 5) for row in range(1, 101)])
            assert len(shop.seen) < 40
        assert [result.external_id for result in results if not result.ok] == [f"product:{poison}"]
        assert results[poison - 1].outcome == ("refused" if status == 400 else "not_done")
        assert len(stored) == 99
        if status == 400:
            assert "SKU must be unique" in results[poison - 1].reason

    def test_a_500_after_the_write_was_done_is_looked_up(self, store, shop, xcart):
        products(store, 50)
        shop.faults.add("error_after_write", times=1)
        results = xcart.put_stock([StockChange(f"product:{row}", row + 5) for row in range(1, 51)])
        assert all(result.ok for result in results)
        assert len(writes(shop)) == 1

    def test_a_500_before_the_write_is_sent_again_in_halves(self, store, shop, xcart):
        products(store, 50)
        shop.faults.add("status_500", times=1, method="PUT")
        results = xcart.put_stock([StockChange(f"product:{row}", row + 5) for row in range(1, 51)])
        assert all(result.ok for result in results)
        assert len(writes(shop)) == 3

    def test_a_cut_connection_is_looked_up(self, store, shop, xcart):
        shop.faults.add("reset", "middle", times=1, method="PUT")
        assert all(result.ok for result in xcart.put_stock(changes(("product:1", 3), ("product:2", 4))))

    def test_an_outage_is_given_up_and_raised(self, store, shop, xcart):
        products(store, 300)
        shop.mode.database_down = True
        with pytest.raises(ShopBroken):
            xcart.put_stock([StockChange(f"product:{row}", 5) for row in range(1, 301)])
        assert len(shop.requests) < 10

    def test_writes_that_fail_while_reads_work_are_given_up(self, store, shop, xcart):
        products(store, 300)
        shop.faults.add("status_500", method="PUT")
        with pytest.raises(ShopBroken):
            xcart.put_stock([StockChange(f"product:{row}", 5) for row in range(1, 301)])
        assert len(writes(shop)) < 12

    def test_a_shop_that_stops_answering_writes_is_given_up_soon(self, store, shop):
        products(store, 300)
        shop.faults.add("latency_ms", 5000, method="PUT")
        with pytest.raises(ShopTimeout):
            connect(shop, limits=QUICK).put_stock([StockChange(f"product:{row}", 5) for row in range(1, 301)])
        assert len(writes(shop)) <= 4

    def test_a_read_only_key(self, store, shop):
        with pytest.raises(ReadOnlyKey):
            connect(shop, shop.read_key).put_stock(changes(("product:1", 3)))
        assert store.amount(1) == 20

    def test_a_wrong_key(self, store, shop):
        with pytest.raises(KeyRejected):
            connect(shop, "wrong").put_stock(changes(("product:1", 3)))

    def test_the_gate_stops_it_between_two_writes(self, store, shop):
        products(store, 250)

        def gate() -> None:
            if shop.requests:
                raise SwitchedOff("The integration was disabled.")

        with pytest.raises(SwitchedOff):
            connect(shop, gate=gate).put_stock([StockChange(f"product:{row}", 5) for row in range(1, 251)])
        assert len(shop.requests) == 1

    def test_no_log_holds_the_key(self, store, shop, caplog: pytest.LogCaptureFixture):
        caplog.set_level(logging.DEBUG)
        connect(shop).put_stock(changes(("product:1", 3)))
        assert "_path=" in caplog.text and shop.key not in caplog.text


def test_an_error_that_echoes_the_key_does_not_tell_it():
    with ScriptedShop(lambda exchange: exchange.answer(400, b"[]", X_REST_Error=f"no such key {quote(KEY)} <b>!</b>")) as shop:
        result = connect(shop).put_stock(changes(("product:1", 5)))[0]
    assert result.reason.endswith("no such key *** !.")


def test_never_a_delete_nor_a_row_path_where_a_list_was_meant(store, shop, xcart):
    store.place_order([(1, 1)])
    list(xcart.iter_listings())
    xcart.put_stock(changes(("product:1", 3)))
    xcart.put_shipment("1", status="S", tracking_numbers=["T"])
    xcart.check()
    assert {request["method"] for request in shop.requests} == {"GET", "PUT"}
    assert not any("%2F&" in f"{request['target']}&" for request in shop.requests)
