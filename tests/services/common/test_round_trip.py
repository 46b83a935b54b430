"""Every file we write can be read back: what a cell is guarded with is undone exactly, and an import of an export changes nothing."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from errors import InvalidInput
from extensions import db, writing
from models import Order, Shipment, StockItem
from models.sku_key import sku_key
from services.common import csv_files
from services.shipping import files, shipments
from services.stock import file_columns, file_imports
from services.stock import files as stock_files
from tests.support.rows import import_stock, make_integration, make_item, make_order

pytestmark = pytest.mark.one_database
SKUS = (
    "-5LAMP",
    "+49-KIT",
    "=A1",
    "@HOME",
    "'=A1",
    "''@x",
    "a;=b",
    "x;@SUM(1+1);x",
    "a|+1",
    "-5",
    "1E5",
    '="0012"',
    "Tasse, groß",
    'a"b',
)


def _cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("=+-@＝;|\t\r\n'ab1,\" \u00a0"), max_size=12))
@example("x;@SUM(1+1);x")
@example("\t=1")
@example('x;"=1+1"')
@example("x; =1+1")
@example("＝1+1")
def test_the_guard_is_undone_exactly_and_leaves_no_formula(words):
    guarded = csv_files.harmless(words)
    assert csv_files.as_written(guarded) == words or csv_files.NUMBER.match(words)
    if not csv_files.NUMBER.match(words):
        for separator in ";|\n":
            # A program that splits there takes double quotes at the start of a cell for the cell's own.
            assert not any(part.lstrip('" \u00a0').startswith(tuple("=+-@＝＋－＠")) for part in guarded.split(separator))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet=st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12), max_size=6))
@example(list(SKUS))
def test_cells_are_read_as_they_were_written(words):
    text = "".join(csv_files.rows_out(("sku", "quantity"), [(word, 1) for word in words]))
    assert all(line.startswith('"') for line in text.removeprefix("\ufeff").splitlines() if line) or not words
    rows = csv_files.read(csv_files.opened(lambda: [text.encode()])[0], file_columns.COLUMNS, ("sku", "quantity"))
    # ="0012" without a guard is how spreadsheets keep zeros; ours carries one.
    assert [row.cells["sku"] for row in rows] == words


def test_an_import_of_our_stock_file_changes_nothing_by_page_and_command(app):
    for place, sku in enumerate(SKUS):
        make_item(sku, place)
    content = "".join(csv_files.rows_out(("sku", "quantity"), [(sku, place) for place, sku in enumerate(SKUS)])).encode()
    file_id = stock_files.upload(content, "stock.csv", "test")
    stock_files.work(file_id)
    file = stock_files.get_file(file_id)
    assert (file.state, file.changed, file.unknown, file.unchanged) == ("checked", 0, 0, len(SKUS))
    db.session.rollback()
    assert import_stock(content) == file_imports.Imported(0, len(SKUS), 0)


FILES = {
    "sep": b"sep=;\nsku;quantity\nCUP;7\n", "tabs": b"sku\tquantity\nCUP\t7\n", "western": "sku,quantity,n\nCUP,7,K\xe4se\n".encode("cp1252"),
    "kept zeros": b'sku,quantity\n="CUP",7\n', "blank lines": b"\n \n;;\nsku,quantity\nCUP,7\n", "mark": b"\xef\xbb\xbfsku,quantity\nCUP,7\n",
    "line break": b'"Stock\nitem",quantity\nCUP,7\n', "bar": b"sku|quantity\nCUP|7\n", "utf-16": "\ufeffsku,quantity\nCUP,7\n".encode("utf-16-le"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_the_command_reads_what_the_page_reads(app, name):
    make_item("CUP", 1)
    assert import_stock(FILES[name]).changed == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"sku,quantity,quantity\nCUP,1,2\n", "twice"),
        (b"sku,quantity\nCUP,1,9\n", "Line 2: The row has 3 cells"),
        (b"sku,quantity\n" + b"X" * 300 + b",1\n", "cannot be a SKU"),
        (b"sku,quantity\n9.40011E+21,1\n", "digits are lost"),
        (b"sku,quantity\nMar-01,1\n", "looks like a date"),
    ],
)
def test_the_command_refuses_what_the_page_refuses(app, content, said):
    make_item("CUP", 1)
    with pytest.raises(InvalidInput) as refused:
        import_stock(content, add_unknown=True)
    assert said in refused.value.sentence()
    assert [item.sku for item in db.session.scalars(select(StockItem))] == ["CUP"]


def test_a_sku_that_looks_damaged_and_is_ours_is_taken(app):
    make_item("Mar-01", 1)
    assert import_stock(b"sku,quantity\nMar-01,5\n").changed == 1
    assert sku_key("Mar-01")


@pytest.fixture
def desk(app) -> None:
    integration = make_integration("Shop")
    item = make_item("CUP", 99)
    make_order(integration, "00202", [(item, 1)], external_id="5")
    make_order(integration, "DUP-1", [(item, 1)], external_id="6")
    make_order(integration, "DUP-1", [(item, 1)], external_id="7")


def _rows(content: str) -> list[dict]:
    return files.read_file(content.encode(), "x.csv", "test").rows


PROGRAMS = {
    "ShipStation": '"Order - Number","Shipment - Carrier","Carrier - Name","Shipment - Tracking Number"\n#00202,UPS,x,T-1\n',
    "Click & Drop": "Channel reference,Order reference,Tracking number\n00202,77,T-1\n",
    "WorldShip": "Package Reference No. 1,Tracking Number,Package Tracking Number\n00202,,T-1\n",
    "DPD": "Parcel number;Customer reference;Service\nT-1;00202;Classic\n",
    "Pirate Ship": "Order ID,Recipient,Tracking Number\n00202,Ann,T-1\n",
    "line break": '"Order\nNumber",carrier,tracking\n00202,UPS,T-1\n',
    "ShipStation in one word": "ORDERNUMBER,SHIPDATE,TRACKINGNUMBER,SHOP,CHANNEL\n00202,1/2/2026,T-1,,X-Cart\n",
    "Click & Drop with its own numbers": "Order number,Channel,Channel reference,Tracking number\n77,CSV import,00202,T-1\n",
    "Click & Drop without a channel reference": "Tracking number,Order reference,Channel reference,Channel\nT-1,00202,,Manual\n",
    "WorldShip's field names": "PackageTrackingNumber,PackageReference1,ShipmentInformationServiceType\nT-1,00202,Ground\n",
    "UPS shipping history": "Tracking Number,Reference Number(s)\nT-1,#00202\n",
    "DPD, two references": "Consignment number;Parcel number;Customer reference 1;Customer reference 2\n9;T-1;00202;\n",
    "DPD, German": "Paketscheinnummer;Referenz 1;Kundenreferenz\nT-1;;00202\n",
    "Pirate Ship with everything": "Created Date,Tracking Number,Cost,Tracking Status,Order ID,Order Value\n1/2,T-1,5,Accepted,00202,9\n",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_files_of_other_programs_are_recognised(desk, program):
    (row,) = _rows(PROGRAMS[program])
    assert (row["problem"], row["tracking"]) == ("", "T-1")


def test_a_number_without_its_zeros_is_refused_and_the_order_is_named(desk):
    short, absent = _rows("number,tracking\n202,T-1\n303,T-2\n")
    assert short["problem"].startswith(
        "There is no order 202. There is an order 00202: a spreadsheet may have removed the zeros."
    )
    assert absent["problem"] == "There is no order 303."


@pytest.mark.parametrize("rows", ["00202,\n00202,T-1\n00202,t-1\n", "00202,T-1\n00202,\n00202,T-1\n"])
def test_a_row_without_a_tracking_number_does_not_go_before_one_with_it(desk, rows):
    """Programs that write a row for each piece give the number in some of them only, or in each."""
    shipped = [row["tracking"] for row in _rows(f"number,tracking\n{rows}") if not row["problem"]]
    assert shipped == ["T-1"]


def test_every_order_of_our_own_files_is_found_again(desk, client):
    """Also two with one number in one shop: the shop's id is in the file."""
    rows = _rows(client.get("/orders/orders.csv").text)
    assert len({row["order_id"] for row in rows if not row["problem"]}) == 3
    file = files.read_file(b"id,tracking\n6,#N/A\n", "x.csv", "test")
    again = _rows(client.get(f"/orders/tracking-numbers/{file.id}/problems.csv").text.replace("#N/A", "T-1"))
    assert [(row["id"], row["problem"]) for row in again] == [("6", "")]


