"""Rows of a stock file that cannot be used: left out, offered as a file of the same kind, corrected and imported, and nothing twice."""

from __future__ import annotations

import io
import json

import openpyxl
import pytest
from sqlalchemy import func, select

from errors import Conflict, InvalidInput
from extensions import db, writing
from models import StockEntry, StockFile, StockFileWrongRow, StockItem
from services.common import csv_files, wrong_rows
from services.presets import presets
from services.stock import file_imports, file_results, files
from tests.support.rows import make_item

pytestmark = pytest.mark.one_database


def read(content: bytes) -> StockFile:
    file_id = files.upload(content, "stock.csv", "test")
    files.work(file_id)
    return files.get_file(file_id)


def apply(file: StockFile) -> StockFile:
    files.accept(file.id, add_unknown=False)
    files.work(file.id)
    return files.get_file(file.id)


def wrong_file(file: StockFile) -> bytes:
    return b"".join(wrong_rows.write(wrong_rows.from_kept(file.layout), file_results.iter_wrong(file.id)))


def on_hand() -> dict[str, int]:
    db.session.rollback()
    return {item.sku: item.on_hand for item in db.session.scalars(select(StockItem).order_by(StockItem.sku))}


def workbook(rows: list[list[str]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


TABLE = [["Item", "Qty", "Note"], ["007", "5", "a;b"], ["B", "x", '=1 "q"'], ["C", "", "Käse"], ["D", "-1", "line\nbreak"]]


def as_semicolons() -> bytes:
    cells = "\r\n".join(";".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in TABLE)
    return cells.encode("cp1252")


def as_json() -> bytes:
    lines = [{"sku": "007", "quantity": 5}, {"sku": "B", "quantity": "x"}, {"sku": "C"}, {"sku": "D", "quantity": -1}]
    return "\n".join(map(json.dumps, lines)).encode()


KINDS = {"csv": as_semicolons, "xlsx": lambda: workbook(TABLE), "jsonl": as_json}


def corrected(kind: str, content: bytes) -> bytes:
    """As a person corrects the file: all quantities are 9."""
    if kind == "jsonl":
        return "\n".join(json.dumps({**json.loads(line), "quantity": 9}) for line in content.decode().splitlines()).encode()
    if kind == "csv":
        text = content.decode("utf-8-sig")
        return text.replace('"x"', '"9"').replace('"C";""', '"C";"9"').replace('"-1"', '"9"').encode()
    book = openpyxl.load_workbook(io.BytesIO(content))
    for row in book.active.iter_rows(min_row=2):
        row[1].value = 9
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_good_rows_are_applied_and_the_others_are_corrected_in_their_own_file(app, kind):
    for sku in ("007", "B", "C", "D"):
        make_item(sku, 1)
    first = read(KINDS[kind]())
    assert (first.state, first.raised, first.wrong, first.layout["kind"]) == ("checked", 1, 3, kind)
    assert sum(count for _, count in first.causes) == 3
    assert apply(first).state == "applied"
    assert on_hand() == {"007": 5, "B": 1, "C": 1, "D": 1}
    content = wrong_file(first)
    # Uploaded as it is, its rows are as wrong as before; the reason is passed over.
    again = read(content)
    assert (again.state, again.wrong) == ("refused", 3)
    assert wrong_file(again).count(csv_files.REASON.encode()) == (1 if kind == "csv" else 0)
    second = apply(read(corrected(kind, content)))
    assert (second.changed, second.wrong) == (3, 0), second.problems
    assert on_hand() == {"007": 5, "B": 9, "C": 9, "D": 9}
    assert db.session.scalar(select(func.count()).select_from(StockEntry)) == 4
    third = read(corrected(kind, content))
    assert (third.changed, third.unchanged) == (0, 3)


def test_cells_come_back_as_they_were(app):
    file = read(as_semicolons())
    (content,) = [wrong_file(file).decode("utf-8-sig")]
    headings, rows = csv_files.sample(csv_files.opened(lambda: [content.encode()])[0], 10)
    assert headings == TABLE[0] and rows == TABLE[2:]
    assert content.splitlines()[0] == '"Item";"Qty";"Note";"Reason (Cartlink)"'
    assert "\"Line 3: B: 'x' is not a whole number from 0 to 2,147,483,647\"" in content


def test_a_row_with_too_many_cells_is_wrong_and_the_others_are_read(app):
    make_item("A", 1)
    make_item("B", 1)
    file = read(b"sku,quantity\nA,1,234\nB,7\n")
    assert (file.raised, file.problems[0][:60]) == (1, "Line 2: The row has 3 cells, and the first line names 2 colu")
    assert read(wrong_file(file)).wrong == 1
    assert read(wrong_file(file).replace(b'"1"', b'"1234"').replace(b',"234"', b"")).raised == 1


def test_of_two_lines_with_one_sku_neither_is_applied(app):
    for sku in ("A", "B"):
        make_item(sku, 1)
    file = read(b"sku,quantity\nA,5\nB,7\n a ,9\n")
    assert (file.wrong, file.raised) == (2, 1)
    assert [row.line for row in file_results.wrong_rows(file.id)] == [2, 4]
    assert read(wrong_file(file)).wrong == 2


def test_the_reason_does_not_make_another_kind_of_file_of_it(app):
    make_item("A", 1)
    options = {"words": {"viel": 50}, "pack": 1}
    presets.remember("stock", ["Art", "Menge"], {"sku": "Art", "quantity": "Menge"}, options, name="ACME", actor="test")
    file = read(b"Art;Menge\nA;kaum\n")
    assert (file.state, file.wrong) == ("refused", 1)
    assert read(wrong_file(file).replace(b"kaum", b"viel")).raised == 1


def test_the_columns_of_a_file_of_which_no_row_can_be_used_can_be_changed(app):
    make_item("A", 1)
    first, second = read(b"sku,quantity\nA,10+\n"), read(b"sku,quantity\nA,20+\n")
    assert (first.state, second.state) == ("refused", "refused")
    assert [files.can_be_read_again(each.id) for each in (first, second)] == [False, True]
    with pytest.raises(Conflict):
        files.assign(first.id, {"sku": "sku", "quantity": "quantity"}, {}, "test")
    files.assign(second.id, {"sku": "sku", "quantity": "quantity"}, {}, "test")
    files.work(second.id)
    file = apply(files.get_file(second.id))
    assert (file.state, file.wrong, file.problems, on_hand()) == ("applied", 0, [], {"A": 20})


def test_a_command_leaves_wrong_rows_out_only_where_that_is_wanted(app):
    make_item("A", 1)
    make_item("B", 5)
    content = b"sku,quantity\nA,4\nB,\n"
    with pytest.raises(InvalidInput, match="Nothing was changed. Line 3: B: no quantity"):
        file_imports.import_now(content, "x.csv", "test")
    done = file_imports.import_now(content, "x.csv", "test", skip_wrong=True)
    assert (done.changed, done.left_out, on_hand()) == (1, 1, {"A": 4, "B": 5})
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        file_imports.import_now(b"sku,quantity\nB,\n", "x.csv", "test", skip_wrong=True)


def test_wrong_rows_are_kept_for_a_week_and_as_long_as_there_is_room(app, clock, monkeypatch):
    monkeypatch.setattr(wrong_rows, "MOST", 2)
    make_item("A", 1)
    file = apply(read(b"sku,quantity\nA,4\nB,\nC,\nD,\n"))
    count = select(func.count()).select_from(StockFileWrongRow)
    assert (file.wrong, db.session.scalar(count)) == (3, 2)
    file_results.forget_old(lambda: False)
    assert db.session.scalar(count) == 2
    db.session.rollback()
    clock.go(days=8)
    file_results.forget_old(lambda: False)
    assert db.session.scalar(count) == 0
    files.drop(read(b"sku,quantity\nA,5\nB,\n").id)
    assert db.session.scalar(count) == 0


def test_a_row_of_a_fed_item_is_left_out_and_the_others_are_applied(app):
    make_item("A", 1)
    item_id = make_item("F", 5).id
    with writing() as session:
        session.get_one(StockItem, item_id).fed = True
    file = apply(read(b"sku,quantity\nA,3\nF,9\n"))
    assert (file.wrong, file.causes, on_hand()) == (1, [["The item is fed by suppliers", 1]], {"A": 3, "F": 5})
    assert b'"F","9","Line 3: F is fed by suppliers' in wrong_file(file)
