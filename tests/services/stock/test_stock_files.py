"""Stock from large files: staged by a worker, shown, applied at once; a wrong file changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from errors import Conflict, InvalidInput
from extensions import db, writing
from models import Order, StockEntry, StockFile, StockFilePart, StockFileRow, StockItem
from models.types import utcnow
from services.common.claims import MOST_LOST
from services.stock import file_results, file_stage, files
from services.stock import items as stock_items
from tests.support.shops import connect, do, products


def items(count: int, on_hand: int = 1) -> None:
    now = utcnow()
    with writing() as session:
        rows = [
            {"sku": f"S-{n:06}", "name": "", "on_hand": on_hand, "reserved": 0, "buffer": 0, "updated_at": now}
            for n in range(count)
        ]
        session.execute(insert(StockItem.__table__), rows)


def read(content: bytes | str) -> StockFile:
    file_id = files.upload(content.encode() if isinstance(content, str) else content, "stock.csv", "test")
    files.work(file_id)
    return files.get_file(file_id)


def on_hand(db, sku: str) -> int:
    db.session.rollback()
    return db.session.scalar(select(StockItem.on_hand).where(StockItem.sku == sku))


def test_a_file_is_shown_first_and_applied_when_wanted(app, db):
    items(3)
    file = read("sku,quantity\nS-000000,5\nS-000001,1\nNEW,9\n")
    assert (file.state, file.changed, file.unchanged, file.unknown) == ("checked", 1, 1, 1)
    assert on_hand(db, "S-000000") == 1
    assert [tuple(row) for row in file_results.preview_rows(file.id, "changes")] == [(2, "S-000000", 1, 5)]
    assert [row.sku for row in file_results.preview_rows(file.id, "unknown")] == ["NEW"]
    files.accept(file.id, add_unknown=True)
    with pytest.raises(Conflict):
        files.accept(file.id, add_unknown=True)
    files.work(file.id)
    files.work(file.id)
    assert files.get_file(file.id).state == "applied"
    assert [on_hand(db, sku) for sku in ("S-000000", "S-000001", "NEW")] == [5, 1, 9]
    assert db.session.scalar(select(func.count()).select_from(StockEntry)) == 2
    rows = select(StockFileRow.sku, StockFileRow.before, file_results.RESULT).order_by(StockFileRow.line)
    assert [tuple(row) for row in db.session.execute(rows)] == [
        ("S-000000", 1, "changed"),
        ("S-000001", 1, "unchanged"),
        ("NEW", None, "added"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "is an image or another binary file, and no CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "an Excel workbook of the old kind"),
        (b"%PDF-1.7\nsku,quantity\n", "a PDF document"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<table><tr><td>sku,quantity,x", "a web page"),
        (b"<?xml version='1.0'?><Workbook/>", "an XML document"),
        (b"Artikel;Bestand\nA;1\n", "no columns named sku and quantity"),
        (b"PK\x03\x04rest of a workbook", "workbook cannot be read"),
        (b"", "empty"),
        (b"sku\nS-000000\n", "no column named quantity"),
        (b"a,b\n1,2\n", "no columns named sku and quantity"),
        (b"sku,sku,quantity\n1,2,3\n", "the column sku twice"),
        (b"\0\1\2\3 sku,quantity\n", "not a text file"),
    ],
)
def test_what_is_no_such_file_is_refused_at_once(app, db, content, said):
    with pytest.raises(InvalidInput, match=said):
        files.upload(content, "x.csv", "test")
    assert files.list_files() == []


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffSKU;Qty\r\nS-000000;5\r\n".encode(),
        "sku\tquantity\nS-000000\t5\n".encode("utf-16"),
        b'sep=;\n"sku";"quantity";"name"\n"S-000000";"5";"K\xe4se"\n',
        b"\n\nSku , On Hand\nS-000000 , 5\n\n",
    ],
    ids=["mark and semicolons", "utf-16 and tabs", "windows and quotes", "blank lines and headings"],
)
def test_whatever_a_spreadsheet_saves_is_read(app, db, content):
    items(1)
    file = read(content)
    assert (file.state, file.changed) == ("checked", 1), file.problems


def test_a_file_of_ten_thousand_bad_rows_changes_nothing_and_names_them(app, db):
    items(2)
    text = "sku,quantity\n" + "".join(f"S-{n},{'=1+1' if n % 2 else '-3'}\n" for n in range(10_000))
    file = read(text)
    assert (file.state, file.wrong, len(file.problems)) == ("refused", 10_000, 1000)
    assert file.problems[0] == "Line 2: S-0: '-3' is not a whole number from 0 to 2,147,483,647"
    assert on_hand(db, "S-000000") == 1
    assert db.session.scalar(select(func.count()).select_from(StockFileRow)) == 0
    with pytest.raises(Conflict):
        files.accept(file.id, add_unknown=False)


def test_a_sku_that_stands_twice_is_named_with_both_lines(app, db):
    items(1)
    file = read("sku,quantity\nS-000000,1\nS-000000,2\n")
    assert file.problems == ["Line 2: S-000000 is in another line too", "Line 3: S-000000 is in line 2 already"]
    assert (file.state, file.wrong, file.causes) == ("refused", 2, [["The SKU stands in several lines", 2]])


def test_orders_that_lack_stock_get_it_and_reservations_stay_true(app, db, shop):
    ids = products(shop)
    integration_id = connect(shop)
    do(integration_id, "stock")
    shop.store.place_order(lines=[(ids["CUP"], 5), (ids["PLATE"], 4)])
    do(integration_id, "orders")
    file = read("sku,quantity\nCUP,2\nPLATE,40\n")
    files.accept(file.id, add_unknown=False)
    files.work(file.id)
    cup, plate = stock_items.find_stock_item("CUP"), stock_items.find_stock_item("PLATE")
    assert (cup.on_hand, cup.reserved, plate.on_hand, plate.reserved) == (2, 2, 40, 4)
    assert "3 of 5 not in stock" in db.session.scalar(select(Order)).note


def test_a_file_whose_worker_died_is_read_again_by_the_next(app, db):
    items(2)
    file_id = files.upload(b"sku,quantity\nS-000000,5\nS-000001,6\n", "x.csv", "test")
    with writing() as session:
        file = session.get_one(StockFile, file_id)
        file.token, file.lease_until = "dead", utcnow() + timedelta(seconds=60)
        session.add(StockFileRow(file_id=file_id, line=2, sku="S-000000", quantity=5))
    files.work(file_id)
    assert files.get_file(file_id).state == "uploaded" and files.due_files() == []
    with writing() as session:
        session.get_one(StockFile, file_id).lease_until = utcnow() - timedelta(seconds=1)
    assert files.due_files() == [file_id]
    files.work(file_id)
    assert (files.get_file(file_id).state, files.get_file(file_id).changed) == ("checked", 2)


def test_a_file_that_is_refused_in_the_middle_leaves_nothing_behind(app):
    rows = "".join(f"S-{number},1\n" for number in range(file_stage.CHUNK + 10))
    file_id = files.upload(f'sku,quantity\n{rows}"broken,1\n'.encode(), "x.csv", "user:ann")
    files.work(file_id)
    file = files.get_file(file_id)
    assert file.state == "refused" and "a quote that does not end" in file.problems[0]
    assert [db.session.scalar(select(func.count()).select_from(table)) for table in (StockFileRow, StockFilePart)] == [0, 0]


def test_one_person_has_so_many_open_files_and_no_more(app, monkeypatch):
    monkeypatch.setattr(files, "MOST_OPEN", 2)
    first, _ = (files.upload(b"sku,quantity\nS,1\n", "x.csv", "user:ann") for _ in range(2))
    with pytest.raises(InvalidInput, match="2 files of yours wait already"):
        files.upload(b"sku,quantity\nS,1\n", "x.csv", "user:ann")
    files.upload(b"sku,quantity\nS,1\n", "x.csv", "user:bob")
    files.work(first)
    files.drop(first)
    files.upload(b"sku,quantity\nS,1\n", "x.csv", "user:ann")


def test_a_file_of_json_lines_is_read_as_it_was_typed(app, db):
    items(2)
    good = b'{"sku": "S-000000", "quantity": 7}\n\n{"quantity": 3, "sku": "1E5"}\n{"sku": "Mar-01", "quantity": 1}'
    file = read(good.decode())
    assert (file.state, file.changed, file.unknown) == ("checked", 1, 2)
    assert [row.sku for row in file_results.preview_rows(file.id, "unknown")] == ["1E5", "Mar-01"]
    bad = (
        '{"sku": "A", "quantity": 1.5}', '{"sku": "A"}', '{"sku": "A", "quantity": 1, "sku": "B"}', '{"sku": 7, "quantity": 1}', "{", "[1, 2]",
        '{"sku": "A", "quantity": true}', '{"sku": "A", "quantity": -1}', '{"sku": "", "quantity": 1}', '{"sku": "S-000000", "quantity": 1}',
        '{"sku": "s-000000", "quantity": 2}', '{"sku": "A", "quantity": 1e400}', "NaN",
    )  # fmt: skip
    file = read("\n".join(('{"sku": "S-000001", "quantity": 1}', *bad)))
    assert (file.state, file.wrong, file.total) == ("checked", len(bad), 1), file.problems
    assert file.problems[0] == "Line 2: it needs sku as text and quantity as a whole number, each once, and nothing else"
    assert "Line 6: it is not valid JSON" in file.problems and "Line 12: s-000000 is in line 11 already" in file.problems


def test_rows_of_applied_files_are_kept_for_a_week(app, db, clock):
    items(1)
    file = read("sku,quantity\nS-000000,5\n")
    files.accept(file.id, add_unknown=False)
    files.work(file.id)
    clock.go(days=6)
    assert file_results.forget_old(lambda: False) == 0
    clock.go(days=2)
    assert file_results.forget_old(lambda: False) == 1
    assert files.get_file(file.id).state == "applied"


def test_a_file_that_kills_its_worker_again_and_again_is_refused_with_the_reason(app, db, monkeypatch):
    items(1)
    file_id = files.upload(b"sku,quantity\nS-000000,5\n", "stock.csv", "test")

    def die(*given: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(file_stage, "stage", die)
        for _ in range(MOST_LOST):
            with pytest.raises(SystemExit):
                files.work(file_id)
            with writing() as session:
                session.get_one(StockFile, file_id).lease_until = utcnow() - timedelta(seconds=1)
    files.work(file_id)
    file = files.get_file(file_id)
    assert file.state == "refused" and f"begun {MOST_LOST} times" in file.problems[0] and files.due_files() == []


def test_a_mistake_of_ours_refuses_the_file_and_says_so(app, db, monkeypatch):
    items(1)
    file_id = files.upload(b"sku,quantity\nS-000000,5\n", "stock.csv", "test")

    def mistake(*given: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    with monkeypatch.context() as patched:
        patched.setattr(file_stage, "stage", mistake)
        with pytest.raises(ZeroDivisionError):
            files.work(file_id)
    file = files.get_file(file_id)
    assert file.state == "refused" and "inside Cartlink" in file.problems[0] and files.due_files() == []
    assert on_hand(db, "S-000000") == 1
