"""Payloads of real X-Cart shops → orders, and payloads that are not as they should be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from channels.base import BadRow, Order, Surcharge
from channels.xcart.channel import XCart
from channels.xcart.parsing.orders import order_row, read_order, surcharges_of
from channels.xcart.parsing.values import decimals_of, money, rows_of, value_of
from errors import ShopBroken

WIRE = Path(__file__).parents[1] / "data" / "xcart-5.4-wire.jsonl"


def recorded(schema: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every order of the recorded exchanges in one schema, with the exchange's name."""
    for line in WIRE.read_text(encoding="utf-8").splitlines():
        exchange = json.loads(line)
        target, response = exchange["request"]["target"], exchange["response"]
        if "_path=order" not in target or "_path=orderitem" in target or response["status"] != 200:
            continue
        try:
            value = json.loads(response["body"])
        except ValueError:
            continue
        for row in value if isinstance(value, list) else [value]:
            wanted = "orderId" if schema == "complex" else "surcharges"
            if isinstance(row, dict) and wanted in row and (schema == "complex" or "order_id" in row):
                yield exchange["name"], row


def one(row: dict[str, Any]) -> Order | BadRow | None:
    return order_row(msgspec.Raw(json.dumps(row).encode()))


def order(**changes: Any) -> dict[str, Any]:
    """A complex order as the shop prints it, with some fields changed; None takes a field away."""
    row: dict[str, Any] = {
        "orderId": 812, "orderNumber": "00451", "subtotal": 59.9, "total": 65.85, "shippingCost": 5.95, "paymentFee": 0,
        "taxAmount": 10.51, "discountValue": -3, "otherSurcharges": [], "currency": "EUR",
        "items": [
            {"sku": "CUP-RED", "productId": 31, "name": "Cup", "description": "<p>…</p>", "shortDescription": "x", "attributes": {"Color": "Red"},
             "price": 31.45, "weight": 0.4, "quantity": 2, "subtotal": 62.900000000000006, "total": 62.9},
        ],
        "orderDate": "2024-05-03T09:12:44+02:00", "updateDate": "2024-05-03T09:20:01+02:00", "trackingNumber": "", "customerNotes": "ring twice",
        "adminNotes": "", "coupon": ["SPRING"], "customerInfo": {"profileId": 90, "email": "ann@example.org", "firstname": "Ann", "lastname": "Lee"},
        "billingInfo": {"firstname": "Ann", "lastname": "Lee", "address": "Main St 4", "city": "Graz", "country": "AT", "state": "", "zipcode": "8010",
                        "phone": "+43 1", "vat_id": "ATU1", "isDefaultBillingAddress": True},
        "shippingInfo": None, "paymentMethod": "Invoice", "paymentStatus": "P", "shippingMethod": "Parcel 24h", "shippingStatus": "N",
        "transactions": [], "details": [],
    }  # fmt: skip
    return {name: value for name, value in {**row, **changes}.items() if value is not None}


