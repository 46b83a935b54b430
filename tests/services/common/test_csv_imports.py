"""Every import of a file against everything that people and their spreadsheets hand in: what is wrong where is said, and nothing
is half imported."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import func, insert, select

from errors import InvalidInput
from extensions import db, writing
from models import Order, Shipment, StockEntry, StockFile, StockFileRow, StockItem
from models.types import utcnow
from services.common import csv_files
from services.shipping import files
from services.stock import file_columns, file_stage
from services.stock import files as stock_files
from tests.support.rows import make_integration, make_item, make_order

BOM = b"\xef\xbb\xbf"


@pytest.fixture
def desk(app) -> None:
    integration = make_integration()
    item = make_item("CUP", 9)
    for number in ("1", "2"):
        make_order(integration, number, [(item, 1)])


def stock_file(content: bytes) -> list[str]:
    """What is said of a file of quantities; nothing where it could be applied."""
    try:
        file_id = stock_files.upload(content, "stock.csv", "test")
    except InvalidInput as wrong:
        return [wrong.sentence()]
    stock_files.work(file_id)
    file = stock_files.get_file(file_id)
    problems = list(file.problems)
    if file.state == "checked":
        stock_files.drop(file_id)
    return problems


def shipments_file(content: bytes) -> list[str]:
    """The same of a file of shipments; good rows beside bad ones wait for a yes and are shipped by themselves."""
    try:
        file = files.read_file(content, "shipments.csv", "test")
    except InvalidInput as wrong:
        return [wrong.sentence()]
    return [f"Line {row['line']}: {row['problem']}" for row in file.rows if row["problem"]]


IMPORTS = {
    "quantities": (stock_file, "sku,quantity", "CUP,5"),
    "shipments": (shipments_file, "number,carrier,tracking", "1,DHL,T1"),
}
Import = tuple[Callable[[bytes], list[str]], str, str]


@pytest.fixture(params=IMPORTS)
def imported(request, desk) -> Import:
    return IMPORTS[request.param]


def nothing_has_changed() -> None:
    db.session.rollback()
    assert [(item.sku, item.on_hand) for item in db.session.scalars(select(StockItem))] == [("CUP", 9)]
    assert set(db.session.scalars(select(Order.state))) == {"ready"}
    assert db.session.scalar(select(func.count()).select_from(Shipment)) == 0


SAVED = {
    "plain": ("{head}\n{row}\n", "utf-8"), "mark": ("\ufeff{head}\r\n{row}\r\n", "utf-8"),
    "utf-16": ("\ufeff{head}\n{row}\n", "utf-16-le"), "utf-16, the other way": ("\ufeff{head}\n{row}\n", "utf-16-be"),
    "western": ("{head},note\n{row},K\u00e4se\n", "cp1252"), "old line ends": ("{head}\r{row}\r", "utf-8"),
    "blank lines": ("\n \n{head}\n\n{row}\n,,\n", "utf-8"), "no last line end": ("{head}\n{row}", "utf-8"),
}  # fmt: skip


@pytest.mark.sampled(1)
def test_what_any_spreadsheet_saves_is_read(imported):
    read, head, row = imported
    for name, (form, encoding) in SAVED.items():
        for delimiter in (",", ";", "\t"):
            text = form.format(head=head.upper(), row=row).replace(",", delimiter)
            assert read(text.encode(encoding)) == [], (name, delimiter)
    nothing_has_changed()


REFUSED = {
    "empty": (b"", "The file is empty."), "blank": (b" \r\n\t\n", "The file is empty."), "a mark only": (BOM, "The file is empty."),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "an image or another"), "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF", "an image or another"),
    "workbook": (b"PK\x03\x04\x14\0\6\0", "The workbook cannot be read"),
    "old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "the old kind (.xls)"), "pdf": (b"%PDF-1.7\n", "a PDF document"),
    "utf-16 without its mark": ("head\nrow\n".encode("utf-16-le"), "not a text file"),
    "utf-32": ("head\nrow\n".encode("utf-32"), "not a text file"), "cut utf-16": (b"\xff\xfeh", "letters cannot be read"),
    "unknown letters": (b"head\n\x81\x8d row\n", "letters cannot be read"),
    "other columns": (b"one,two\n1,2\n", "its first line says: one, two"), "no table": (b"hello\n", "its first line says: hello"),
    "a quote that does not end": (b'sku,number,quantity,note\nCUP,1,5,"a\nPLATE,2,6,x\n', "Line 2 has a quote that does not end"),
    "text behind a quote": (b'sku,number,quantity\n"CUP"x,1,5\n', "Line 2 cannot be read as CSV"),
    "one endless cell": (b'"' + b"x" * 200_000 + b"\n", "Line 1 is longer than 100,000 characters"),
}  # fmt: skip


def test_what_is_no_such_file_is_refused_with_what_is_wrong(imported):
    for name, (content, said) in REFUSED.items():
        (complaint,) = imported[0](content)
        assert said in complaint and len(complaint) < 400, (name, complaint)
    assert set(db.session.scalars(select(StockFile.state))) <= {"refused"}
    nothing_has_changed()


ENDLESS = {
    "separators": b";" * 15_000_000, "separators after the header": b"sku;quantity\n" + b";" * 15_000_000,
    "empty rows": b"sku;quantity\n" + b";\n" * 7_500_000, "blank lines": b"\n" * 15_000_000 + b"sku,quantity\nA,1\n",
    "one long name": b"x" * 15_000_000, "quotes": b'"' * 15_000_000, "commas in quotes": b'sku,quantity\n"' + b"," * 15_000_000,
    "lines of separators": (b";" * 90_000 + b"\n") * 166, "sep": b"sep=;\n" + b";" * 15_000_000, "carriage returns": b"\r" * 15_000_000 + b"x",
}  # fmt: skip


@pytest.mark.one_database
@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.sampled(4)
def test_a_large_file_of_nothing_keeps_a_page_for_a_moment_only(app, name):
    """15 MB of semicolons took nine seconds of a page's time. Its rows are read by a worker."""
    before = time.process_time()
    with suppress(InvalidInput):
        stock_files.upload(ENDLESS[name], "large.csv", "test")
    assert time.process_time() - before < 4


