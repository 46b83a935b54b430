"""What every channel promises (channels/base.py), asked of both generations of X-Cart alike: reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from math import ceil

import pytest

from channels.base import Order
from errors import KeyRejected
from tests.contract.conftest import Subject

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
PAGES = 6
PAGE = 25


@pytest.fixture
def channel(subject: Subject):
    made = subject.channel()
    yield made
    made.close()


@pytest.fixture
def orders(subject: Subject) -> list[Order]:
    """The orders of the last weeks, at most some pages of them, read once."""
    if subject.orders_read is None:
        since = datetime.now(UTC) - timedelta(days=30)
        channel = subject.channel()
        pages = list(islice(channel.iter_orders(placed_since=since, page_size=PAGE), PAGES))
        channel.close()
        subject.orders_read = [order for page in pages for order in page.orders]
        subject.say(f"{len(subject.orders_read)} orders read")
    return subject.orders_read


def test_check(subject: Subject, channel):
    found = channel.check()
    assert found.generation == subject.generation
    assert found.requests == channel.requests <= 5
    assert found.verdict in ("good", "read_only_key")
    subject.say(f"{found.message} {found.advice}".strip())


def test_statuses(subject: Subject, channel):
    found = channel.statuses()
    assert {status.kind for status in found} == {"payment", "shipping"}
    assert {"P", "Q"} <= {status.code for status in found if status.kind == "payment"}
    assert {"N", "S"} <= {status.code for status in found if status.kind == "shipping"}
    assert all(status.name and status.external_id for status in found)
    subject.say(f"{len(found)} statuses")


def test_orders_come_once_and_in_few_requests(subject: Subject, channel):
    pages = list(islice(channel.iter_orders(placed_since=LONG_AGO, page_size=PAGE), PAGES))
    orders = [order.external_id for page in pages for order in page.orders]
    bad = [row.external_id for page in pages for row in page.bad]
    assert len(orders) == len(set(orders))
    if not bad:
        assert channel.requests <= ceil(len(orders) / PAGE) + 2
    subject.say(f"{len(orders)} orders in {channel.requests} requests, each once; {len(bad)} cannot be read")


def test_orders_are_whole(subject: Subject, orders):
    if not orders:
        subject.cannot("orders: the shop had none in the last 30 days")
    for order in orders:
        assert order.number and order.external_id
        assert order.placed_at.tzinfo is not None and order.placed_at.utcoffset() == timedelta(0)
        assert order.changed_at.utcoffset() == timedelta(0)
        assert len(order.currency) == 3 and order.lines
        for amount in (order.total, order.shipping, order.discount, order.tax):
            assert isinstance(amount, Decimal) and amount == round(amount, order.decimals)
        assert order.discount <= 0
        for line in order.lines:
            assert isinstance(line.price, Decimal) and isinstance(line.subtotal, Decimal) and line.quantity >= 0
        assert "password" not in json.dumps(order.raw)


def test_money_adds_up_with_the_single_rows(subject: Subject, channel, orders):
    checked = 0
    for order in [order for order in orders if not order.problems][:5]:
        rows = order.surcharges if order.surcharges is not None else channel.read_surcharges(order.external_id)
        added = sum((row.amount for row in rows if row.available and not row.included), Decimal(0))
        assert sum(line.subtotal for line in order.lines) + added == order.total, order.number
        checked += 1
    subject.say(f"the money of {checked} orders adds up")


def test_only_orders_placed_since(channel, orders):
    if len(orders) > 3:
        since = orders[len(orders) // 2].placed_at
        page = next(iter(channel.iter_orders(placed_since=since, page_size=PAGE)))
        assert page.orders and all(order.placed_at >= since for order in page.orders)


def test_orders_go_on_from_a_position(channel, orders):
    if len(orders) <= PAGE:
        return
    since = datetime.now(UTC) - timedelta(days=30)
    first = next(iter(channel.iter_orders(placed_since=since, page_size=PAGE)))
    rest = next(iter(channel.iter_orders(placed_since=since, start=first.position, page_size=PAGE)))
    read = [order.external_id for order in first.orders] + [order.external_id for order in rest.orders]
    assert set(read) >= {order.external_id for order in orders[: len(set(read))]}


def test_a_stored_payload_reads_the_same(channel, orders):
    for order in orders[:50]:
        assert channel.parse_stored(json.loads(json.dumps(order.raw)), order.surcharges) == order
    assert channel.requests == 0


def test_changed_orders_come_newest_first(subject: Subject, channel, orders):
    pages = list(islice(channel.iter_changed_orders(changed_since=LONG_AGO, page_size=PAGE), 2))
    moments = [order.changed_at for page in pages for order in page.orders]
    assert moments == sorted(moments, reverse=True)
    ids = [order.external_id for page in pages for order in page.orders]
    assert len(ids) == len(set(ids))


def test_an_idle_look_at_changes_costs_one_request(subject: Subject, channel):
    pages = list(channel.iter_changed_orders(changed_since=datetime.now(UTC) + timedelta(days=1)))
    assert pages[-1].last and not any(page.orders for page in pages)
    assert channel.requests == 1 or pages[0].requests > 1
    subject.say(f"an idle look costs {channel.requests} request(s)")


def test_one_order(channel, orders):
    for order in orders[:3]:
        read = channel.read_order(order.external_id)
        assert read is not None
        assert (read.number, read.total, read.placed_at) == (order.number, order.total, order.placed_at)
        assert [(line.sku, line.quantity) for line in read.lines] == [(line.sku, line.quantity) for line in order.lines]
        found = channel.find_order(order.number)
        assert found is not None and found.number == order.number


def test_an_order_that_is_none(channel):
    assert channel.read_order("2147483646") is None
    assert channel.find_order("no-such-number-at-all") is None


def test_listings_and_their_quantities(subject: Subject, channel):
    listings = []
    for page in islice(channel.iter_listings(page_size=PAGE), 4):
        listings += page.listings
        if page.last:
            break
    assert listings, "a shop without products"
    assert len({listing.external_id for listing in listings}) == len(listings)
    for listing in listings:
        assert listing.kind in ("product", "variant") and listing.product_id and listing.name
        assert isinstance(listing.quantity, int) and listing.quantity >= 0
    wanted = [listing.external_id for listing in listings if listing.counted and listing.own_stock][:40]
    found = channel.read_quantities([*wanted, "product:2147483646"])
    differing = [
        listing for listing in listings if listing.external_id in found and found[listing.external_id] != listing.quantity
    ]
    # A real shop may have sold something in between.
    assert set(found) == set(wanted) and len(differing) <= 1
    kinds = {kind: sum(listing.kind == kind for listing in listings) for kind in ("product", "variant")}
    subject.say(f"{kinds['product']} products and {kinds['variant']} variants read, {len(found)} quantities compared")


def test_listings_go_on_from_a_position(channel):
    pages = list(islice(channel.iter_listings(page_size=PAGE), 2))
    if len(pages) == 2:
        again = next(iter(channel.iter_listings(start=pages[0].position, page_size=PAGE)))
        assert {each.external_id for each in again.listings} >= {
            each.external_id for each in pages[1].listings if each.kind == "product"
        }


def test_a_wrong_key_is_said_to_be_one(subject: Subject):
    channel = subject.channel("surely-not-the-key-of-this-shop")
    assert channel.check().verdict == "wrong_key"
    for act in (
        lambda: list(channel.iter_orders(placed_since=LONG_AGO)),
        lambda: channel.statuses(),
        lambda: next(iter(channel.iter_listings())),
        lambda: channel.read_order("1"),
    ):
        with pytest.raises(KeyRejected):
            act()
    channel.close()
