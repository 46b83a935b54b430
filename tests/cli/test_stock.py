"""Stock: listed, set, imported; what would be pushed is shown, approved and sent."""

from __future__ import annotations

import getpass

import pytest
from sqlalchemy import insert

from extensions import writing
from models import StockItem
from tests.support.rows import make_item


def there(practice, sku: str) -> int:
    product = practice.store.product_by_sku(sku)
    return practice.store.amount(product.id)


@pytest.mark.both_databases
def test_stock_that_is_set_arrives_in_the_shop(connected, practice):
    item = next(row for row in connected.rows("stock", "list") if row["reserved"] and practice.store.product_by_sku(row["sku"]))
    said = connected.done("stock", "set", item["sku"], "500")
    assert said.splitlines()[0] == f"{item['sku']}: 500 on hand, {item['reserved']} reserved, {500 - item['reserved']} available."
    run = connected.rows("runs", "list", "--kind", "stock", "--state", "queued")[0]
    assert said.splitlines()[1] == f"Started: stock (run {run['id']})."
    assert run["actor"] == f"cli:{getpass.getuser()}"
    assert connected.done("sync", "stock", "Practice", "--now").startswith(f"Run {run['id']} (stock): done;")
    assert there(practice, item["sku"]) == 500 - item["reserved"]


def test_setting_what_is_set_already_starts_nothing(connected):
    connected.done("sync", "stock", "Practice", "--now")
    item = connected.rows("stock", "list")[0]
    said = connected.done("stock", "set", item["sku"], str(item["on_hand"]))
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "content",
    ["sku,quantity\nA,5\nB,0\n", "\ufeffSKU; Quantity ;note\r\nA;5;x\r\n\r\nB;0;\r\n", 'quantity,sku\n"5"," A "\n0,B'],
)
def test_a_file_sets_many_at_once(commands, tmp_path, content):
    make_item("A", 5)
    make_item("B", 7)
    path = tmp_path / "stock.csv"
    path.write_bytes(content.encode("utf-8"))
    assert commands.done("stock", "import", str(path)).splitlines()[0] == "1 changed, 1 unchanged."
    assert [(row["sku"], row["on_hand"]) for row in commands.rows("stock", "list")] == [("A", 5), ("B", 0)]


def test_a_file_with_new_skus_makes_them_only_where_asked(commands):
    make_item("A", 5)
    assert commands.done("stock", "import", "-", "--add-unknown", input="sku,quantity\nA,6\nÄ-2,3\n").startswith(
        "2 changed, 0 unchanged, 1 of them new."
    )
    assert [(row["sku"], row["on_hand"]) for row in commands.rows("stock", "list")] == [("A", 6), ("Ä-2", 3)]


def test_the_list_finds_a_part_of_sku_or_name_and_takes_signs_as_they_are(commands):
    for sku in ("AB-1", "ab_2", "C%3"):
        make_item(sku, 1)

    def found(search: str) -> list[str]:
        return [row["sku"] for row in commands.rows("stock", "list", "--search", search)]

    assert found("AB") == ["AB-1", "ab_2"]
    assert found("_") == ["ab_2"]
    assert found("%") == ["C%3"]
    assert commands.done("stock", "list", "--search", "zzz") == "There are no such stock items.\n"


def test_a_list_longer_than_a_page_is_whole(commands):
    with writing() as session:
        session.execute(insert(StockItem), [{"sku": f"S{number:05}", "on_hand": number} for number in range(2345)])
    rows = commands.rows("stock", "list")
    assert [row["on_hand"] for row in rows] == list(range(2345))


def test_a_push_that_would_change_much_waits_until_it_is_approved(connected, practice):
    rows = [row for row in connected.rows("stock", "list") if practice.store.product_by_sku(row["sku"]) and row["available"]]
    text = "sku,quantity\n" + "".join(f"{row['sku']},{row['reserved']}\n" for row in rows)
    connected.done("stock", "import", "-", input=text)
    before = {row["sku"]: there(practice, row["sku"]) for row in rows}
    said = connected.done("sync", "stock", "Practice", "--now")
    assert "waiting" in said
    assert "stock preview" in said
    assert {sku: there(practice, sku) for sku in before} == before

    preview = connected.rows("stock", "preview", "Practice")
    assert {row["sku"] for row in preview} == set(before)
    assert all(row["now"] == before[row["sku"]] and row["would_be"] == 0 and "on hand" in row["why"] for row in preview)
    table = connected.done("stock", "preview", "Practice")
    assert "stock approve" in table
    assert "WOULD BE" in table.splitlines()[0]

    said = connected.done("stock", "approve", "Practice")
    assert said.splitlines()[0] == f"Approved {len(rows)} changes for Practice."
    connected.done("sync", "stock", "Practice", "--now")
    assert {there(practice, sku) for sku in before} == {0}
    assert connected.done("stock", "preview", "Practice") == "Practice: nothing would change.\n"
    assert connected.refused("stock", "approve", "Practice") == "Nothing waits for approval in Practice."


def test_an_imported_file_is_taken_back(commands):
    make_item("A", 5)
    make_item("B", 7)
    commands.done("stock", "import", "-", input="sku,quantity\nA,50\nB,0\n")
    (file,) = commands.rows("stock", "files")
    assert (file["name"], file["state"], file["changed"], file["left_to_undo"]) == ("standard input", "applied", 2, 2)
    number = str(file["id"])
    assert "Nothing was changed." in commands.done("stock", "undo", number, "--preview")
    assert [row["on_hand"] for row in commands.rows("stock", "list")] == [50, 0]
    commands.done("stock", "set", "B", "1")
    assert commands.done("stock", "undo", number).splitlines()[0] == "1 changed, 0 unchanged."
    assert [row["on_hand"] for row in commands.rows("stock", "list")] == [5, 1], "what was set since is left"
    assert "Nothing is left to undo: it was undone." in commands.refused("stock", "undo", number)
    assert commands.rows("stock", "files")[0]["name"] == "Undo of standard input"
    assert commands.refused("stock", "undo", "999") == "There is no such file. It was never uploaded, or it is no longer kept."
