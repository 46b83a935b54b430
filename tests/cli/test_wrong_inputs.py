"""Each wrong input has its own clear sentence on one line, exit code 1, and nothing is stored."""

from __future__ import annotations

import socket

import pytest
from sqlalchemy import func, select

from models import Integration, StockItem
from practice_shop import PracticeShop
from tests.support.rows import make_integration, make_item, make_order


@pytest.fixture
def refused_add(commands, practice, key_file, db):
    """Calls ``integrations add`` with some options changed; answers with the sentence, and nothing may be stored."""

    def call(**changes: str) -> str:
        options = {"name": "My shop", "endpoint": practice.url, "key-file": key_file} | {
            key.replace("_", "-"): value for key, value in changes.items()
        }
        args = [part for name, value in options.items() for part in (f"--{name}", value)]
        before = db.session.scalar(select(func.count()).select_from(Integration))
        sentence = commands.refused("integrations", "add", *args)
        assert db.session.scalar(select(func.count()).select_from(Integration)) == before
        assert practice.key not in sentence
        return sentence

    return call


# The name


def test_a_name_that_is_taken_in_any_case(refused_add, practice):
    make_integration("My SHOP")
    assert refused_add() == "There is an integration called 'My shop' already. Choose another name."
    assert practice.requests == []


@pytest.mark.parametrize("name", ["", "   ", "\u3000"])
def test_an_empty_name(refused_add, name):
    assert refused_add(name=name) == "Enter a name for this integration."


def test_a_name_too_long(refused_add):
    assert refused_add(name="x" * 101) == "The name is too long: 101 characters, at most 100."


def test_a_name_that_cannot_be_shown(refused_add):
    assert refused_add(name="a\x1bb").startswith("The name holds characters that cannot be shown.")


@pytest.mark.parametrize(
    "command",
    ["integrations show", "integrations check", "integrations enable", "integrations disable", "integrations remove",
     "orders list", "listings list", "runs list", "sync orders", "sync stock", "sync listings", "stock preview", "stock approve"],
)  # fmt: skip
def test_a_name_nobody_has(commands, command):
    said = commands.refused(*command.split(), "Nobody's")
    assert said == 'There is no integration called "Nobody\'s". `flask integrations list` shows their names.'


# The address


@pytest.mark.parametrize(
    "endpoint", ["", "ftp://shop.example", "javascript:alert(1)", "http://", "http://shop.example:99999", "https://"]
)
def test_an_address_that_is_none(refused_add, endpoint):
    said = refused_add(endpoint=endpoint)
    assert "address" in said or "https://" in said


def test_a_host_that_is_not_there(refused_add):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        said = refused_add(endpoint=f"http://127.0.0.1:{free.getsockname()[1]}")
    assert "Check the website end point" in said


@pytest.mark.config(allow_private_endpoints=("127.0.0.1:9",))
def test_a_private_address_the_operator_does_not_allow(refused_add):
    assert "allow its private address" in refused_add()


def test_a_site_that_is_no_shop(refused_add, practice):
    practice.mode.set(plain_site=True)
    said = refused_add()
    assert "not as an X-Cart shop" in said
    assert "Check the website end point" in said


def test_a_shop_without_the_addon(refused_add, practice):
    practice.mode.set(addon=False)
    assert "REST API add-on" in refused_add()


def test_a_shop_that_answers_with_a_page(refused_add, practice):
    practice.faults.add("html")
    assert "Check the website end point" in refused_add()


def test_a_shop_under_maintenance(refused_add, practice):
    practice.mode.set(maintenance=True)
    said = refused_add()
    assert "Nothing was stored." in said
    assert "tries again" not in said


def test_a_host_that_blocks_put_is_named_with_what_to_ask_it_for(refused_add, practice):
    practice.faults.add("status", 405, method="PUT")
    said = refused_add()
    assert "blocks PUT" in said and "Ask the shop's host to allow the HTTP method PUT" in said and "Nothing was stored." in said


def test_a_shop_that_has_moved_is_named_with_its_new_address(refused_add, practice):
    with PracticeShop(products=1, orders=0) as other:
        practice.faults.add("redirect", f"{other.url}/admin.php")
        assert other.url in refused_add()
        # The new address was asked whether a shop is there; the key did not go with it.
        assert practice.key not in str(other.requests)


