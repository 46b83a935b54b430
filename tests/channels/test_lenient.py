"""Values of an unusual type or form are read as what they plainly mean, in both generations, in orders and in listings."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Listing, Order
from channels.xcart.parsing.orders import order_row
from tests.channels.scripted import Exchange, ScriptedShop, connect

COMPLEX = {
    "orderId": 12, "orderNumber": "00012", "total": 25, "shippingCost": 5, "discountValue": 0, "taxAmount": 0, "otherSurcharges": [],
    "currency": "USD", "orderDate": "2026-11-20T10:00:00+00:00", "updateDate": "2026-11-20T11:00:00+00:00", "trackingNumber": "1Z",
    "paymentStatus": "P", "shippingStatus": "N", "billingInfo": {"firstname": "Ann", "zipcode": "73003"}, "shippingInfo": {"firstname": "Ann"},
    "customerInfo": {"email": "a@example.com"},
    "items": [{"sku": "A", "name": "Cup", "quantity": 2, "price": 10, "subtotal": 20, "productId": 1, "attributes": {"Color": "Red"}}],
}  # fmt: skip
DEFAULT = {
    "order_id": 12, "orderNumber": "00012", "total": 25, "date": 1795694658, "lastRenewDate": 1795694658,
    "paymentStatus": {"id": 4, "code": "P"}, "shippingStatus": {"id": 1, "code": "N"}, "trackingNumbers": [{"value": "1Z"}],
    "surcharges": [{"type": "shipping", "code": "SHIPPING", "name": "Shipping", "value": 5, "include": False, "available": True}],
    "items": [{"sku": "A", "name": "Cup", "amount": 2, "price": 10, "subtotal": 20}], "currency": {"code": "USD", "e": 2},
}  # fmt: skip
API = {
    "order_number": "00012", "id": 12, "total": 25, "email": "a@example.com", "currency": "USD",
    "items": [{"sku": "A", "name": "Cup", "amount": 2, "price": 10, "item_net_price": 10, "product_id": 1, "variant": None}],
    "billing_address": {"firstname": "Ann", "custom_fields": [{"name": "Company", "value": "Ltd"}]}, "shipping_address": None,
    "create_date": "2026-11-20T10:00:00+0000", "update_date": "2026-11-20T11:00:00+0000",
    "payment_status": {"id": 4, "code": "P", "name": "Paid"}, "shipping_status": {"id": 1, "code": "N", "name": "New"},
    "surcharges": [{"type": "shipping", "code": "SHIPPING", "name": "Shipping", "value": 5, "include": False, "available": True}],
    "tracking_numbers": [{"id": 1, "value": "1Z"}],
}  # fmt: skip


def read(row: dict[str, Any]) -> Order:
    found = order_row(msgspec.Raw(json.dumps(row).encode()))
    assert isinstance(found, Order), found
    return found


def put(row: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    row = copy.deepcopy(row)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    holder: Any = row
    for step in way:
        holder = holder[step]
    holder[last] = value
    return row


def sku(order: Order) -> Any:
    return order.lines[0].sku


def number(order: Order) -> Any:
    return order.number


def tracking(order: Order) -> Any:
    return order.tracking_numbers


def units(order: Order) -> Any:
    return order.lines[0].quantity


def shipping(order: Order) -> Any:
    return order.shipping


def statuses(order: Order) -> Any:
    return order.payment_status, order.shipping_status


def lines(order: Order) -> Any:
    return len(order.lines)


LINES = {"0": {}, "2": {}}

PLAIN: list[tuple[dict[str, Any], str, Any, Callable[[Order], Any], Any]] = [
    (COMPLEX, "items.0.sku", 12, sku, "12"),
    (COMPLEX, "items.0.sku", 12.0, sku, "12"),
    (COMPLEX, "items.0.quantity", "2", units, 2),
    (COMPLEX, "items.0.quantity", " 2.00 ", units, 2),
    (COMPLEX, "items.0.productId", False, lambda order: order.lines[0].product_id, ""),
    (COMPLEX, "items.0.attributes", [], lambda order: order.lines[0].options, ()),
    (COMPLEX, "orderNumber", 812, number, "812"),
    (COMPLEX, "trackingNumber", 940011, tracking, ("940011",)),
    (COMPLEX, "trackingNumber", 9400111899223197428490, tracking, ("9400111899223197428490",)),
    (COMPLEX, "trackingNumber", [], tracking, ()),
    (COMPLEX, "trackingNumber", False, tracking, ()),
    (COMPLEX, "shippingInfo", [], lambda order: order.shipping_address, None),
    (COMPLEX, "shippingInfo", [{"firstname": "Bo"}], lambda order: order.shipping_address.name, "Bo"),
    (COMPLEX, "billingInfo.zipcode", 73003, lambda order: order.billing_address.postcode, "73003"),
    (COMPLEX, "customerInfo", [], lambda order: order.email, ""),
    (COMPLEX, "otherSurcharges", None, lambda order: order.other, ()),
    (COMPLEX, "shippingCost", "5.00", shipping, Decimal("5.00")),
    (COMPLEX, "total", "1,025.00", lambda order: order.total, Decimal("1025.00")),
    (COMPLEX, "shippingCost", "", shipping, Decimal("0.00")),
    (COMPLEX, "paymentStatus", {"id": 4, "code": "P"}, statuses, ("P", "N")),
    (COMPLEX, "orderDate", 1795694658, lambda order: order.placed_at, datetime(2026, 11, 26, 12, 4, 18, tzinfo=UTC)),
    (COMPLEX, "items", {"0": COMPLEX["items"][0], "2": COMPLEX["items"][0]}, lines, 2),
    (DEFAULT, "items.0.sku", 12, sku, "12"),
    (DEFAULT, "items", {"1": DEFAULT["items"][0]}, lines, 1),
    (DEFAULT, "orderNumber", 12, number, "12"),
    (DEFAULT, "date", "1795694658", lambda order: order.placed_at.year, 2026),
    (DEFAULT, "lastRenewDate", "2026-11-26T11:50:58+00:00", lambda order: order.changed_at.year, 2026),
    (DEFAULT, "trackingNumbers", {"0": {"value": "1Z"}, "3": {"value": 7}}, tracking, ("1Z", "7")),
    (DEFAULT, "trackingNumbers", ["1Z", 7], tracking, ("1Z", "7")),
    (DEFAULT, "trackingNumbers", None, tracking, ()),
    (DEFAULT, "trackingNumbers", "1Z", tracking, ("1Z",)),
    (DEFAULT, "shippingStatus", "N", statuses, ("P", "N")),
    (DEFAULT, "surcharges.0.include", "0", shipping, Decimal("5.00")),
    (DEFAULT, "surcharges.0.include", "", shipping, Decimal("5.00")),
    (DEFAULT, "surcharges.0.available", "1", shipping, Decimal("5.00")),
    (DEFAULT, "surcharges.0.available", "0", shipping, Decimal("0.00")),
    (DEFAULT, "surcharges", {"4": DEFAULT["surcharges"][0]}, shipping, Decimal("5.00")),
    (DEFAULT, "currency", "USD", lambda order: order.currency, "USD"),
    (API, "items.0.sku", 12, sku, "12"),
    (API, "items.0.amount", "2", units, 2),
    (API, "items.0.variant", {"id": 5}, lambda order: order.lines[0].variant_id, "5"),
    (API, "items", {"0": API["items"][0], "2": API["items"][0]}, lines, 2),
    (API, "id", "12", lambda order: order.external_id, "12"),
    (API, "order_number", 12, number, "12"),
    (API, "email", None, lambda order: order.email, ""),
    (API, "email", False, lambda order: order.email, ""),
    (API, "billing_address", [], lambda order: order.billing_address, None),
    (API, "billing_address.custom_fields", {"3": {"name": "Company", "value": "Ltd"}}, lambda order: order.billing_address.company, "Ltd"),
    (API, "tracking_numbers", {"0": {"value": 940011}}, tracking, ("940011",)),
    (API, "tracking_numbers", 940011, tracking, ("940011",)),
    (API, "tracking_numbers", "", tracking, ()),
    (API, "shipping_status", "N", statuses, ("P", "N")),
    (API, "surcharges.0.value", "5", shipping, Decimal("5.00")),
    (API, "surcharges.0.include", 0, shipping, Decimal("5.00")),
    (API, "surcharges.0.available", "1", shipping, Decimal("5.00")),
    (API, "surcharges", {"7": API["surcharges"][0]}, shipping, Decimal("5.00")),
    (API, "surcharges", None, shipping, Decimal("0.00")),
    (API, "notes", [], lambda order: order.customer_notes, ""),
]  # fmt: skip


@pytest.mark.parametrize(("row", "path", "value", "shown", "expected"), PLAIN)
def test_a_value_of_another_type_is_read_as_what_it_means(row, path, value, shown, expected):
    order = read(put(row, path, value))
    assert shown(order) == expected
    assert list(order.problems) == list(read(row).problems)


@pytest.mark.parametrize(
    ("row", "path", "value", "what"),
    [
        (COMPLEX, "items", "abc", "items"),
        (COMPLEX, "items.0.quantity", "two", "quantity"),
        (COMPLEX, "items.0.quantity", 2.5, "quantity"),
        (COMPLEX, "total", "1,5", "total"),
        (API, "items.0.amount", True, "amount"),
        (API, "payment_status", 4, "payment_status"),
        (API, "items", [None, API["items"][0]], "items"),
    ],
)
def test_a_value_without_a_plain_meaning_is_named_and_holds_the_order(row, path, value, what):
    order = read(put(row, path, value))
    assert any(what in problem for problem in order.problems)


def test_a_hundred_lines_with_numbers_for_skus():
    many = put(COMPLEX, "items", [{**COMPLEX["items"][0], "sku": place, "productId": str(place)} for place in range(1, 101)])
    order = read(many)
    assert [line.sku for line in order.lines] == [str(place) for place in range(1, 101)] and not order.problems


SPELLINGS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8),
    st.just([]), st.just({}), st.lists(st.integers(0, 3), max_size=2), st.dictionaries(st.sampled_from(["0", "2", "code", "id"]), st.text(max_size=3), max_size=2),
)  # fmt: skip
FIELDS = {
    "complex": (COMPLEX, ("orderId", "orderNumber", "shippingStatus")),
    "default": (DEFAULT, ("order_id", "orderNumber", "shippingStatus")),
    "api": (API, ("id", "order_number", "shipping_status")),
}


@given(st.data())
def test_no_spelling_loses_an_order(data):
    """Whatever one field or one line holds, the order comes through under its id, with a sentence where that was unclear. Only its
    id and what tells an order from a cart are left alone."""
    row, left_alone = FIELDS[data.draw(st.sampled_from(sorted(FIELDS)))]
    changed = copy.deepcopy(row)
    for name in data.draw(st.lists(st.sampled_from(sorted(set(row) - set(left_alone))), max_size=3)):
        changed[name] = data.draw(SPELLINGS)
    if isinstance(changed["items"], list) and changed["items"] and isinstance(changed["items"][0], dict):
        name = data.draw(st.sampled_from(sorted(changed["items"][0])))
        changed["items"][0][name] = data.draw(SPELLINGS)
    order = read(changed)
    assert (order.external_id, order.number) == ("12", "00012")


def as_object(rows: list[Any]) -> dict[str, Any]:
    """A PHP list with gaps."""
    return {str(2 * place): row for place, row in enumerate(rows)}


@pytest.mark.parametrize("generation", ["addon", "api"])
def test_a_page_of_orders_sent_as_an_object(generation):
    row = COMPLEX if generation == "addon" else API
    id_name = "orderId" if generation == "addon" else "id"

    def script(exchange: Exchange) -> None:
        first = "limit%5D%5B0%5D=0" in exchange.target or "page=1" in exchange.target
        exchange.json(as_object([{**row, id_name: number} for number in (1, 2)]) if first else [])

    with ScriptedShop(script) as shop:
        channel = connect(shop, "key", generation=generation)
        pages = list(channel.iter_orders(placed_since=datetime(2026, 1, 1, tzinfo=UTC)))
    assert [order.external_id for page in pages for order in page.orders] == ["1", "2"]


PRODUCTS = {
    "addon": {"product_id": "7", "sku": 12, "amount": "5", "enabled": "1", "inventoryEnabled": "0"},
    "api": {"id": "7", "sku": 12, "name": 40, "amount": "5", "enabled": 1, "inventory_traceable": "0"},
}


@pytest.mark.parametrize("generation", ["addon", "api"])
@pytest.mark.parametrize("form", [list, as_object])
def test_listings_with_values_of_other_types(generation, form):
    def script(exchange: Exchange) -> None:
        if "variant" in exchange.target:
            exchange.json([])
        elif "limit%5D%5B0%5D=0" in exchange.target or "page=1" in exchange.target:
            exchange.json(form([PRODUCTS[generation]]))
        else:
            exchange.json([])

    with ScriptedShop(script) as shop:
        channel = connect(shop, "key", generation=generation)
        pages = list(channel.iter_listings(names=False))
    [listing] = [listing for page in pages for listing in page.listings]
    assert isinstance(listing, Listing)
    assert (listing.external_id, listing.sku, listing.quantity, listing.counted) == ("product:7", "12", 5, False)
    assert not [row for page in pages for row in page.bad]


def test_variants_with_values_of_other_types():
    def script(exchange: Exchange) -> None:
        if "variants" in exchange.target:
            exchange.json({"1": {"id": "3", "sku": 77, "amount": "4", "default_amount": "0"}})
        else:
            exchange.json([PRODUCTS["api"]] if "page=1" in exchange.target else [])

    with ScriptedShop(script) as shop:
        pages = list(connect(shop, "key", generation="api").iter_listings())
    assert [(each.external_id, each.sku, each.quantity, each.own_stock) for page in pages for each in page.listings][1:] == [
        ("variant:7/3", "77", 4, True)
    ]
