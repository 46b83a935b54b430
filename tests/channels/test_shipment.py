"""Statuses, and marking an order shipped: never backwards, nothing twice, nothing made up."""

from __future__ import annotations

import json

import pytest

from channels.base import Status
from errors import ReadOnlyKey, ShopBroken, ShopRefused
from practice_shop import Store
from tests.channels.scripted import connect


def writes(shop) -> list[dict]:
    return [json.loads(request["body"]) for request in shop.requests if request["method"] != "GET"]


@pytest.fixture
def order(store: Store) -> str:
    return str(store.place_order([(1, 1)]))


class TestStatuses:
    def test_both_kinds_with_names_in_the_shops_order(self, store, shop, xcart):
        store.add_status("shipping", None, "Packed by Zoë", position=25)
        found = xcart.statuses()
        shipping = [status for status in found if status.kind == "shipping"]
        assert [status.code for status in shipping] == ["N", "P", "", "S", "D", "WND", "R", "WFA", "NBA", "NF"]
        assert Status("shipping", "10", "", "Packed by Zoë") in found
        assert Status("payment", "4", "P", "Paid") in found

    def test_names_fall_back_to_the_usual_ones(self, store, shop, xcart):
        shop.faults.add("status_500", match="%2F")
        assert Status("shipping", "3", "S", "Shipped") in xcart.statuses()


class TestShipping:
    def test_status_and_tracking_go_in_one_request(self, store, shop, xcart, order):
        result = xcart.put_shipment(order, status="S", tracking_numbers=["1Z1", " 1Z2 ", "1Z1", ""])
        assert (result.sent, result.shipping_status, result.tracking_numbers, result.note) == (True, "S", ("1Z1", "1Z2"), "")
        assert writes(shop) == [{"trackingNumbers": [{"value": "1Z1"}, {"value": "1Z2"}], "shippingStatus": {"id": 3}}]
        assert store.tracking(int(order)) == ["1Z1", "1Z2"]
        assert [mail["mail"] for mail in store.mails] == ["order shipped"]

    def test_a_second_time_sends_nothing(self, store, shop, xcart, order):
        xcart.put_shipment(order, status="S", tracking_numbers=["1Z"])
        shop.clear_requests()
        result = xcart.put_shipment(order, status="S", tracking_numbers=["1Z"])
        assert (result.sent, result.tracking_numbers, writes(shop)) == (False, ("1Z",), [])
        assert "already marked" in result.note
        assert len(store.mails) == 1 and store.tracking(int(order)) == ["1Z"]

    @pytest.mark.parametrize("present", ["S", "D", "R"])
    def test_never_backwards(self, store, shop, xcart, order, present: str):
        store.set_status(int(order), shipping=present)
        result = xcart.put_shipment(order, status="S")
        assert (result.sent, result.shipping_status, writes(shop)) == (False, present, [])

    def test_an_order_called_off_in_the_shop_is_left_alone(self, store, shop, xcart, order):
        store.set_status(int(order), shipping="WND")
        result = xcart.put_shipment(order, status="S", tracking_numbers=["1Z"])
        assert (result.sent, writes(shop)) == (False, [])
        assert "Will not deliver" in result.note

    @pytest.mark.parametrize("present", ["N", "P", "WFA", "NBA"])
    def test_forwards_from_anything_before(self, store, shop, xcart, order, present: str):
        store.set_status(int(order), shipping=present)
        assert xcart.put_shipment(order, status="S").shipping_status == "S"

    def test_a_second_parcel_adds_its_number_and_touches_no_status(self, store, shop, xcart, order):
        xcart.put_shipment(order, status="S", tracking_numbers=["1Z1"])
        shop.clear_requests()
        result = xcart.put_shipment(order, status="S", tracking_numbers=["1Z1", "1Z2"])
        assert writes(shop) == [{"trackingNumbers": [{"value": "1Z2"}]}]
        assert (result.sent, result.tracking_numbers) == (True, ("1Z1", "1Z2"))
        assert len(store.mails) == 1

    def test_a_merchants_own_status_by_its_id(self, store, shop, xcart, order):
        own = store.add_status("shipping", None, "Handed over")
        assert xcart.put_shipment(order, status=str(own)).sent
        assert store.order(int(order)).shipping_id == own
        assert not xcart.put_shipment(order, status=str(own)).sent

    def test_an_order_without_a_status(self, store, shop, xcart):
        order = store.place_order([(1, 1)], shipping=None)
        assert xcart.put_shipment(str(order), status="S").shipping_status == "S"

    @pytest.mark.parametrize("status", ["ZZ", "s", "", "999", "Q", "A"])
    def test_a_status_the_shop_does_not_have_is_never_sent(self, store, shop, xcart, order, status: str):
        """The shop would rename the order's present status for all its orders."""
        with pytest.raises(ShopRefused, match="no shipping status"):
            xcart.put_shipment(order, status=status)
        assert writes(shop) == []

    @pytest.mark.parametrize("external_id", ["999", "", "abc", "1/1"])
    def test_an_order_the_shop_does_not_have(self, store, shop, xcart, external_id: str):
        with pytest.raises(ShopRefused):
            xcart.put_shipment(external_id, status="S", tracking_numbers=["1Z"])
        assert writes(shop) == []

    def test_three_requests_and_two_for_the_next(self, store, shop, xcart, order):
        xcart.put_shipment(order, status="S")
        assert len(shop.requests) == 3
        other = str(store.place_order([(1, 1)]))
        xcart.put_shipment(other, status="S")
        assert len(shop.requests) == 5


class TestTrouble:
    def test_a_500_after_saving_is_a_success_and_nothing_is_sent_twice(self, store, shop, xcart, order):
        shop.faults.add("error_after_write", times=1)
        result = xcart.put_shipment(order, status="S", tracking_numbers=["1Z"])
        assert result.sent and result.tracking_numbers == ("1Z",)
        assert len(writes(shop)) == 1 and store.tracking(int(order)) == ["1Z"]

    def test_a_500_before_saving_is_an_error_to_try_again(self, store, shop, xcart, order):
        shop.faults.add("status_500", times=1, method="PUT")
        with pytest.raises(ShopBroken) as caught:
            xcart.put_shipment(order, status="S", tracking_numbers=["1Z"])
        assert caught.value.retryable
        assert xcart.put_shipment(order, status="S", tracking_numbers=["1Z"]).sent
        assert store.tracking(int(order)) == ["1Z"]

    def test_an_answer_cut_off_is_looked_up(self, store, shop, xcart, order):
        shop.faults.add("reset", "middle", times=1, method="PUT")
        assert xcart.put_shipment(order, status="S", tracking_numbers=["1Z"]).sent
        assert len(writes(shop)) == 1

    def test_a_write_that_does_nothing_is_no_success(self, store, shop, xcart, order):
        """The shop answers 200 with the whole order to much that it does not do."""
        xcart.put_shipment(order, status="P")
        store.delete_status("shipping", 3)
        with pytest.raises(ShopRefused, match="left the order at the status"):
            xcart.put_shipment(order, status="S")

    def test_a_read_only_key(self, store, shop, order):
        with pytest.raises(ReadOnlyKey):
            connect(shop, shop.read_key).put_shipment(order, status="S")
        assert store.order(int(order)).shipping_id == 1

    def test_no_key_and_no_hash_in_what_comes_back(self, store, shop, xcart, order):
        result = xcart.put_shipment(order, status="S")
        assert "hash" not in repr(result) and shop.key not in repr(result)
