"""Excel workbooks as they come: what a person sees in the sheet is what is read, and a hostile one costs nothing."""

from __future__ import annotations

import io
import time
import zipfile
from datetime import date

import openpyxl
import pytest
from sqlalchemy import select

from errors import InvalidInput
from extensions import db
from models import StockItem
from services.common import csv_files, damaged_cells
from services.shipping import files
from services.stock import file_imports
from services.stock import files as stock_files
from tests.support.rows import make_integration, make_item, make_order

SHEET = "xl/worksheets/sheet1.xml"


def workbook(*rows: list[object], formats: dict[str, str] | None = None, **sheets: list[list[object]]) -> bytes:
    made = openpyxl.Workbook()
    sheet = made.active
    for row in rows:
        sheet.append(row)
    for place, given in (formats or {}).items():
        sheet[place].number_format = given
    for name, more in sheets.items():
        other = made.create_sheet(name)
        for row in more:
            other.append(row)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def edited(content: bytes, part: str, was: bytes, becomes: bytes) -> bytes:
    """The workbook with a text in one of its parts replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            text = old.read(info)
            assert info.filename != part or was in text
            new.writestr(info.filename, text.replace(was, becomes) if info.filename == part else text)
    return file.getvalue()


def as_excel(content: bytes, texts: bytes = b"") -> bytes:
    """The workbook with its first heading in the table of texts, where Excel puts all of them."""
    content = edited(content, SHEET, b't="inlineStr"><is><t>A</t></is>', b't="s"><v>0</v>')
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    named = b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + kind + b'"/></Types>'
    file = io.BytesIO(edited(content, "[Content_Types].xml", b"</Types>", named))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        text = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>A</t></si></sst>'
        archive.writestr("xl/sharedStrings.xml", texts + text)
    return file.getvalue()


def read(content: bytes, sheet: str = "", most: int = 8_000_000) -> list[dict[str, str]]:
    source = csv_files.opened(lambda: [content], sheet=sheet, most=most)[0]
    return [row.cells for row in csv_files.read(source, {"a": ("a",), "b": ("b",)}, ("a",))]


def test_cells_are_read_as_a_person_sees_them():
    content = workbook(
        ["A", "B"], ["00123", 5.0], [123, 1.5], [987654321098, True], [date(2026, 3, 1), "=1+1"], ["=A2&1", "#N/A"],
        formats={"A3": "00000"},
    )  # fmt: skip
    content = edited(content, SHEET, b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>")
    assert [(row["a"], row["b"]) for row in read(content)] == [
        ("00123", "5"), ("00123", "1.5"), ("987654321098", "TRUE"), ("01-Mar-2026", "2"), ("=A2&1", "#N/A"),
    ]  # fmt: skip


def test_digits_are_never_lost_without_a_word():
    """A program may write 18 digits into a cell. A spreadsheet keeps 15, and a number from which it has taken some is named."""
    content = workbook(["A"], [4711], [4712], [4713])
    content = edited(content, SHEET, b"<v>4711</v>", b"<v>123456789012345678</v>")
    content = edited(content, SHEET, b"<v>4712</v>", b"<v>9.4001118995599995E+21</v>")
    content = edited(content, SHEET, b"<v>4713</v>", b"<v>1234567890123450.0</v>")
    exact, *damaged = (row["a"] for row in read(content))
    assert exact == "123456789012345678" and not damaged_cells.damage(exact)
    assert all("digits are lost" in damaged_cells.damage(each) for each in damaged), damaged


def test_the_first_sheet_that_is_shown_is_read_or_the_one_that_is_named():
    content = workbook(["A"], ["first"], Stock=[["A"], ["second"]])
    assert (read(content)[0]["a"], read(content, "stock ")[0]["a"]) == ("first", "second")
    hidden = edited(
        content, "xl/workbook.xml", b'name="Sheet" sheetId="1" state="visible"', b'name="Sheet" sheetId="1" state="hidden"'
    )
    assert read(hidden)[0]["a"] == "second"
    with pytest.raises(InvalidInput, match="no sheet Lager"):
        read(content, "Lager")


def test_rows_may_begin_anywhere_and_keep_their_numbers():
    made = openpyxl.Workbook()
    made.active["B4"], made.active["B9"] = "A", "x"
    file = io.BytesIO()
    made.save(file)
    source = csv_files.opened(lambda: [file.getvalue()])[0]
    assert [(row.line, row.cells["a"]) for row in csv_files.read(source, {"a": ("a",)}, ("a",))] == [(9, "x")]


def bomb(part: str, size: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, zipfile.ZipFile(io.BytesIO(GOOD)) as good:
        for info in good.infolist():
            if info.filename != part:
                archive.writestr(info.filename, good.read(info))
        archive.writestr(part, b" " * size)
    return file.getvalue()


def lying(content: bytes) -> bytes:
    """A sheet that unpacks to more than the archive says."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = archive.getinfo(SHEET).file_size
    return content.replace(size.to_bytes(4, "little"), (size - 40).to_bytes(4, "little"))