def test_orders_of_other_channels_and_references_without_a_parcel_are_left_alone(desk):
    (row,) = _rows("Order number,Tracking number,Channel\n00202,T-1,eBay\n")
    assert row["problem"] == "There is no order 00202 in eBay."
    with pytest.raises(InvalidInput, match="no column named number"):
        _rows("Reference,Name\n00202,Ann\n")


def test_two_columns_that_name_different_orders_ship_neither(desk):
    """The first one was taken, and the other ignored: with numbered rows, that shipped other people's orders."""
    other, same = _rows("number,order number,tracking\nDUP-1,00202,T-1\n#00202,00202,T-2\n")
    assert other["problem"].startswith("The row names two orders, DUP-1 and 00202.")
    assert same["problem"] == ""


def test_a_number_is_found_as_it_is_copied(desk):
    """With a byte order mark, a zero-width space, a non-breaking space."""
    for copied in ("\ufeff00202", "\u200b#00202", "\u00a000202"):
        (row,) = _rows(f"number,tracking\n{copied},T-1\n")
        assert row["problem"] == ""


@pytest.mark.parametrize(
    "damaged",
    ["123456789012.00", "123456789012,0", "#NAME?", "#BEZUG!", "########", "#N/A", "940011189922385000000.00", "9,40011E+021"],
)
def test_what_a_spreadsheet_has_made_of_a_tracking_number_is_refused(desk, damaged):
    (row,) = _rows(f'number,tracking\n00202,"{damaged}"\n')
    assert damaged in row["problem"] and "spreadsheet" in row["problem"]