def test_a_missing_or_doubled_column_is_named(imported):
    read, head, row = imported
    first = head.partition(",")[0]
    assert f"no column named {first}" in read(f"{head.replace(first, 'x')}\n{row}\n".encode())[0]
    assert f"the column {first} twice" in read(f"{first},{head}\n{row}\n".encode())[0]
    nothing_has_changed()


def test_ten_thousand_bad_rows_are_named_and_nothing_is_done(desk):
    rows = "".join(f"S-{n},{'=1+1' if n % 2 else '-3'}\n" for n in range(10_000))
    said = stock_file(f"sku,quantity\nCUP,7\n{rows}".encode())
    assert said[:2] == ["Line 3: S-0: '-3' is not a whole number from 0 to 2,147,483,647",
                        "Line 4: S-1: '=1+1' is not a whole number from 0 to 2,147,483,647"]  # fmt: skip
    assert len(said) == file_stage.MOST_WRONG
    rows = "".join(f"N-{n},DHL,T\n" for n in range(10_000))
    assert shipments_file(f"number,carrier,tracking\n{rows}".encode()) == [
        "The file has more than 1,000 rows. Split it into several."
    ]
    assert len(shipments_file(f"number,carrier,tracking\n{rows[:9000]}".encode())) > 700
    nothing_has_changed()


