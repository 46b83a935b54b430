"""Files with headings that nobody knows: a person assigns their columns once."""

from __future__ import annotations

import io
import json

import openpyxl
import pytest
from sqlalchemy import select

from extensions import db, writing
from models import FilePreset, ShipmentFile, StockFile, StockItem
from services.presets import presets
from services.shipping import assignment
from services.stock import file_columns, file_imports, file_results, files
from tests.support.rows import make_integration, make_item, make_order

STOCK = b"Art. Nr;Beschreibung;Lager\n00012;Tasse;Auf Lager\nCUP;Teller;1.234\nPLATE;x;10+\n"
CHOSEN = {"column-sku": "Art. Nr", "column-quantity": "Lager", "words": "auf lager = 5", "decimal": ",", "pack": "1"}
PARCELS = b"Auftrag,Paketnr.,Kunde\n1001,T-1,Ann\n"


def send(client, url: str, content: bytes, name: str = "list.csv"):
    return client.post(url, data={"file": (io.BytesIO(content), name)}, content_type="multipart/form-data")


def on_hand() -> dict[str, int]:
    db.session.rollback()
    return {item.sku: item.on_hand for item in db.session.scalars(select(StockItem))}


@pytest.mark.one_database
def test_columns_of_a_stock_file_are_assigned_once(app, client):
    for sku in ("00012", "CUP", "PLATE"):
        make_item(sku, 1)
    page = client.get(send(client, "/stock/files", STOCK).location)
    # What fits is suggested, and shown on the first rows.
    assert '<option value="Art. Nr" selected>' in page.text and '<option value="Lager" selected>' in page.text
    assert "It is not clear how many these are." in page.text
    here = page.request.path
    sample = client.post(here, data=CHOSEN, headers={"HX-Request": "true", "HX-Target": "sample"}).text
    assert "1.234 → 1234" in sample and "Auf Lager → 5" in sample and "10+ → 10" in sample and "<html" not in sample
    assert "10+ → 10" in client.post(here, data={**CHOSEN, "act": "show"}).text  # without JavaScript
    wrong = client.post(here, data={**CHOSEN, "column-quantity": "", "words": "odd", "act": "save"})
    assert wrong.status_code == 422 and "not a word with its quantity" in wrong.text and ">odd</textarea>" in wrong.text
    assert client.post(here, data={**CHOSEN, "column-quantity": "Art. Nr", "act": "save"}).status_code == 422
    assert db.session.scalar(select(FilePreset)) is None
    file_id = int(here.split("/")[3])
    client.post(here, data={**CHOSEN, "act": "save"})
    files.work(file_id)
    client.post(f"/stock/files/{file_id}/accept")
    files.work(file_id)
    assert on_hand() == {"00012": 5, "CUP": 1234, "PLATE": 10}
    # The next file with these headings, in another order, is read without a question, also by a command.
    assert file_imports.import_now(b"Lager;Art. Nr;Beschreibung\nAuf Lager;CUP;x\n", "next.csv", "test").changed == 1
    assert on_hand()["CUP"] == 5
    # A blank is never 0.
    file = db.session.get(StockFile, files.upload(b"Art. Nr;Beschreibung;Lager\nCUP;x;\n", "x.csv", "test"))
    files.work(file.id)
    assert files.get_file(file.id).problems == ["Line 2: CUP: no quantity"]


@pytest.mark.one_database
def test_columns_of_a_file_that_was_read_can_be_changed(app, client):
    make_item("CUP", 1)
    file_id = files.upload(b"sku,quantity,free stock\nCUP,5,3\n", "x.csv", "test")
    files.work(file_id)
    here = f"/stock/files/{file_id}/columns"
    assert f'href="{here}"' in client.get(f"/stock/files/{file_id}").text
    client.post(here, data={"column-sku": "sku", "column-quantity": "free stock", "pack": "2", "act": "save"})
    files.work(file_id)
    assert [row.quantity for row in file_results.preview_rows(file_id, "changes")] == [6]
    assert client.post(f"/stock/files/{file_id}/drop").status_code == 303
    assert client.get(here).status_code == 409


