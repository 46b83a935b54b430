"""Orders: listed as tables and as JSON, filtered, shown, and streamed however many there are."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, insert, select

from extensions import db, writing
from models import Order, OrderLine
from services.orders import queries
from tests.support.rows import PLACED, make_integration, make_order

PARTS = ("items", "shipping", "items_tax", "shipping_tax", "discount", "other", "difference")
KEYS = {
    "integration", "external_id", "number", "placed_at", "currency", "total", "items", "shipping", "items_tax", "shipping_tax",
    "discount", "other", "difference", "payment_status", "shipping_status", "state", "held_reason", "customer", "email",
    "shipping_address", "lines",
}  # fmt: skip


@pytest.mark.both_databases
def test_every_downloaded_order_is_listed_with_money_that_adds_up(connected, practice):
    rows = connected.rows("orders", "list")
    assert len(rows) == len(practice.store.orders) == 50
    placed = [row["placed_at"] for row in rows]
    assert placed == sorted(placed, reverse=True)
    for row in rows:
        there = practice.store.orders[int(row["external_id"])]
        assert row.keys() >= KEYS
        assert row["integration"] == "Practice"
        assert row["placed_at"] == datetime.fromtimestamp(there.date, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert Decimal(row["total"]) == round(Decimal(str(there.total)), 2)
        assert sum(Decimal(row[part]) for part in PARTS) == Decimal(row["total"])
        assert all(row[part][-3] == "." for part in (*PARTS, "total"))
        assert row["discount"] == "0.00" or row["discount"].startswith("-")
        assert [(line["sku"], line["quantity"]) for line in row["lines"]] == [(item.sku, item.amount) for item in there.items]
        assert sum(Decimal(line["total"]) for line in row["lines"]) == Decimal(row["items"])


def test_options_are_names_and_values(commands):
    integration = make_integration()
    order = make_order(integration, "1", [("A", 1)])
    with writing() as session:
        session.query(OrderLine).update({"options": [["Größe", "XL"], ["Gift", "card"], ["Gift", "paper"]]})
    assert commands.rows("orders", "list")[0]["lines"][0]["options"] == {"Größe": "XL", "Gift": "card, paper"}
    assert "Größe: XL" in commands.done("orders", "show", order.number)


def test_a_list_is_filtered_by_integration_state_time_and_number_of_rows(commands):
    one, two = make_integration("One"), make_integration("Two")
    for day, (integration, state) in enumerate([(one, "ready"), (one, "on_hold"), (two, "ready"), (two, "shipped")]):
        make_order(integration, str(day), [], state=state, placed_at=PLACED + timedelta(days=day))

    def numbers(*args: str) -> list[str]:
        return [row["number"] for row in commands.rows("orders", "list", *args)]

    assert numbers() == ["3", "2", "1", "0"]
    assert numbers("one") == ["1", "0"]
    assert numbers("--state", "ready") == ["2", "0"]
    assert numbers("TWO", "--state", "ready") == ["2"]
    assert numbers("--since", "2026-11-03") == ["3", "2"]
    assert numbers("--since", "2026-11-04T13:00+01:00") == ["3"]
    assert numbers("--limit", "1") == ["3"]
    assert numbers("one", "--state", "shipped") == []
    assert commands.done("orders", "list", "one", "--state", "shipped") == "There are no such orders.\n"


def test_a_table_shows_wide_names_in_line(commands):
    integration = make_integration("ショップ")
    make_order(integration, "1", [], customer="田中 美咲", held_reason="a\nb", state="on_hold")
    make_order(integration, "2", [], customer="Ann")
    lines = commands.done("orders", "list").splitlines()
    assert len(lines) == 4
    assert "a b" in "".join(lines)


def test_an_order_is_shown_with_its_lines_money_and_changes(connected, practice):
    row = connected.rows("orders", "list", "--limit", "1")[0]
    order_id = int(row["external_id"])
    practice.store.edit_order(order_id, [(practice.store.orders[order_id].items[0].product_id, 3)])
    connected.done("sync", "orders", "Practice", "--now")
    shown = connected.done("orders", "show", row["number"])
    for words in (row["number"], row["customer"], row["lines"][0]["sku"], "items tax", "changed 2"):
        assert words in shown
    whole = connected.rows("orders", "show", row["external_id"])[0]
    assert whole["lines"][0]["quantity"] == 3
    assert whole["changes"]


def test_currencies_without_decimals_and_with_three(commands):
    integration = make_integration()
    with writing() as session:
        for number, currency, decimals, total in (("1", "JPY", 0, "1234"), ("2", "KWD", 3, "12.345"), ("3", "USD", 2, "-0.00")):
            session.add(Order(shop_id=integration.shop_id, external_id=number, number=number, placed_at=PLACED, changed_at=PLACED,
                              currency=currency, decimals=decimals, total=Decimal(total), items=Decimal(total)))  # fmt: skip
    assert [(row["total"], row["shipping"]) for row in commands.rows("orders", "list")] == [
        ("0.00", "0.00"),
        ("12.345", "0.000"),
        ("1234", "0"),
    ]


def many_orders(shop_id: int, number: int) -> None:
    with writing() as session:
        session.execute(
            insert(Order.__table__),
            [
                {"id": index + 1, "shop_id": shop_id, "external_id": str(index), "number": str(index), "currency": "USD",
                 "placed_at": PLACED + timedelta(seconds=index % 977), "changed_at": PLACED, "raw": b"x" * 2000, "customer": "Jörg"}
                for index in range(number)
            ],
        )  # fmt: skip
        session.execute(
            insert(OrderLine.__table__),
            [
                {"order_id": index + 1, "position": 0, "sku": "A", "quantity": 1, "price": 1, "total": 1}
                for index in range(number)
            ],
        )


@pytest.mark.both_databases
def test_a_long_list_is_complete_and_costs_four_statements_a_batch(app, db):
    many_orders(make_integration().shop_id, 2600)
    statements: list[str] = []

    def count(connection, cursor, statement, *rest):
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", count)
    numbers = [row["number"] for batch in queries.iter_orders() for row in batch if len(row["lines"]) == 1]
    event.remove(db.engine, "before_cursor_execute", count)
    assert len(numbers) == len(set(numbers)) == 2600
    batches = 6  # in each: the orders, their lines, the lines' allocations, the names of the integrations
    assert len([statement for statement in statements if "SELECT" in statement]) <= 1 + 4 * batches
    assert not any('"order".raw' in statement for statement in statements)


def test_a_long_list_does_not_fill_the_memory(app):
    many_orders(make_integration().shop_id, 3000)
    tracemalloc.start()
    try:
        for batch in queries.iter_orders():
            json.dumps(batch)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 12 * 2**20


def test_orders_that_come_in_while_a_list_is_read_change_nothing_in_it(app):
    shop_id = make_integration().shop_id
    many_orders(shop_id, 1200)
    batches = queries.iter_orders()
    seen = [row["number"] for row in next(batches)]
    with writing() as session:
        session.add(
            Order(
                id=5000, shop_id=shop_id, external_id="new", number="new", placed_at=PLACED + timedelta(days=1), changed_at=PLACED
            )
        )
    seen += [row["number"] for batch in batches for row in batch]
    assert len(seen) == len(set(seen)) == 1200


def test_what_was_not_in_stock_is_said_and_can_be_left_for_later(commands, connected, practice):
    row = next(row for row in connected.rows("orders", "list") if row["state"] == "ready" and len(row["lines"]) == 1)
    number, sku = row["number"], row["lines"][0]["sku"]
    with writing() as session:
        order = session.scalar(select(Order).where(Order.number == number))
        order.lines[0].quantity += 2
        pieces = order.lines[0].reserved
    assert "cannot be used together" in connected.refused("orders", "ship", number, "--lines", f"{sku}=1", "--in-stock")
    said = connected.done("orders", "ship", number, "--in-stock")
    assert "part shipped" in said and "Not in stock" not in said
    db.session.rollback()
    assert db.session.scalar(select(Order).where(Order.number == number)).lines[0].shipped == pieces
    assert "Nothing of order" in connected.refused("orders", "ship", number, "--in-stock")
    assert f"Not in stock, but counted as shipped: 2 × {sku}." in connected.done("orders", "ship", number)


def test_an_order_is_shipped_whole_or_in_part_from_the_command_line(commands, connected, practice):
    row = next(row for row in connected.rows("orders", "list") if row["state"] == "ready" and row["lines"][0]["quantity"] == 1)
    number, sku = row["number"], row["lines"][0]["sku"]
    assert "is not a line" in connected.refused("orders", "ship", number, "--lines", "nonsense")
    assert "has no line with the SKU" in connected.refused("orders", "ship", number, "--lines", "NO-SUCH=1")
    said = connected.done("orders", "ship", number, "--lines", f"{sku}=1", "--carrier", "DHL", "--tracking", "T-9")
    assert said.startswith(f"Order {number}: ")
    connected.call("orders", "ship", number, "--carrier", "DHL")
    assert "shipped already" in connected.refused("orders", "ship", number)
    connected.done("sync", "shipments", "Practice", "--now")
    order_id = int(row["external_id"])
    order = practice.store.order(order_id)
    assert practice.store.status("shipping", order.shipping_id).code == "S"
    assert practice.store.tracking(order_id) == ["T-9"]


def test_two_orders_with_one_number_are_distinguished_by_their_ids(commands):
    one, two = make_integration("One"), make_integration("Two")
    for external_id in ("5", "7"):
        make_order(one, "DUP-1", [("A", 1)], external_id=external_id)
    make_order(two, "DUP-1", [("A", 1)], external_id="7")
    said = commands.refused("orders", "show", "DUP-1", "--integration", "One")
    assert "One (id 5), One (id 7)" in said and "id:5" in said and "--integration" not in said
    everywhere = commands.refused("orders", "recheck", "#DUP-1")
    assert "Two (id 7)" in everywhere and "--integration NAME" in everywhere and "id:5" in everywhere
    assert "5" in commands.done("orders", "show", "id:5")
    assert commands.rows("orders", "show", "DUP-1", "--id", "7", "--integration", "One")[0]["external_id"] == "7"
    assert "--integration NAME" in commands.refused("orders", "show", "id:7")
    assert "rechecked" in commands.done("orders", "recheck", "ID: 5")
    assert "no order" in commands.refused("orders", "show", "id:99")
    make_order(one, "00300", [("A", 1)], external_id="30")
    said = commands.refused("orders", "ship", "00300", "--id", "5")
    assert said == "The order with the id 5 has the number DUP-1, not 00300. Correct one of the two."
    assert "There was nothing" in commands.done("orders", "mark-handled", "#dup-1", "--id", "5").replace("there", "There")


def test_a_number_is_found_with_or_without_its_hash(commands):
    integration = make_integration()
    make_order(integration, "00202", [])
    make_order(integration, "#303", [])
    assert commands.rows("orders", "show", "#00202")[0]["number"] == "00202"
    assert commands.rows("orders", "show", " #303 ")[0]["number"] == "#303"