def test_a_number_that_a_shop_has_twice_is_named_by_its_id(desk):
    (row,) = _rows("number,tracking\nDUP-1,T-1\n")
    assert "id 6" in row["problem"] and "id 7" in row["problem"] and "id:6" in row["problem"]
    by_mark, by_column = _rows("number,tracking,id\nid:7,T-1,\nDUP-1,T-2,6\n")
    assert (by_mark["problem"], by_column["problem"]) == ("", "")
    assert by_mark["order_id"] != by_column["order_id"]


@pytest.mark.parametrize("tracking", ["9.40011E+21", "9,40011E+21", "9400110000000000000000"])
def test_a_tracking_number_that_a_spreadsheet_has_damaged_is_refused(desk, tracking):
    (row,) = _rows(f"number;tracking\n00202;{tracking}\n")
    assert "spreadsheet" in row["problem"] and "text" in row["problem"]


def test_two_rows_for_one_order_are_two_parcels(desk):
    file = files.read_file(b"number,carrier,tracking\n00202,UPS,T-1\n#00202,DHL,T-2\n00202,UPS,T-1\n", "x.csv", "test")
    assert [row["problem"] for row in file.rows] == ["", "", "Order 00202 is in line 2 already."]
    files.accept(file.id)
    files.work(file.id)
    order_id = db.session.scalar(select(Order.id).where(Order.number == "00202"))
    numbers = [(one.carrier, one.tracking_number, len(one.lines)) for one in shipments.of_order(order_id)]
    assert numbers == [("UPS", "T-1", 1), ("DHL", "T-2", 0)]
    assert files.get_file(file.id).refused == []
    with writing():
        assert db.session.get_one(StockItem, 1).on_hand == 98
        assert len(db.session.scalars(select(Shipment)).all()) == 2


def test_the_same_file_from_two_people_adds_no_parcel_twice(desk):
    content = b"number,carrier,tracking\n00202,UPS,T-1\n00202,DHL,T-2\n"
    first, second = (files.read_file(content, "x.csv", who).id for who in ("ann", "bob"))
    for file_id in (first, second):
        files.accept(file_id)
        files.work(file_id)
    assert [(each.tracking_number, each.actor) for each in db.session.scalars(select(Shipment))] == [
        ("T-1", "ann"),
        ("T-2", "ann"),
    ]
    reasons = [each["reason"] for each in files.get_file(second).refused]
    assert reasons == [
        "Order 00202 has been shipped already. To send a further parcel, add its tracking number on the order's page.",
        "Order 00202 has a parcel with the tracking number T-2 already.",
    ]  # fmt: skip


def test_parcels_of_an_order_that_somebody_else_has_shipped_are_not_added_to_theirs(desk):
    file = files.read_file(b"number,tracking\n00202,T-1\n00202,T-2\n", "x.csv", "test")
    order_id = db.session.scalar(select(Order.id).where(Order.number == "00202"))
    shipments.ship(order_id, "ann", tracking_number="OTHER")
    files.accept(file.id)
    files.work(file.id)
    assert [each.tracking_number for each in db.session.scalars(select(Shipment))] == ["OTHER"]
    assert "was shipped without the parcel T-1" in files.get_file(file.id).refused[1]["reason"]


def test_a_file_of_tracking_numbers_is_looked_up_in_few_statements_with_an_index(app):
    """Three conditions beside each other and seven spellings of each number made PostgreSQL read all orders eighteen times."""
    integration, item = make_integration("Shop"), make_item("CUP", 99)
    for number in ("100", "Ab-1", "0200"):
        make_order(integration, number, [(item, 1)])
    statements: list[str] = []

    def rows_of(*numbers: str) -> list[str]:
        statements.clear()
        return [row["problem"] for row in _rows("number,tracking\n" + "".join(f"{each},T-{each}\n" for each in numbers))]

    def note(connection, cursor, statement, *rest) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        assert rows_of("100", "Ab-1", *(f"9{n}" for n in range(500)))[:2] == ["", ""]
        assert len(statements) < 18 and not any("lower(" in each for each in statements)
        assert rows_of("aB-1") == [""]
        assert "There is an order 0200" in rows_of("200")[0]
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