ENTITY = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
GOOD = workbook(["A", "B"], ["x", 1])
HOSTILE = {
    "large sheet": (bomb(SHEET, 50_000_000), "larger than 7 MB"),
    "large texts": (bomb("xl/sharedStrings.xml", 50_000_000), "larger than 7 MB"),
    "large styles": (bomb("xl/styles.xml", 50_000_000), "larger than 4 MB"),
    "a size that is not true": (lying(GOOD), "cannot be read"),
    "entities": (edited(GOOD, SHEET, b"<worksheet", ENTITY + b"<worksheet"), "cannot be read"),
    "entities in the texts": (as_excel(GOOD, ENTITY), "cannot be read"),
    "a million columns": (edited(GOOD, SHEET, b'r="B2"', b'r="ZZZ2"'), "more cells"),
    "a row far away": (edited(GOOD, SHEET, b'<row r="2"', b'<row r="99999999999"'), "too many rows"),
    "cut off": (GOOD[:-200], "cannot be read"), "another archive": (b"PK\x03\x04" + b"x" * 500, "cannot be read"),
    "nothing in it": (workbook([None]), "The sheet is empty"),
    "no such text": (edited(GOOD, SHEET, b't="n"><v>1</v>', b't="s"><v>77</v>'), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_workbook_is_refused_at_once(name):
    content, said = HOSTILE[name]
    before = time.process_time()
    with pytest.raises(InvalidInput, match=said):
        read(content)
    assert time.process_time() - before < 10


def test_texts_are_found_in_the_table_of_texts():
    assert read(as_excel(GOOD)) == [{"a": "x", "b": "1"}]


def test_a_declared_size_of_the_sheet_is_not_believed():
    content = edited(GOOD, SHEET, b'ref="A1:B2"', b'ref="A1:XFD1048576"')
    assert [row["a"] for row in read(content)] == ["x"]


def test_stock_and_tracking_numbers_are_imported_from_a_workbook(app):
    integration = make_integration()
    item = make_item("00012", 9)
    make_order(integration, "1001", [(item, 1)])
    content = workbook(["note"], Bestand=[["SKU", "Quantity"], ["00012", 4]])
    assert file_imports.import_now(content, "x.xlsx", "test", sheet="bestand").changed == 1
    assert db.session.scalar(select(StockItem.on_hand)) == 4
    with pytest.raises(InvalidInput, match="named sku and quantity"):
        file_imports.import_now(content, "x.xlsx", "test")
    rows = [["Order number", "Carrier", "Tracking"], [1001, "DHL", "00340434161094021501"], [1001, "DHL", 9.4e21]]
    kept = files.read_file(workbook(*rows), "x.xlsx", "test")
    assert [(row["number"], row["tracking"], row["problem"][:28]) for row in kept.rows] == [
        ("1001", "00340434161094021501", ""), ("1001", "9.40000000000000E+21", "9.40000000000000E+21 is a nu"),
    ]  # fmt: skip


def test_a_large_workbook_is_left_to_the_worker(app):
    """Its texts take long to unpack; what is wrong with its headings is then said by the worker."""
    content = as_excel(workbook(["A", "B"], ["x", 1]), b" " * 5_000_000)
    file_id = stock_files.upload(content, "x.xlsx", "test")
    stock_files.work(file_id)
    (problem,) = stock_files.get_file(file_id).problems
    assert "no columns named sku and quantity" in problem