class TestRecorded:
    def test_every_complex_order_is_read_without_a_problem(self):
        found = list(recorded("complex"))
        assert len(found) >= 20
        for name, row in found:
            read = one(row)
            assert isinstance(read, Order), (name, read)
            assert read.problems == () and read.lines and read.currency == "USD", name

    def test_their_sums_are_the_shops(self):
        for name, row in recorded("complex"):
            read = one(row)
            assert read.total == Decimal(str(round(row["total"], 2))).quantize(Decimal("0.01")), name
            assert read.discount <= 0 and read.shipping >= 0, name

    def test_every_default_order_is_read_and_says_what_is_missing(self):
        found = list(recorded("default"))
        assert len(found) >= 30
        for name, row in found:
            if row.get("orderNumber") is None:
                continue
            read = read_order(row)
            assert len(read.problems) == 1 and "addresses are missing" in read.problems[0], (name, read.problems)
            assert read.surcharges

    def test_both_schemas_agree(self):
        complex_orders = {row["orderId"]: read_order(row) for name, row in recorded("complex") if name.startswith("62")}
        default_orders = {row["order_id"]: read_order(row) for name, row in recorded("default") if name.startswith("62")}
        assert len(complex_orders) == 6
        for number, full in complex_orders.items():
            plain = default_orders[number]
            for name in (
                "external_id",
                "number",
                "total",
                "shipping",
                "discount",
                "placed_at",
                "changed_at",
                "payment_status",
                "shipping_status",
                "decimals",
            ):
                assert getattr(full, name) == getattr(plain, name), (number, name)
            assert [(line.sku, line.quantity, line.subtotal) for line in full.lines] == [
                (line.sku, line.quantity, line.subtotal) for line in plain.lines
            ]
            assert sum(each.amount for each in full.other) == sum(each.amount for each in plain.other)

    def test_the_single_money_rows(self):
        rows = {row["order_id"]: surcharges_of(row) for name, row in recorded("default") if name.startswith("62")}
        taxes = [(row.type, row.code, row.amount, row.included, row.available) for row in rows[27] if row.type == "tax"]
        assert taxes == [("tax", "CDEV.STAX.1", Decimal("9.99"), False, False)]
        assert Surcharge("handling", "PACK", "Packing fee", Decimal("2.50")) in rows[22]

    def test_nothing_that_may_not_be_stored_is_kept(self):
        for schema in ("complex", "default"):
            for name, row in recorded(schema):
                if not row.get("orderNumber"):
                    continue
                kept = json.dumps(read_order(row).raw)
                for word in ("password", '"profile"', "orig_profile", "description", "(hash)"):
                    assert word not in kept, (name, word)

    def test_what_was_stored_reads_the_same_again(self):
        from channels.base import Credentials, Limits

        channel = XCart(Credentials("https://shop.example", ""), limits=Limits())
        for schema in ("complex", "default"):
            for _, row in recorded(schema):
                if row.get("orderNumber"):
                    read = read_order(row)
                    assert channel.parse_stored(json.loads(json.dumps(read.raw))) == read
        assert channel.requests == 0


class TestOneOrder:
    def test_all_its_parts(self):
        read = one(order())
        assert (read.external_id, read.number, read.currency, read.decimals) == ("812", "00451", "EUR", 2)
        assert read.placed_at == datetime(2024, 5, 3, 7, 12, 44, tzinfo=UTC)
        assert (read.total, read.shipping, read.discount, read.tax) == tuple(map(Decimal, ("65.85", "5.95", "-3.00", "10.51")))
        line = read.lines[0]
        assert (line.sku, line.quantity, line.price, line.subtotal) == ("CUP-RED", 2, Decimal("31.45"), Decimal("62.90"))
        assert (line.options, line.product_id) == ((("Color", "Red"),), "31")
        assert (read.customer, read.email, read.customer_notes) == ("Ann Lee", "ann@example.org", "ring twice")
        address = read.billing_address
        assert (address.name, address.street, address.postcode, address.extra) == (
            "Ann Lee",
            "Main St 4",
            "8010",
            (("vat_id", "ATU1"),),
        )
        assert (read.shipping_address, read.tracking_numbers, read.surcharges, read.problems) == (None, (), None, ())

    def test_a_deleted_product_leaves_its_line(self):
        items = [{**order()["items"][0], "productId": None}]
        read = one(order(items=items))
        assert (read.lines[0].product_id, read.lines[0].sku, read.problems) == ("", "CUP-RED", ())

    @pytest.mark.parametrize(
        ("currency", "total", "stored"),
        [("JPY", 1250.0000001, "1250"), ("KWD", 12.3456, "12.346"), ("USD", 173.42000000000002, "173.42"), ("XYZ", 5, "5.00")],
    )
    def test_money_has_the_currencys_decimals(self, currency: str, total: float, stored: str):
        assert str(one(order(currency=currency, total=total)).total) == stored

    def test_numbers_printed_as_strings(self):
        items = [{**order()["items"][0], "quantity": "3", "price": "31.45", "productId": "31"}]
        read = one(order(orderId="812", total="65.85", items=items))
        assert (read.external_id, read.total, read.lines[0].quantity, read.lines[0].product_id) == (
            "812",
            Decimal("65.85"),
            3,
            "31",
        )
        assert read.problems == ()

    def test_other_surcharges_by_code_or_by_place(self):
        named = one(order(otherSurcharges={"PACK": {"name": "Packing fee", "value": 2.5}}))
        listed = one(order(otherSurcharges=[{"name": "Packing fee", "value": 2.5}]))
        assert named.other == (Surcharge("other", "PACK", "Packing fee", Decimal("2.50")),)
        assert listed.other == (Surcharge("other", "0", "Packing fee", Decimal("2.50")),)

    @pytest.mark.parametrize("number", [None, ""])
    def test_a_cart_is_no_order(self, number: str | None):
        assert one({**order(), "orderNumber": number}) is None

    def test_a_cart_left_at_the_checkout_is_no_order(self):
        assert one(order(shippingStatus="NF")) is None

    def test_a_status_without_code(self):
        assert one(order(shippingStatus="")).shipping_status == ""


