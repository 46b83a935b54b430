"""What every channel promises about writes: on one product and one order, named first and restored after."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pytest

from channels.results import StockChange
from errors import ShopRefused
from tests.contract.conftest import Subject

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def channel(subject: Subject):
    made = subject.channel()
    yield made
    made.close()


def test_a_quantity_goes_out_and_comes_back(subject: Subject, channel):
    if not subject.writes:
        subject.cannot("quantities going out (WRITE=1 does)")
        return
    page = next(iter(channel.iter_listings(page_size=25)))
    listing = next((each for each in page.listings if each.counted and each.own_stock and each.kind == "product"), None)
    if listing is None:
        subject.cannot("quantities going out: the first products are not counted")
        return
    subject.say(f"quantity of {listing.sku} ({listing.external_id}) is {listing.quantity}: set to one more and back")
    try:
        changes = [StockChange("product:2147483646", 1), StockChange(listing.external_id, listing.quantity + 1)]
        gone, done = channel.put_stock(changes)
        assert (done.ok, done.stored) == (True, listing.quantity + 1)
        assert not gone.ok and gone.reason
        assert channel.read_quantities([listing.external_id]) == {listing.external_id: listing.quantity + 1}
    finally:
        assert channel.put_stock([StockChange(listing.external_id, listing.quantity)])[0].ok


def test_what_the_shop_would_twist_is_not_sent(channel):
    results = channel.put_stock([StockChange("product:1", -1), StockChange("product:1", 2**40), StockChange("nothing", 1)])
    assert not any(result.ok for result in results) and channel.requests == 0


def test_a_status_goes_out_once_and_never_back(subject: Subject, channel):
    if not subject.writes:
        subject.cannot("statuses going out (WRITE=1 does)")
        return
    orders = [order for page in islice(channel.iter_orders(placed_since=LONG_AGO), 3) for order in page.orders]
    order = next((each for each in reversed(orders) if each.shipping_status == "N" and not each.problems), None)
    if order is None:
        subject.cannot("statuses going out: no order is New")
        return
    before = {status.code: status.external_id for status in channel.statuses() if status.kind == "shipping"}
    subject.say(f"order {order.number} ({order.external_id}) is New: set to Processing and back")
    try:
        first = channel.put_shipment(order.external_id, status="P")
        assert (first.sent, first.shipping_status) == (True, "P")
        again = channel.put_shipment(order.external_id, status="P")
        assert (again.sent, again.shipping_status) == (False, "P") and again.note
        back = channel.put_shipment(order.external_id, status="N")
        assert (back.sent, back.shipping_status) == (False, "P")
        assert channel.read_order(order.external_id).shipping_status == "P"
    finally:
        subject.set_status(order.external_id, before["N"], "N")


def test_a_status_the_shop_does_not_have_is_refused_before_anything_is_sent(subject: Subject, channel):
    names = {status.code for status in channel.statuses()}
    with pytest.raises(ShopRefused):
        channel.put_shipment("1", status="ZZ")
    assert {status.code for status in channel.statuses()} == names


def test_an_order_that_is_none(subject: Subject, channel):
    with pytest.raises(ShopRefused):
        channel.put_shipment("2147483646", status="S")