# The key


def test_each_trouble_with_a_shop_has_a_separate_sentence(refused_add, practice, tmp_path):
    """A person who reads one of them knows which it is."""
    sentences = {}
    key = tmp_path / "other.txt"
    key.write_text("not the key at all", encoding="utf-8")
    sentences["wrong key"] = refused_add(key_file=str(key))
    key.write_text(practice.read_key, encoding="utf-8")
    sentences["read-only key"] = refused_add(key_file=str(key))
    practice.mode.set(addon=False)
    sentences["add-on off"] = refused_add()
    practice.mode.set(addon=True, plain_site=True)
    sentences["not a shop"] = refused_add()
    practice.mode.set(plain_site=False)
    practice.faults.add("html")
    sentences["a page"] = refused_add()
    practice.stop()
    sentences["away"] = refused_add()
    assert "read/write" in sentences["wrong key"]
    assert "read-only" in sentences["read-only key"]
    assert sentences["wrong key"] != sentences["read-only key"]
    apart = {name: said for name, said in sentences.items() if name != "a page"}
    assert len(set(apart.values())) == len(apart), sentences


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "contains no API key."),
        (b"\n  \n", "contains no API key."),
        (b"key\nother", "contains more than an API key."),
        (b"\xff\xfe\x00k", "is not UTF-8 text."),
        (b"k" * 5000, "is too large"),
    ],
)
def test_a_key_file_that_holds_no_key(refused_add, practice, tmp_path, content, words):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    said = refused_add(key_file=str(path))
    assert said.startswith(f"The file {path} {words}")
    assert practice.requests == []


def test_a_key_file_that_is_missing_or_a_folder(refused_add, tmp_path):
    assert refused_add(key_file=str(tmp_path / "nowhere")) == f"There is no file {tmp_path / 'nowhere'}."
    assert refused_add(key_file=str(tmp_path)) == f"The file {tmp_path} cannot be read: Is a directory."
    assert "cannot be read" in refused_add(key_file="a\0b")


def test_no_key_on_standard_input(commands, practice):
    args = ("--name", "x", "--endpoint", practice.url, "--key-file", "-")
    assert commands.refused("integrations", "add", *args, input="").startswith("Standard input contains no API key.")


# Dates, numbers and states


@pytest.mark.parametrize("since", ["yesterday", "2026-02-30", "31.12.2025", "2026", "99999-01-01"])
def test_a_date_that_is_none(refused_add, commands, since):
    assert refused_add(since=since) == f"{since!r} is not a date. Write it as 2026-11-30."
    assert commands.refused("orders", "list", "--since", since) == f"{since!r} is not a date. Write it as 2026-11-30."


def test_a_date_in_the_future(refused_add):
    assert refused_add(since="0001-01-01").startswith("The first day is before there were such shops.")
    assert refused_add(since="2999-01-01") == "The start date lies in the future. Choose today or an earlier day."


