"""Packing slips, pick lists, and what stands on them."""

from __future__ import annotations

import io
import re
import struct
import zlib
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from blueprints.barcodes import SYMBOLS, code_128
from extensions import db, writing
from models import Order, StockItem
from services.orders import images, printing, seller
from services.security import trail
from tests.blueprints.looks import watch
from tests.blueprints.pages import complaints, element, elements, form_data, words
from tests.support.rows import PLACED, make_integration, make_item, make_order
from tests.support.signed_in import sign_in

SETTINGS = "/settings/printed-documents"


def png(width: int = 3, height: int = 2) -> bytes:
    """The smallest picture of a size: grey, one byte a pixel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return (
        images.PNG
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x02\x00\x03\x01\x11\x00\xff\xd9"


@pytest.fixture
def desk(app) -> dict[str, int]:
    """Two ready orders that share an item, one with a kit, one on hold, and one shipped; their ids by number."""
    shop = make_integration("Outlet")
    cup, plate = make_item("CUP", 20), make_item("PLATE", 20)
    address = {"name": "Ann Buyer", "company": "", "street": "1 High Street", "city": "Graz", "postcode": "8010", "state": "", "country": "AT", "phone": ""}  # fmt: skip
    about: dict[str, Any] = {"customer": "Ann Buyer", "customer_notes": "Ring twice.", "admin_notes": "Fragile"}
    made = {
        number: make_order(shop, number, lines, state=state, placed_at=PLACED + timedelta(hours=hours), **about)
        for hours, (number, lines, state) in enumerate([
            ("1001", [(cup, 2), (plate, 1)], "ready"), ("9902", [(cup, 1)], "ready"), ("1003", [("UNKNOWN", 1)], "on_hold"),
            ("1004", [(plate, 4)], "shipped"),
        ])
    }  # fmt: skip
    with writing() as session:
        first = session.get_one(Order, made["1001"].id)
        first.shipping_address = address
        first.lines[0].options = [["Colour", "Red"]]
        kit = session.get_one(Order, made["9902"].id).lines[0]
        kit.allocations[0].units = 3
        for number in ("1001", "9902"):
            for line in session.get_one(Order, made[number].id).lines:
                line.allocations[0].reserved = line.quantity * line.allocations[0].units
        session.get_one(StockItem, cup.id).name = "A cup"
    return {number: order.id for number, order in made.items()}


def slips(html: str) -> list[str]:
    return [words(each.text) for each in elements(html, "article")]


def picks(html: str) -> dict[str, str]:
    """The pieces to pick, by SKU."""
    rows = [row for row in elements(html, "tr") if row.parents[-2].parents[-1].get("aria-label") == "Pick list"]
    return {words(row.text).split()[0]: words(row.text) for row in rows[1:]}


def test_selected_orders_are_printed_as_one_document(client, desk):
    answer = client.post(
        "/orders/selected", data={"act": "print", "order": [str(desk["1001"]), str(desk["9902"])], "back": "/orders?state=ready"}
    )
    assert answer.status_code == 303
    page = client.get(answer.location).text
    assert element(page, "a", href="/orders?state=ready").text == "Back"
    first, second = slips(page)
    assert "Packing slip 1001" in first and "Ann Buyer" in first and "1 High Street" in first
    assert "Colour: Red" in first and "Ring twice." in first
    assert "Fragile" not in first, "the shop's own note is not for the customer"
    assert "Packing slip 9902" in second and "3 × CUP each" in second
    assert [svg["aria-label"] for svg in elements(page, "svg")] == ["Barcode of 1001", "Barcode of 9902"]
    taken = picks(page)
    assert set(taken) == {"CUP", "PLATE"}
    assert taken["CUP"] == "CUP 5 1001: 2 pieces (Colour: Red), 9902: 3 pieces (for 1 × CUP)"
    assert "Fragile" in page
    only = client.get(f"{answer.location}&part=slips").text
    assert len(slips(only)) == 2 and "Picked" not in only
    assert not slips(client.get(f"{answer.location}&part=pick").text)


def test_slip_and_pick_list_have_what_goes_into_this_parcel_and_say_what_is_still_to_come(client, desk):
    """A packer looks for what is printed: pieces that are not there are no part of it."""
    with writing() as session:
        first = session.get_one(Order, desk["1001"])
        first.lines[0].allocations[0].reserved = 1
        first.lines[1].allocations[0].reserved = 0
        session.get_one(Order, desk["9902"]).lines[0].allocations[0].reserved = 2
        session.get_one(Order, desk["1004"]).lines[0].allocations[0].reserved = 0
    numbers = "&".join(f"order={desk[number]}" for number in ("1001", "9902", "1004"))
    page = client.get(f"/orders/print?{numbers}").text
    part, nothing, shipped = slips(page)
    assert "CUP CUPColour: Red 1 In this parcel 1 Still to come: 1 × CUP, Colour: Red; 1 × PLATE" in part
    assert "Nothing of this order is in stock now. In this parcel 0 Still to come: 1 × CUP" in nothing, "a kit lacks a part"
    assert "Still to come" not in shipped and "Order 1004 4" in shipped, "what was shipped reserves nothing"
    pick_list = words(element(page, "section", aria_label="Pick list").text)
    assert picks(page)["CUP"] == "CUP 1 1001 (Colour: Red)" and "PLATE PLATE 4 1004" not in pick_list
    assert "Not in stock CUP 2 pieces, for 1001, 9902 PLATE 1 piece, for 1001" in pick_list
    # Of the kit two units are reserved and one is missing: the two are on the shelf, and no kit is complete.
    assert "Pieces of 2 orders are not in stock: 1001, 9902." in words(element(page, "header", _class="bar").text)


def test_lines_of_one_item_in_an_order_are_one_entry_of_the_pick_list(client, desk):
    with writing() as session:
        order = session.get_one(Order, desk["1001"])
        order.number = "6"
        order.lines[0].options = []
        order.lines[1].allocations[0].stock_item_id = order.lines[0].allocations[0].stock_item_id
    page = client.get(f"/orders/print?part=pick&order={desk['1001']}").text
    assert picks(page)["CUP"].endswith("3 6"), "no 6 × 2 and 6 × 1"


def test_orders_of_two_shops_with_one_number_are_distinguished_on_the_pick_list(client, desk):
    market, cup = make_integration("Market"), db.session.get_one(Order, desk["9902"]).lines[0].allocations[0].stock_item
    other = make_order(market, "1001", [(cup, 4)]).id
    with writing() as session:
        session.get_one(Order, other).lines[0].allocations[0].reserved = 4
    page = client.get(f"/orders/print?part=pick&order={desk['1001']}&order={other}").text
    assert picks(page)["CUP"] == "CUP 6 1001 (Outlet): 2 pieces (Colour: Red), 1001 (Market): 4 pieces"


def test_orders_of_one_shop_with_one_number_are_distinguished_on_paper_and_on_the_sheet(client, desk):
    """A shop that was set back, or whose numbers are made by hand, has a number twice."""
    with writing() as session:
        second = session.get_one(Order, desk["9902"])
        second.number, second.external_id = "1001", "77"
    both = f"order={desk['1001']}&order={desk['9902']}"
    page = client.get(f"/orders/print?{both}").text
    assert picks(page)["CUP"].startswith("CUP 5 1001 (ID 1001): 2 pieces") and "1001 (ID 77): 3 pieces" in picks(page)["CUP"]
    assert ["1001 (ID 1001)" in slips(page)[0], "1001 (ID 77)" in slips(page)[1]] == [True, True]
    sheet = words(client.get(f"/orders/ship?{both}").text)
    assert "Tracking number of order 1001 (ID 1001)" in re.sub(r"<[^>]*>", "", sheet) and "1001 (ID 77)" in sheet


def test_all_ready_orders_are_printed_oldest_first_with_the_filters_of_the_list(client, desk, monkeypatch):
    page = client.get("/orders").text
    link = next(each for each in elements(page, "a") if each.text == "Print ready orders")
    page = client.get(link["href"] or "").text
    assert [re.search(r"Packing slip (\d+)", text)[1] for text in slips(page)] == ["1001", "9902"]
    page = client.get("/orders/print?q=9902&state=on_hold").text
    assert [re.search(r"Packing slip (\d+)", text)[1] for text in slips(page)] == ["9902"]
    monkeypatch.setattr(printing, "MOST", 1)
    page = client.get("/orders/print?part=slips").text
    following = client.get(next(each["href"] for each in elements(page, "a") if each.text == "Next orders")).text
    assert "Packing slip 1001" in slips(page)[0] and "Packing slip 9902" in slips(following)[0]
    assert "Next orders" not in following
    assert "No order is ready to ship." in words(client.get("/orders/print?q=nothing").text)


def test_orders_that_are_not_ready_are_named_and_shipped_ones_are_printed_whole(client, desk):
    page = client.get(f"/orders/print?order={desk['1003']}&order={desk['1004']}&order=999").text
    assert "1 order cannot be shipped now: 1003 (on hold)." in words(element(page, "header", _class="bar").text)
    assert "PLATE" in slips(page)[1] and words(slips(page)[1]).count("4") >= 1
    assert client.get("/orders/999/packing-slip").status_code == 404


def test_who_may_not_see_customers_prints_none_of_their_data(app, desk):
    viewer = app.test_client()
    sign_in(viewer, "packer", "viewer")
    for address in (f"/orders/print?order={desk['1001']}", "/orders/print", f"/orders/{desk['1001']}/packing-slip?part="):
        page = viewer.get(address).text
        assert "Packing slip 1001" in slips(page)[0] and "Hidden" in slips(page)[0]
        for word in ("Ann", "High Street", "Red", "Ring", "Fragile"):
            assert word not in page, (address, word)


def test_the_seller_stands_on_every_slip_and_the_change_in_the_audit_trail(client, desk):
    page = client.get(SETTINGS).text
    sent = form_data(page, "footer", name="Cup & Co", address="2 Low Street\nLeeds", footer="Thank you!")
    sent["logo"] = (io.BytesIO(png()), "logo.svg")
    answer = client.post(SETTINGS, data=sent)
    assert answer.status_code == 303
    page = client.get(f"/orders/{desk['1001']}/packing-slip").text
    assert "2 Low Street" in slips(page)[0] and "Thank you!" in slips(page)[0]
    picture = element(page, "img")
    assert picture["alt"] == "Cup & Co"
    shown = client.get(picture["src"])
    assert (shown.mimetype, shown.data, shown.headers["X-Content-Type-Options"]) == ("image/png", png(), "nosniff")
    (entry,) = trail.list_page(trail.Wanted(object="seller")).rows
    assert [change[0] for change in entry.changes] == ["Name", "Address", "Footer", "Logo"]
    # Without another file the logo stays; it goes when that is asked for.
    page = client.get(SETTINGS).text
    client.post(SETTINGS, data={**form_data(page, "footer"), "logo": (io.BytesIO(b""), "")})
    db.session.rollback()
    assert seller.get_seller().logo_digest
    client.post(SETTINGS, data=form_data(page, "footer", remove_logo="y"))
    db.session.rollback()
    assert not seller.get_seller().logo_digest and client.get("/settings/printed-documents/logo").status_code == 404


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "no PNG or JPEG"),
        (b"GIF89a\x01\x00\x01\x00", "no PNG or JPEG"),
        (images.PNG + b"\0" * 600_000, "larger than 512 kB"),
        (images.PNG + b"nothing", "damaged"),
        (b"\xff\xd8\xff\xe0\x00\x04ab\xff\xd9", "damaged"),
        (png(0, 2), "damaged"),
        (png(5000, 1), "5000 × 1 pixels"),
    ],
)
def test_what_is_no_small_picture_is_refused_and_the_input_kept(client, content, said):
    sent = form_data(client.get(SETTINGS).text, "footer", name="Cup & Co", logo=(io.BytesIO(content), "logo.png"))
    answer = client.post(SETTINGS, data=sent)
    assert answer.status_code == 422
    assert said in " ".join(complaints(answer.text))
    assert element(answer.text, "input", name="name")["value"] == "Cup & Co"
    assert seller.get_seller().name == ""


def test_a_jpeg_is_taken_for_one():
    assert images.check(JPEG, "logo").mimetype == "image/jpeg"


def read_bars(text: str) -> str:
    """A scanner: what the bars of a code say."""
    drawn = code_128(text)
    assert drawn is not None
    edges = [edge for x, width in drawn.bars for edge in (x, x + width)]
    widths = "".join(str(after - before) for before, after in zip(edges, edges[1:], strict=False))
    assert (edges[0], drawn.width - edges[-1], widths[-7:]) == (10, 10, "2331112")
    symbols = [widths[place : place + 6] for place in range(0, len(widths) - 7, 6)]
    known = {SYMBOLS[6 * value : 6 * value + 6]: value for value in range(106)}
    start, *data, check = (known[symbol] for symbol in symbols)
    assert (start + sum(place * value for place, value in enumerate(data, 1))) % 103 == check
    in_c, said = start == 105, ""
    for value in data:
        if value == (100 if in_c else 99):
            in_c = not in_c
        else:
            said += f"{value:02}" if in_c else chr(value + 32)
    return said


@pytest.mark.parametrize(
    "number", ["7", "42", "1001", "9912", "10001", "XC-000123", "2024-001", "A1234B56789", "#12 345678/x", "99" * 24]
)
def test_a_scanner_reads_the_number_off_the_bars(number):
    assert read_bars(number) == number


def test_the_check_digit_of_a_published_example():
    """The barcode of "Wikipedia" in set B, as its article on Code 128 shows it, has the check digit 88."""
    drawn = code_128("Wikipedia")
    assert drawn is not None and len(SYMBOLS) == 6 * 106
    edges = [edge for x, width in drawn.bars for edge in (x, x + width)]
    widths = "".join(str(after - before) for before, after in zip(edges, edges[1:], strict=False))
    assert widths[-13:-7] == SYMBOLS[6 * 88 : 6 * 88 + 6]


@pytest.mark.parametrize("number", ["", "Ö-1", "x" * 49, "1\n2"])
def test_a_number_that_cannot_be_a_barcode_is_printed_as_text_only(number):
    assert code_128(number) is None


def test_the_browser_prints_one_order_a_page_without_the_app_around(page: Page, desk) -> None:
    seller.change_seller({"name": "Cup & Co", "address": "", "footer": ""}, "user:owner", logo=images.check(png(), "logo"))
    wrong = watch(page)
    page.goto(f"/orders/print?order={desk['1001']}&order={desk['9902']}")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    paper = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page[^s]", paper)) == 3
    assert not wrong