class TestWhatIsNotAsItShouldBe:
    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"total": "abc"}, "total cannot be read"),
            ({"total": None}, "total is missing"),
            ({"taxAmount": {"a": 1}}, "taxAmount cannot be read"),
            ({"total": "NaN"}, "total cannot be read"),
            ({"total": 1e300}, "total cannot be read"),
            ({"currency": None}, "in which currency"),
            ({"orderDate": "yesterday"}, "orderDate cannot be read"),
            ({"orderDate": None, "updateDate": None}, "when the order was placed"),
            ({"customerInfo": "Ann"}, "customerInfo cannot be read"),
            ({"otherSurcharges": {"PACK": {"value": "much"}}}, "surcharge PACK cannot be read"),
        ],
    )
    def test_a_field_is_named_and_the_order_kept(self, changes: dict[str, Any], sentence: str):
        read = one(order(**changes))
        assert isinstance(read, Order) and read.number == "00451"
        assert any(sentence in problem for problem in read.problems), read.problems

    @pytest.mark.parametrize("quantity", ["many", -2, None, 10**12])
    def test_a_line_without_a_quantity(self, quantity: Any):
        read = one(order(items=[{**order()["items"][0], "quantity": quantity}]))
        assert read.lines[0].quantity == 0
        assert any("line 1" in problem or "items[0].quantity" in problem for problem in read.problems)

    @pytest.mark.parametrize("row", [{"orderNumber": "5"}, {"orderId": "x", "orderNumber": "5"}, [1], 5, "text", {}])
    def test_a_row_that_is_no_order_is_reported(self, row: Any):
        read = order_row(msgspec.Raw(json.dumps(row).encode()))
        assert isinstance(read, BadRow) or row == {}

    def test_an_unreadable_row_gives_what_id_can_be_got(self):
        read = order_row(msgspec.Raw(b'{"orderId":77,"orderNumber":{"a":1}}'))
        assert isinstance(read, BadRow) and read.external_id == "77" and "cannot be read" in read.reason

    def test_one_bad_row_spoils_no_other(self):
        body = b'[{"orderId":1,"orderNumber":{}},' + json.dumps(order()).encode() + b"]"
        assert [type(order_row(row)) for row in rows_of(body, "shop")] == [BadRow, Order]

    def test_broken_utf8_is_replaced_and_said(self):
        body = json.dumps(order()).encode().replace(b"ring twice", b"ring \xff\xfe")
        read = order_row(msgspec.Raw(body))
        assert read.customer_notes == "ring \ufffd\ufffd" and "no valid text" in read.problems[0]

    def test_characters_that_databases_refuse_are_replaced(self):
        read = one(order(customerNotes="a\x00b\\u0000"))
        assert "\x00" not in json.dumps(read.raw) and "\\u0000c" not in read.customer_notes
        assert read.problems

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>",
            b'{"error":5,"error_msg":"x"}',
            b"null",
            b"[1,",
            b"[" * 100_000,
            b"\xff\xfe",
            b"[" + b"1," * 500_000 + b"1]",
        ],
    )
    def test_what_is_no_page_at_all(self, body: bytes):
        with pytest.raises(ShopBroken):
            rows_of(body, "shop.example")

    def test_a_byte_order_mark_is_no_trouble(self):
        assert value_of(b"\xef\xbb\xbf[1]", "shop.example") == [1]


def test_decimals_by_currency():
    assert [decimals_of(code) for code in ("USD", "EUR", "JPY", "KWD", "CLF", "")] == [2, 2, 0, 3, 4, 2]


@pytest.mark.parametrize(("value", "text"), [("-0.001", "0.00"), ("0.005", "0.01"), ("-2.675", "-2.68"), ("1E+3", "1000.00")])
def test_money_rounds_half_up_and_knows_no_negative_zero(value: str, text: str):
    assert str(money(Decimal(value), 2)) == text