@pytest.mark.parametrize("since", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
def test_a_date_at_the_end_of_the_calendar(commands, since):
    commands.call("orders", "list", "--since", since)


@pytest.mark.parametrize("quantity", ["-5", "2147483648", "-0000001", "99999999999999999999"])
def test_a_quantity_no_shop_could_store(commands, quantity):
    make_item("A", 3)
    said = commands.refused("stock", "set", "A", quantity)
    assert said == f"{int(quantity)} is not a possible quantity. Use a whole number from 0 to 2,147,483,647."


@pytest.mark.parametrize("quantity", ["many", "1.5", "1e3", "٣", "9" * 5000, "0x10", "1_000"])
def test_a_quantity_that_is_no_number(commands, db, quantity):
    make_item("A", 3)
    assert commands.refused("stock", "set", "A", quantity).endswith("is not a quantity. Use a whole number such as 12.")
    assert db.session.scalar(select(StockItem.on_hand)) == 3


def test_no_quantity_at_all(commands):
    make_item("A", 3)
    assert commands.refused("stock", "set", "A", "") == "Enter a quantity. Use a whole number such as 12."


def test_a_stock_item_nobody_has(commands):
    assert commands.refused("stock", "set", "NOPE", "5").startswith("There is no stock item with the SKU 'NOPE'.")


def test_an_order_nobody_has(commands):
    assert commands.refused("orders", "show", "100").startswith("There is no order with the number '100'.")


def test_an_order_that_two_shops_have(commands):
    for name in ("One", "Two"):
        make_order(make_integration(name), "100", [("A", 1)])
    assert commands.refused("orders", "show", "100") == (
        "There are several orders with the number 100: in One (id 100), Two (id 100). Choose one with --integration NAME."
    )
    assert commands.rows("orders", "show", "100", "--integration", "two")[0]["integration"] == "Two"


def test_a_run_nobody_has(commands):
    for act in ("show", "stop"):
        assert commands.refused("runs", act, "99") == "There is no sync run 99."


@pytest.mark.parametrize("typed", ["abc", "0", "1.5", "9" * 30])
@pytest.mark.parametrize(
    ("command", "what"),
    [
        (("stock", "undo"), "an imported file. `flask --app app stock files` shows the ids."),
        (("runs", "show"), "a sync run. `flask --app app runs list` shows the ids."),
        (("feeds", "approve"), "a run of a feed. `flask --app app feeds runs FEED` shows the ids."),
        (
            ("audit", "list", "--object", "order", "--id"),
            "anything in the audit trail. `flask --app app audit list` shows the ids.",
        ),
        (("orders", "undo-shipment", "100", "--shipment"), "a shipment. Without --shipment the newest is meant."),
    ],
)
def test_what_is_no_id(commands, command, what, typed):
    said = commands.call(*command, typed)
    assert said.exit_code == 2 and f"{typed!r} is not the id of {what}" in said.stderr


def test_nothing_to_approve(commands):
    make_integration("Shop")
    assert commands.refused("stock", "approve", "Shop") == "Nothing waits for approval in Shop."


# Files of stock


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty."),
        (b"name;price\nx;1\n", "The file has no columns named sku and quantity"),
        (b"sku,quantity\n", "Nothing was changed. The file has no rows."),
        (b"sku,quantity\nA,many\n", "Nothing was changed. Line 2: A: 'many' is not a whole number"),
        (b"sku,quantity\nA,-1\n", "Nothing was changed. Line 2: A: '-1' is not a whole number"),
        (b"sku,quantity\nA," + b"9" * 5000 + b"\n", "Line 2: A cell has more than 4000 characters."),
        (b"sku,quantity\nA,1\nA,2\n", "Nothing was changed. Line 2: A is in another line too; Line 3: A is in line 2 already"),
        (b"sku,quantity\n,5\n", "Nothing was changed. Line 2: no SKU"),
        (b"sku,quantity\nA,5\nB,6\n", "The file names SKUs that are not stock items: B."),
        (b"sku,quantity\nA\n", "Nothing was changed. Line 2: A: no quantity"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "That is an image or another binary file, and no CSV file"),
        (b"PK\x03\x04\x14\x00\x06\x00sku,quantity\nA,1", "The workbook cannot be read"),
        ("sku,quantity\nÄ,1\n".encode("cp1252"), "not stock items: Ä."),
        (b'sku,quantity\n"A,1\n' + b"x" * 200_000, "is longer than 100,000 characters"),
    ],
)
def test_a_file_that_cannot_be_imported_changes_nothing(commands, db, tmp_path, content, words):
    make_item("A", 3)
    path = tmp_path / "stock.csv"
    path.write_bytes(content)
    assert words in commands.refused("stock", "import", str(path))
    assert db.session.scalars(select(StockItem.on_hand)).all() == [3]


def test_a_stock_file_that_is_missing(commands, tmp_path):
    assert commands.refused("stock", "import", str(tmp_path / "x.csv")) == f"There is no file {tmp_path / 'x.csv'}."


@pytest.mark.both_databases
def test_bytes_that_are_no_text(commands):
    """A terminal gives bytes that are not UTF-8 as lone surrogates, which no database takes."""
    make_integration("My shop")
    for command in (
        ("orders", "list", "a\udcff"), ("orders", "show", "\udcff"), ("orders", "mark-entered", "id:\udcff"), ("stock", "set", "\udcff", "3"),
        ("stock", "list", "--search", "\udcff"), ("integrations", "check", "\udcff"), ("listings", "approve", "\udcff"),
    ):  # fmt: skip
        assert commands.refused(*command) == "The input contains invalid characters. Type it again.", command