@pytest.mark.one_database
def test_columns_of_a_file_of_tracking_numbers_are_assigned_once(app, client):
    make_order(make_integration("Shop"), "1001", [(make_item("CUP", 5), 1)])
    page = client.get(send(client, "/orders/tracking-numbers", PARCELS).location)
    assert "Which column holds what?" in page.text
    chosen = {"column-number": "Auftrag", "column-tracking": "Paketnr.", "carrier": "dhl germany"}
    assert "T-1" in client.post(page.request.path, data={**chosen, "act": "show"}).text
    assert client.post(page.request.path, data={"column-number": "Auftrag", "act": "save"}).status_code == 422
    assert client.post(page.request.path.removesuffix("/columns")).status_code == 409
    assert client.get(page.request.path.removesuffix("/columns")).location == page.request.path
    shown = client.get(client.post(page.request.path, data={**chosen, "act": "save"}).location).text
    assert "1 order can be shipped" in shown and "DHL Paket" in shown
    again = client.get(send(client, "/orders/tracking-numbers", PARCELS).location).text
    assert "1 order can be shipped" in again and "Read as a file of list.csv" in again
    db.session.rollback()
    file = db.session.scalars(select(ShipmentFile).order_by(ShipmentFile.id.desc())).first()
    client.post(f"/orders/tracking-numbers/{file.id}")
    assert client.get(f"/orders/tracking-numbers/{file.id}/columns").status_code == 409


@pytest.mark.one_database
def test_a_preset_is_renamed_exported_removed_and_imported(app, client):
    columns = {"sku": "Art. Nr", "quantity": "Lager"}
    presets.remember("stock", ["Art. Nr", "Lager"], columns, {"words": {"ja": 3}}, name="ACME", actor="test")
    (preset_id,) = db.session.scalars(select(FilePreset.id)).all()
    client.post(f"/settings/file-presets/{preset_id}", data={"name": "ACME list"})
    assert client.post(f"/settings/file-presets/{preset_id}", data={"name": " "}).status_code == 422
    saved = client.get(f"/settings/file-presets/{preset_id}/export.json")
    assert 'filename="ACME-list.json"' in saved.headers["Content-Disposition"]
    assert send(client, "/settings/file-presets", saved.data, "a.json").status_code == 409
    client.post(f"/settings/file-presets/{preset_id}/remove")
    assert "There are no presets" in client.get("/settings/file-presets").text
    assert send(client, "/settings/file-presets", saved.data, "a.json").status_code == 303
    page = client.get("/settings/file-presets").text
    assert 'value="ACME list"' in page and "SKU: Art. Nr, Quantity: Lager" in page
    assert file_columns.known(lambda: files.csv_files.opened(lambda: [b"Lager,Art. Nr\n1,2\n"])[0])["options"]["words"] == {
        "ja": 3
    }


@pytest.mark.one_database
def test_what_is_no_preset_is_refused(app, client):
    kept = {
        "format": presets.FORMAT,
        "kind": "stock",
        "name": "x",
        "headings": ["a", "b"],
        "columns": {"sku": "a", "quantity": "b"},
        "options": {},
    }
    wrong = [
        b"", b"[]", b"\xff", b"[" * 20_000, {**kept, "kind": "other"}, {**kept, "headings": "ab"}, {**kept, "columns": {"sku": "a"}},
        {**kept, "columns": {"sku": "a", "quantity": "z"}}, {**kept, "options": {"pack": -1}}, {**kept, "options": []}, {**kept, "name": 5},
        {**kept, "columns": {"sku": ["a"], "quantity": "b"}},
    ]  # fmt: skip
    for each in wrong:
        answer = send(client, "/settings/file-presets", each if isinstance(each, bytes) else json.dumps(each).encode(), "a.json")
        assert answer.status_code == 422, each
    assert assignment.suggest(["Ref", "Barcode", "Order no"]) == {"number": "Order no", "tracking": "Barcode"}


