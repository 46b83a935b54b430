"""Files of tracking numbers with orders of which a part was shipped, or only a part is in stock."""

from __future__ import annotations

import pytest

from extensions import db, writing
from models import Order, WriteBack
from services.shipping import file_parts, files, shipments
from services.stock import allocations, ledger
from tests.blueprints.pages import element, words
from tests.support.rows import make_integration, make_item, make_order

CASES = {
    "100": "", "101": "Ships the rest: 1 × CUP.", "102": "Ships what is in stock: 2 × CUP. Not in stock: 1 × RARE.",
    "103": "Ships the whole order. Not in stock: 2 × RARE.", "104": "Adds a parcel to what was shipped. Not in stock: 1 × RARE.",
}  # fmt: skip
SHIPPED = {"100": [2], "101": [2], "102": [2, 0], "103": [2], "104": [1, 0]}
WHOLE = {**SHIPPED, "102": [2, 1], "104": [1, 1]}


@pytest.fixture
def orders(app):
    """All in stock, a part shipped, a part in stock, nothing in stock, and a part shipped with nothing left in stock."""
    shop, cup, rare = (
        make_integration(part_shipped_status="X", with_back_orders=True),
        make_item("CUP", 100),
        make_item("RARE", 0),
    )
    lines = {"100": [(cup, 2)], "101": [(cup, 2)], "102": [(cup, 2), (rare, 1)], "103": [(rare, 2)], "104": [(cup, 1), (rare, 1)]}
    found = {number: make_order(shop, number, of_order).id for number, of_order in lines.items()}
    with writing():
        items = allocations.load_items_of(Order.id.in_(found.values()))
        for order_id in found.values():
            for line in db.session.get_one(Order, order_id).lines:
                allocations.reserve(line, items, ledger.Reason("test", "sale"))
    for number in ("101", "104"):
        first = db.session.get_one(Order, found[number]).lines[0].id
        shipments.ship(found[number], "test", quantities={first: 1})
    return found


def read(orders):
    rows = "".join(f"{number},DHL,T{number}\n" for number in orders)
    return files.read_file(f"number,carrier,tracking\n{rows}".encode(), "x.csv", "test").id


def shipped(orders):
    db.session.rollback()
    return {number: [line.shipped for line in db.session.get_one(Order, order_id).lines] for number, order_id in orders.items()}


def test_the_preview_says_what_is_shipped_of_each_order_and_that_is_shipped(orders):
    file_id = read(orders)
    assert {row["number"]: (row["problem"], file_parts.sentence(row)) for row in files.get_file(file_id).rows} == {
        number: ("", said) for number, said in CASES.items()
    }
    files.accept(file_id)
    files.work(file_id)
    assert (files.get_file(file_id).refused, shipped(orders)) == ([], SHIPPED)
    sent = {row.order_id: (row.event, row.tracking_numbers) for row in db.session.query(WriteBack).order_by(WriteBack.id)}
    events = {"100": "shipped", "101": "shipped", "102": "part_shipped", "103": "shipped", "104": "part_shipped"}
    assert sent == {orders[number]: (event, [f"T{number}"]) for number, event in events.items()}


def test_orders_are_shipped_whole_where_a_person_says_so(orders, client):
    file_id = read(orders)
    page = client.get(f"/orders/tracking-numbers/{file_id}").text
    said = words(element(page, "main").text)
    assert all(each in said for each in CASES.values())
    assert "Nothing of 1 order is in stock: 103. It is shipped whole. If it has not left, take its row out of the file." in said
    assert "2 orders are not all in stock" in said and "Ship 4 orders" in said
    assert "3 orders get the status" in said and "The shop gets its status for partly shipped orders" in said
    assert element(page, "input", name="pieces", value="in_stock").get("checked") is not None
    assert client.post(f"/orders/tracking-numbers/{file_id}", data={"pieces": "whole"}).status_code == 303
    files.work(file_id)
    assert (files.get_file(file_id).refused, shipped(orders)) == ([], WHOLE)


def test_a_row_without_a_number_ships_nothing_that_is_not_there(orders):
    file = files.read_file(b"number,carrier,tracking\n104,DHL,\n", "x.csv", "test")
    said = "Nothing that is left of order 104 is in stock. Open the order to ship it anyway."
    assert [row["problem"] for row in file.rows] == [said]


def test_what_somebody_else_takes_meanwhile_is_left_out_and_named(orders):
    file_id = read({"102": orders["102"]})
    shipments.ship(orders["102"], "somebody else", quantities={db.session.get_one(Order, orders["102"]).lines[0].id: 2})
    files.accept(file_id)
    files.work(file_id)
    refused = files.get_file(file_id).refused
    assert ["Nothing of order 102 is in stock" in each["reason"] for each in refused] == [True]


def test_a_parcel_for_a_shipped_order_is_not_counted_as_an_order_that_is_shipped(orders, client):
    shipments.ship(orders["101"], "test", tracking_number="FIRST")
    file_id = read({number: orders[number] for number in ("100", "101")})
    address = f"/orders/tracking-numbers/{file_id}"
    said = words(element(client.get(address).text, "main").text)
    assert "1 order gets the status" in said and "1 order that was shipped before gets one more tracking number." in said
    assert "Ship 1 order and add 1 parcel" in said
    files.accept(file_id)
    files.work(file_id)
    assert "1 order shipped, 1 parcel added." in words(element(client.get(address).text, id="shipped").text)


def test_a_file_of_parcels_alone_ships_no_order(orders, client):
    shipments.ship(orders["101"], "test", tracking_number="FIRST")
    file_id = read({"101": orders["101"]})
    address = f"/orders/tracking-numbers/{file_id}"
    said = words(element(client.get(address).text, "main").text)
    assert "1 order that was shipped before gets one more tracking number." in said and "get the status" not in said
    files.accept(file_id)
    files.work(file_id)
    assert "1 parcel added." in words(element(client.get(address).text, id="shipped").text)
