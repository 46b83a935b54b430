"""Exports of orders: a row for each order or line, with chosen and saved columns."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import openpyxl
import pytest
from sqlalchemy import select

from extensions import db, writing
from models import Order, Shipment, ShipmentLine
from models.types import utcnow
from services.orders import export_columns, exports, notes, tags
from services.orders.views import Wanted
from tests.blueprints.pages import element, elements, form_data, words
from tests.support.exports import deliver_to
from tests.support.rows import PLACED, make_integration, make_item, make_order
from tests.support.signed_in import sign_in

PAGE = "/orders/export"


@pytest.fixture
def orders(app) -> list[int]:
    """Two orders: one of two lines, of which one was shipped, and one a day later."""
    shop, cup, plate = make_integration("Outlet"), make_item("CUP"), make_item("PLATE")
    address = {"name": "Ann Buyer", "company": "", "street": "1 High Street", "city": "Graz", "postcode": "8010", "state": "", "country": "AT", "phone": ""}  # fmt: skip
    first = make_order(
        shop, "1001", [(cup, 2), (plate, 1)], state="part_shipped", customer="Ann Buyer", email="=ann@shop.example"
    )
    second = make_order(shop, "1002", [(cup, 1)], placed_at=PLACED + timedelta(days=1))
    with writing() as session:
        order = session.get_one(Order, first.id)
        order.shipping_address, order.billing_address = None, address
        order.lines[0].options = [["Colour", "Red"], ["Colour", "Blue"]]
        for carrier, number, line in (("UPS", "1Z9", order.lines[0]), ("DHL", "GONE", order.lines[0]), ("DHL", "FURTHER", None)):
            parcel = Shipment(order_id=order.id, carrier=carrier, tracking_number=number, actor="user:ann", shipped_at=PLACED)
            parcel.voided_at = PLACED if number == "GONE" else None
            session.add(parcel)
            session.flush()
            if line is not None:
                session.add(ShipmentLine(shipment_id=parcel.id, order_line_id=line.id, sku=line.sku, quantity=1))
    tags.change_tags(first.id, "user:ann", add=["gift"])
    notes.add_note(first.id, "Call first.", "user:ann")
    return [first.id, second.id]


def rows(answer) -> list[dict[str, str]]:
    assert answer.mimetype == "text/csv", answer.text
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"))))


def test_a_row_for_each_order_has_address_contents_and_tracking(client, orders):
    page = client.get(f"{PAGE}?sort=oldest").text
    assert "2 orders." in words(element(page, "main").text)
    found = rows(client.post(f"{PAGE}/file.csv", data=form_data(page, "column")))
    assert [row["number"] for row in found] == ["1001", "1002"]
    first = found[0]
    assert (first["customer"], first["shipping_street"], first["shipping_country"]) == ("Ann Buyer", "1 High Street", "AT")
    assert (first["contents"], first["carriers"], first["tracking_numbers"]) == ("2 × CUP, 1 × PLATE", "UPS, DHL", "1Z9, FURTHER")
    assert first["email"] == "'=ann@shop.example", "no spreadsheet takes it for a formula"
    assert first["total"] == "1.00" and first["placed_at"] == "2026-11-01T12:00:00Z"


def test_a_row_for_each_line_has_the_parcels_of_that_line(client, orders):
    page = client.get(f"{PAGE}?by=line&sort=oldest").text
    names = [column.name for column in export_columns.offered("line", with_customers=True)]
    cup, plate, other = rows(client.post(f"{PAGE}/file.csv", data=form_data(page, "column", column=names)))
    assert (cup["line"], cup["sku"], cup["options"], cup["quantity"], cup["tracking_numbers"]) == (
        "1",
        "CUP",
        "Colour: Red, Blue",
        "2",
        "1Z9, FURTHER",
    )
    assert (plate["sku"], plate["tracking_numbers"]) == ("PLATE", "FURTHER")
    assert cup["tracking_links"].startswith("https://www.ups.com/track?tracknum=1Z9, https://www.dhl.com/")
    assert (cup["tags"], cup["internal_notes"], other["tags"], other["number"]) == ("gift", "Call first.", "", "1002")
    assert set(cup) == set(names)


def test_tracking_numbers_of_the_shop_are_in_the_file_each_once(client, orders):
    """They were left out: an order that people shipped in the shop had none, although its page showed them."""
    with writing() as session:
        session.get_one(Order, orders[0]).tracking_numbers = ["1z9", "FURTHER", "GONE", "OLD", "THERE", "T HERE"]
        session.get_one(Order, orders[1]).tracking_numbers = ["JJD 1", "JJD 2"]
        parcel = session.scalars(select(Shipment).where(Shipment.tracking_number == "1Z9")).one()
        parcel.edits = [{"carrier": "UPS", "tracking": "OLD", "by": "user:ann", "at": "2026-11-01T12:00:00+00:00"}]
    sent = {"by": "order", "sort": "oldest", "column": ["number", "tracking_numbers"]}
    found = [row["tracking_numbers"] for row in rows(client.post(f"{PAGE}/file.csv", data=sent))]
    assert found == ["1Z9, FURTHER, THERE", "JJD 1, JJD 2"], (
        "without what was voided or changed here and waits to be removed there"
    )
    found = [row["tracking_numbers"] for row in rows(client.post(f"{PAGE}/file.csv", data={**sent, "by": "line"}))]
    assert found == ["1Z9, FURTHER, THERE", "FURTHER, THERE", "JJD 1, JJD 2"], "the shop does not say of which lines they are"


def test_only_the_filtered_orders_of_some_days_are_exported(client, orders):
    sent = {"by": "order", "column": ["number"]}
    assert [row["number"] for row in rows(client.post(f"{PAGE}/file.csv", data={**sent, "state": "ready"}))] == ["1002"]
    assert [row["number"] for row in rows(client.post(f"{PAGE}/file.csv", data={**sent, "until": "2026-11-01"}))] == ["1001"]
    assert [row["number"] for row in rows(client.post(f"{PAGE}/file.csv", data={**sent, "since": "2026-11-02"}))] == ["1002"]
    for wrong, said in (({"since": "soon"}, "not a date"), ({"column": []}, "Select at least one column.")):
        answer = client.post(f"{PAGE}/file.csv", data={**sent, **wrong})
        assert answer.status_code == 422 and said in answer.text


def test_columns_are_saved_for_all_replaced_and_removed(app, client, orders):
    page = client.get(f"{PAGE}?by=line&state=ready").text
    answer = client.post(f"{PAGE}/save", data=form_data(page, "column", column=["sku", "number", "email"], name="Warehouse"))
    page = client.get(answer.location).text
    assert [box["value"] for box in elements(page, "input", name="column") if box.get("checked") is not None] == [
        "number",
        "email",
        "sku",
    ]
    link = next(each for each in elements(page, "a") if each.get("aria-label") == "Download Warehouse")
    assert rows(client.get(link["href"])) == [{"number": "1002", "email": "", "sku": "CUP"}]
    viewer = app.test_client()
    sign_in(viewer, "viewer", "viewer")
    assert rows(viewer.get(link["href"])) == [{"number": "1002", "sku": "CUP"}], "personal columns are left out"
    assert "Save this export" not in viewer.get(PAGE).text and "internal_notes" not in viewer.get(PAGE).text
    client.post(f"{PAGE}/save", data=form_data(page, "column", column=["number"], name="  warehouse "))
    saved = exports.list_saved()
    assert [(each.name, each.by, each.columns) for each in saved] == [("warehouse", "line", ["number"])]
    assert client.post(f"{PAGE}/save", data=form_data(page, "column", name="")).status_code == 422
    assert client.post(f"{PAGE}/{saved[0].id}/remove").status_code == 303
    db.session.rollback()
    assert not exports.list_saved()


def test_a_workbook_keeps_texts_and_has_numbers_that_can_be_added(client, orders):
    sent = {"by": "order", "column": ["number", "total", "pieces", "email", "shipping_postcode"], "sort": "oldest"}
    answer = client.post(f"{PAGE}/file.xlsx", data=sent)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="orders-by-order.xlsx"'
    sheet = openpyxl.load_workbook(io.BytesIO(answer.data)).active
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        ["number", "total", "email", "shipping_postcode", "pieces"],
        ["1001", 1, "'=ann@shop.example", "8010", 3],
        ["1002", 1, None, None, 1],
    ]
    assert [cell.number_format for cell in sheet[2]] == ["General", "0.00", "General", "General", "0"]


def test_a_saved_export_keeps_its_orders_their_order_and_its_format(client, orders):
    client.post(
        f"{PAGE}/save",
        data={"by": "order", "column": ["number"], "name": "Gifts", "format": "xlsx", "tag": tag_id("gift"), "sort": "oldest"},
    )
    (saved,) = exports.list_saved()
    assert (saved.format, saved.orders) == ("xlsx", {"tag": "gift", "sort": "oldest"})
    page = client.get(f"{PAGE}?state=ready").text
    link = next(each for each in elements(page, "a") if each.get("aria-label") == "Download Gifts")
    assert [row[0].value for row in openpyxl.load_workbook(io.BytesIO(client.get(link["href"]).data)).active] == [
        "number",
        "1001",
    ]
    assert "gift, oldest first · one row per order, 1 column, Excel" in words(element(page, "main").text)
    opened = next(each for each in elements(page, "a") if each.get("aria-label") == "Open Gifts")
    assert "1 order." in words(element(client.get(opened["href"]).text, "main").text), (
        "with its own orders, not those of the list"
    )
    tags.change_tags(orders[0], "user:ann", remove=["gift"])
    assert "tag gift, which no order has" in words(element(client.get(PAGE).text, "main").text)
    assert [row[0].value for row in openpyxl.load_workbook(io.BytesIO(client.get(link["href"]).data)).active] == ["number"]
    answer = client.post(f"{PAGE}/save", data={"by": "order", "column": ["number"], "name": "Gifts", "format": "pdf"})
    assert answer.status_code == 422 and "There is no format" in answer.text


def test_an_export_is_replaced_only_after_a_person_has_seen_what_changes(client, orders):
    given = {"by": "order", "column": ["number", "total"], "name": "Gifts", "format": "csv"}
    client.post(f"{PAGE}/save", data=given)
    (saved,) = exports.list_saved()
    export_id = saved.id
    assert client.post(f"{PAGE}/save", data=given).status_code == 303, "nothing changes"
    other = {**given, "name": " GIFTS ", "column": ["number", "email"], "format": "xlsx"}
    asked = client.post(f"{PAGE}/save", data=other)
    said = words(element(asked.text, "section", role="alert").text)
    assert asked.status_code == 422 and said.startswith("Gifts is saved already Replacing it changes: Columns: ")
    assert "Format: CSV → Excel" in said and element(asked.text, "input", id="name")["value"] == " GIFTS "
    assert element(asked.text, "input", id="column-email").get("checked") is not None
    db.session.rollback()
    assert exports.get_saved(export_id).columns == ["number", "total"]
    seen = element(asked.text, "button", name="seen")["value"]
    more = client.post(f"{PAGE}/save", data={**other, "by": "line", "seen": seen})
    assert more.status_code == 422, "what changes is not what was seen"
    assert client.post(f"{PAGE}/save", data={**other, "seen": seen}).status_code == 303
    db.session.rollback()
    assert exports.get_saved(export_id).columns == ["number", "email"]


@pytest.mark.config(smtp_host="127.0.0.1", smtp_from="Cartlink <cartlink@shop.example>")
def test_an_export_that_was_opened_is_saved_at_once_unless_it_is_delivered(client, orders):
    client.post(f"{PAGE}/save", data={"by": "order", "column": ["number"], "name": "Gifts", "format": "csv"})
    (saved,) = exports.list_saved()
    export_id = saved.id
    page = client.get(f"{PAGE}?saved={export_id}").text
    given = {
        "by": "order",
        "column": ["number", "total"],
        "name": "Gifts",
        "format": "csv",
        "opened": element(page, "input", name="opened")["value"],
    }
    assert client.post(f"{PAGE}/save", data=given).status_code == 303
    deliver_to(export_id)
    asked = client.post(f"{PAGE}/save", data={**given, "column": ["total"]})
    assert asked.status_code == 422
    said = words(element(asked.text, "section", role="alert").text)
    assert said.startswith("Gifts is saved already, and is delivered to ann@partner.example Replacing it changes its next files:")


def tag_id(name: str) -> int:
    return tags.find_tag(name)


def test_the_command_prints_the_same_file(app, orders):
    run = app.test_cli_runner().invoke
    spec = exports.make_spec("line", ["number", "sku"], with_customers=True)
    exports.save("Warehouse", spec, "user:ann")
    text = run(args=["orders", "export", "Outlet", "--saved", "warehouse", "--before", "2026-11-02"]).output
    assert list(csv.reader(io.StringIO(text.removeprefix("\ufeff")))) == [["number", "sku"], ["1001", "CUP"], ["1001", "PLATE"]]
    assert "There is no column 'skuu'" in run(args=["orders", "export", "--by", "line", "--columns", "skuu"]).output
    assert "tracking_numbers" in run(args=["orders", "export", "--columns", "help"]).output
    assert len(run(args=["orders", "export", "--tag", "gift", "--columns", "number"]).output.splitlines()) == 2


def test_every_column_has_a_value_for_every_order(app, orders):
    for by in exports.BY:
        spec = exports.make_spec(by, export_columns.COLUMNS, with_customers=True)
        assert len(spec.columns) == len(export_columns.offered(by, with_customers=True))
        assert all(len(row) == len(spec.columns) for row in exports.iter_rows(spec, Wanted(customers=True)))


def test_days_the_wrong_way_round_are_refused_instead_of_an_empty_file(client, orders):
    sent = {"by": "order", "column": ["number"], "since": "2026-12-01", "until": "2026-11-01"}
    for answer in (client.post(f"{PAGE}/file.csv", data=sent), client.get(f"{PAGE}/file.xlsx", query_string=sent)):
        assert answer.status_code == 422, "no file"
        assert "The last day is before the first day." in words(element(answer.text, "main").text)
        assert element(answer.text, "input", name="since")["value"] == "2026-12-01", "what was entered is kept"


def test_a_first_day_in_the_future_is_refused_instead_of_an_empty_file(client, orders):
    sent = {"by": "order", "column": ["number"], "since": str(utcnow().date() + timedelta(days=2))}
    answer = client.post(f"{PAGE}/file.csv", data=sent)
    assert answer.status_code == 422 and "The first day is in the future. Choose today" in words(
        element(answer.text, "main").text
    )