@pytest.mark.one_database
def test_the_preview_says_what_goes_up_and_down_and_offers_the_rows_with_problems(app, client):
    for sku in ("CUP", "PLATE", "BOWL"):
        make_item(sku, 5)
    rows = b"sku;quantity\nCUP;0\nPLATE;4\nBOWL;9\nNEW;1\nCUP-2;\nCUP-3;10+\n"
    file_id = int(send(client, "/stock/files", rows).location.rsplit("/", 1)[1])
    files.work(file_id)
    page = client.get(f"/stock/files/{file_id}").text
    for words in (
        "Set to 0",
        "Lower than now",
        "Higher than now",
        "Unknown SKUs",
        "2 rows cannot be used.",
        "1 × No quantity",
        "are left out.",
    ):
        assert words in page
    offered = client.get(f"/stock/files/{file_id}/rows-with-problems")
    assert 'filename="rows-with-problems.csv"' in offered.headers["Content-Disposition"]
    assert offered.text.splitlines()[1] == '"CUP-2";"";"Line 6: CUP-2: no quantity"'
    assert client.get(f"/stock/files/{file_id}/zeroed.csv").text.splitlines()[1] == '"2","CUP","5","0"'
    client.post(f"/stock/files/{file_id}/accept")
    files.work(file_id)
    assert "2 rows were left out." in client.get(f"/stock/files/{file_id}").text and on_hand() == {
        "CUP": 0,
        "PLATE": 4,
        "BOWL": 9,
    }
    with writing() as session:
        # As files were read before the kinds of changes were kept apart.
        old = StockFile(name="old.csv", actor="x", state="checked", total=1, done=1, changed=1)
        session.add(old)
        session.flush()
        old_id = old.id
    assert "would change" in client.get(f"/stock/files/{old_id}").text


@pytest.mark.one_database
def test_a_first_line_that_looks_like_data_is_pointed_out(app, client):
    make_item("CUP", 5)
    page = client.get(send(client, "/stock/files", b"CUP,5\nPLATE,7\n").location).text
    assert "taken for column names, and is not imported" in page and "It has 5, which looks like data" in page
    named = client.get(send(client, "/stock/files", b"Item;Count\nCUP;5\n").location).text
    assert "looks like data" not in named


@pytest.mark.one_database
def test_a_workbook_with_a_cover_names_its_other_sheets(app, client):
    book = openpyxl.Workbook()
    book.active.append(["Our stock list"])
    book.create_sheet("Data").append(["sku", "quantity"])
    file = io.BytesIO()
    book.save(file)
    answer = send(client, "/stock/files", file.getvalue(), "list.xlsx")
    assert answer.status_code == 422
    assert "The first sheet was read." in answer.text
    assert "Enter the name of the sheet that holds the rows, if it is another one: Data." in answer.text


@pytest.mark.one_database
def test_an_order_without_a_tracking_number_is_pointed_out_before_it_is_shipped(app, client):
    shop, cup = make_integration("Shop"), make_item("CUP", 5)
    for number in ("1001", "1002"):
        make_order(shop, number, [(cup, 1)])
    page = client.get(
        send(client, "/orders/tracking-numbers", b"number,carrier,tracking\n1001,UPS,T1\n1002,UPS,\n").location
    ).text
    assert "Order 1002 (line 3) has no tracking number. It is shipped without one." in page


CYRILLIC = "Артикул;Описание;Остаток\nЧАШКА;Кружка большая;7\n"


@pytest.mark.one_database
@pytest.mark.parametrize("url", ["/stock/files", "/orders/tracking-numbers"])
def test_a_cyrillic_file_shows_its_letters_and_says_how_they_were_read(app, client, url):
    page = client.get(send(client, url, CYRILLIC.encode("windows-1251")).location).text
    assert (
        "Артикул" in page
        and "were read as Cyrillic (Windows-1251). If they look wrong, upload it again and choose others under ‘Letters’." in page
    )
    form = {"file": (io.BytesIO("Артикул;Остаток\nЧАШКА;7\n".encode("koi8-r")), "list.csv"), "letters": "koi8-r"}
    page = client.get(client.post(url, data=form, content_type="multipart/form-data").location).text
    assert "Остаток" in page and "Cyrillic (KOI8-R)" in page
    form = {"file": (io.BytesIO(b"sku;n\n\xd2\xff\xaa;1\n"), "list.csv"), "letters": "windows-1253"}
    refused = client.post(url, data=form, content_type="multipart/form-data")
    assert refused.status_code == 422 and "The letters of the file are not Greek" in refused.text
    assert '<option value="windows-1253" selected>' in refused.text


@pytest.mark.one_database
def test_letters_that_were_read_wrongly_match_no_stock_item_and_change_nothing(app, client):
    make_item("ЧАШКА", 1)
    content = "sku;quantity\nЧАШКА;7\n".encode("windows-1251")
    for letters, result in (("windows-1252", 1), ("", 7)):
        form = {"file": (io.BytesIO(content), "list.csv"), "letters": letters}
        file_id = int(client.post("/stock/files", data=form, content_type="multipart/form-data").location.rsplit("/", 1)[1])
        files.work(file_id)
        client.post(f"/stock/files/{file_id}/accept")
        files.work(file_id)
        assert on_hand() == {"ЧАШКА": result}