def test_formulas_are_refused_and_numbers_kept_as_text_are_read(desk):
    assert stock_file(b'sku,quantity\nCUP,"=HYPERLINK(""http://x"")"\n')[0].startswith("Line 2: CUP: '=HYPERLINK")
    assert stock_file(b'sku,quantity\n"=""CUP""","=""007"""\n') == []
    said = shipments_file(b'number,carrier,tracking\n1,=cmd|x,T1\n2,DHL,@SUM(A1)\n"=""1""",-,"=""0012"""\n')
    assert said == [
        "Line 2: The carrier begins like a formula: =cmd|x", "Line 3: The tracking number begins like a formula: @SUM(A1)",
        "Line 4: Line 2 of order 1 cannot be used, so this parcel waits for it.",
    ]  # fmt: skip
    file = files.read_file(b'number,carrier,tracking\n"=""1""",-,"=""0012"""\n', "x.csv", "test")
    assert [(row["number"], row["carrier"], row["tracking"], row["problem"]) for row in file.rows] == [("1", "", "0012", "")]
    nothing_has_changed()


def test_zeros_that_a_spreadsheet_has_removed_from_a_sku_are_named(app):
    """With unknown SKUs added, a second stock item 123 would stand beside 00123."""
    make_item("00123", 1)
    (said,) = stock_file(b"sku,quantity\n123,5\n")
    assert said.startswith("Line 2: There is no stock item 123. There is 00123: a spreadsheet may have removed the zeros.")
    make_item("123", 1)
    assert stock_file(b"sku,quantity\n123,5\n00123,6\n") == []


def test_a_heading_that_begins_like_a_picture_is_none(desk):
    assert stock_file(b"BMW part,sku,quantity\nx,CUP,5\n") == []


def test_a_file_over_the_cap_is_refused_with_the_cap(imported):
    read, head, row = imported
    most = {stock_file: stock_files.MOST_BYTES, shipments_file: files.MOST_BYTES}[read]
    (complaint,) = read(f"{head}\n{row}\n".encode() + b"\n" * most)
    assert f"larger than {most // 1024 // 1024} MB" in complaint
    nothing_has_changed()


@pytest.mark.one_database
@pytest.mark.parametrize(("count", "most"), [(20_000, 60), pytest.param(100_000, 200, marks=pytest.mark.deep)])
def test_many_rows_go_in_at_once_and_are_never_in_memory_together(app, count, most):
    now = utcnow()
    with writing() as session:
        rows = [
            {"sku": f"S-{n:06}", "name": "", "on_hand": 1, "reserved": 0, "buffer": 0, "updated_at": now} for n in range(count)
        ]
        session.execute(insert(StockItem.__table__), rows)
    del rows
    file_id = stock_files.upload(
        ("sku,quantity\n" + "".join(f"S-{n:06},{n % 50}\n" for n in range(count))).encode(), "x.csv", "test"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stock_files.work(file_id)
    assert db.session.scalar(select(func.count()).select_from(StockFileRow)) == count
    stock_files.accept(file_id, add_unknown=False)
    stock_files.work(file_id)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
    file = stock_files.get_file(file_id)
    assert (file.state, file.changed, file.unchanged) == ("applied", count * 49 // 50, count // 50)
    whole_stock = sum(n % 50 for n in range(count))
    assert db.session.scalar(select(func.sum(StockItem.on_hand))) == whole_stock
    assert db.session.scalar(select(func.sum(StockEntry.on_hand_change))) == whole_stock - count
    assert grown < most


def test_text_is_read_piece_by_piece(app):
    """A letter of several bytes may lie across two pieces, and only one piece is held at a time."""
    taken: list[int] = []

    def pieces():
        for number, piece in enumerate((b"sku,quantity\nK\xc3", b"\xa4se,", b"5\n")):
            taken.append(number)
            yield piece

    text, lines = csv_files.opened(pieces)
    rows = csv_files.read(text, file_columns.COLUMNS, ("sku", "quantity"))
    assert (next(rows).cells, lines) == ({"sku": "Käse", "quantity": "5"}, 2)
