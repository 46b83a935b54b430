"""A database of an earlier version with everything in it that can be half done: it migrates, keeps working with nothing lost, and
migrates back."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import flask_migrate
import pytest
from sqlalchemy import Connection, LargeBinary, MetaData, Table, func, insert, select, text
from sqlalchemy.types import JSON, Boolean, DateTime, Integer, Numeric

from extensions import db
from models import Allocation, Order, OrderLine, ShipmentFile, StockFile, StockItem, WriteBack
from services.shipping import files as shipment_files
from services.shipping import shipments
from services.stock import files
from tests.support.rows import PLACED

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ITEMS = 40
KIT = {1: 2, 2: 1}
"""A kit takes two of the first stock item and one of the second."""
STATES = ("ready", "on_hold", "part_shipped", "awaiting_payment", "shipped", "cancelled")


class Old:
    """Rows for the tables of an earlier schema, without our models."""

    def __init__(self, connection: Connection):
        self.connection = connection
        meta = MetaData()
        meta.reflect(connection)
        self.tables: dict[str, Table] = meta.tables
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def add(self, table: str, /, **values: Any) -> None:
        """A row; columns that the schema does not have are left out, and those that need a value get an empty one."""
        columns = self.tables[table].columns
        row = {each.name: _empty(each.type) for each in columns if not each.nullable and each.server_default is None}
        if values.get("id") is None and "id" in row:
            row["id"] = len(self.rows.get(table, ())) + 1
        self.rows.setdefault(table, []).append(row | {key: value for key, value in values.items() if key in columns})

    def write(self) -> None:
        for name in (each.name for each in self.tables["order"].metadata.sorted_tables):
            of_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
            for row in self.rows.get(name, ()):
                of_columns.setdefault(tuple(row), []).append(row)
            for rows in of_columns.values():
                self.connection.execute(insert(self.tables[name]), rows)
        if self.connection.dialect.name == "postgresql":
            for name in self.rows:
                self.connection.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('\"{name}\"', 'id'), (SELECT max(id) FROM \"{name}\"))")
                )


def _empty(kind: Any) -> Any:
    for types, value in ((Boolean, False), (DateTime, NOW), (JSON, []), (LargeBinary, b""), ((Integer, Numeric), 0)):
        if isinstance(kind, types):
            return value
    return ""


def fill(connection: Connection, orders: int) -> None:
    """One shop with orders of every state, ordinary lines, kits and unknown SKUs, and work that is half done."""
    old = Old(connection)
    old.add("shop", kind="xcart", address="shop.example", orders_from=PLACED, orders_read_to=NOW)
    old.add(
        "integration", shop_id=1, kind="xcart", name="Shop", name_key="shop", endpoint="https://shop.example", enabled=True,
        stock_on=True, orders_on=True, shipments_on=True, with_back_orders=True, work_statuses=[["P", "*"]], generation="addon",
        orders_due_at=NOW, stock_due_at=NOW, listings_due_at=NOW, shipments_due_at=NOW, orders_since=PLACED, push_gate="open",
        orders_every=300, stock_every=300, listings_every=3600, brake_percent=30, brake_least=20, evaluate_due_at=None,
    )  # fmt: skip
    reserved: Counter[int] = Counter()
    line_id = 0
    for number in range(1, orders + 1):
        state = STATES[number % len(STATES)]
        over = state in ("shipped", "cancelled")
        old.add(
            "order", id=number, shop_id=1, external_id=str(number), number=str(number), placed_at=PLACED + timedelta(minutes=number),
            changed_at=NOW, state=state, currency="USD", decimals=2, payment_status="C" if state == "cancelled" else "P",
            shipping_status="S" if state == "shipped" else "N", shipping_address={"city": "Graz"}, raw=b"{}", seen_at=NOW,
            held_codes=["unknown_sku"] if state == "on_hold" else [], held_reason="SKU ? is not ours." if state == "on_hold" else "",
        )  # fmt: skip
        item = 3 + number % (ITEMS - 3)
        held = 0 if over else 2
        shipped = 3 if state == "shipped" else 1 if state == "part_shipped" else 0
        old.add("order_line", id=(line_id := line_id + 1), order_id=number, position=0, sku=f"SKU-{item}", sku_key=f"sku-{item}",
                quantity=3, stock_item_id=item, reserved=held, shipped=shipped)  # fmt: skip
        reserved[item] += held
        entries = [(item, held)]
        if number % 3 == 0:
            whole = 0 if over else 1
            old.add("order_line", id=(line_id := line_id + 1), order_id=number, position=1, sku="KIT", sku_key="kit", quantity=1,
                    reserved=whole, shipped=1 if state == "shipped" else 0)  # fmt: skip
            for part, units in KIT.items():
                old.add("line_part", order_line_id=line_id, stock_item_id=part, units=units, reserved=whole * units)
                reserved[part] += whole * units
                entries.append((part, whole * units))
        if state == "on_hold":
            old.add(
                "order_line", id=(line_id := line_id + 1), order_id=number, position=2, sku="GHOST", sku_key="ghost", quantity=1
            )
        for its, units in entries:
            old.add("stock_entry", stock_item_id=its, at=NOW, actor="x", cause="sale", reserved_change=units, order_id=number)
        if state in ("shipped", "part_shipped"):
            old.add("shipment", order_id=number, carrier="UPS", tracking_number=f"1Z{number}", shipped_at=NOW, actor="x")
            old.add("shipment_line", shipment_id=len(old.rows["shipment"]), order_line_id=line_id, sku="SKU", quantity=1)
            old.add("write_back", order_id=number, shop_id=1, event=state, state=("waiting", "sending", "failed", "done")[number // 6 % 4],
                    tracking_numbers=[f"1Z{number}"], due_at=NOW, created_at=NOW, actor="x")  # fmt: skip
    for item in range(1, ITEMS + 1):
        on_hand = reserved[item] + 5
        old.add(
            "stock_item",
            id=item,
            sku=f"SKU-{item}",
            sku_key=f"sku-{item}",
            on_hand=on_hand,
            reserved=reserved[item],
            updated_at=NOW,
        )
        old.add("stock_entry", stock_item_id=item, at=NOW, actor="x", cause="start", on_hand_change=on_hand)
        old.add("listing", id=item, shop_id=1, external_id=f"product:{item}", kind="product", product_id=str(item), sku=f"SKU-{item}",
                sku_key=f"sku-{item}", quantity=5, expected=5, counted=True, own_stock=True, enabled=True)  # fmt: skip
        old.add("link", listing_id=item, stock_item_id=item, units=1, made_by="sku")
    for part, units in KIT.items():
        old.add("link", listing_id=ITEMS + 1, stock_item_id=part, units=units, made_by="hand")
    old.add("listing", id=ITEMS + 1, shop_id=1, external_id="product:99", kind="product", product_id="99", sku="KIT", sku_key="kit",
            quantity=5, expected=5, counted=True, own_stock=True, enabled=True)  # fmt: skip
    old.add("stock_file", name="half.csv", actor="x", created_at=NOW, state="uploaded", size=30)
    old.add("stock_file_part", file_id=1, position=0, content=b"sku,quantity\nSKU-30,")
    old.add("stock_file_part", file_id=1, position=1, content=b"5000\nSKU-31,4000\n")
    old.add("stock_file", name="staged.csv", actor="x", created_at=NOW, state="checked", total=1, done=1, changed=1)
    old.add("stock_file_row", file_id=2, line=2, sku="SKU-32", sku_key="sku-32", quantity=6000, stock_item_id=32, before=5)
    rows = [
        {
            "line": 2 + n,
            "number": str(number),
            "carrier": "DHL",
            "tracking": f"JJ{number}",
            "shop": "",
            "order_id": number,
            "problem": "",
        }
        for n, number in enumerate((6, 12))
    ]
    old.add("shipment_file", actor="user:x", created_at=NOW, name="tracking.csv", rows=rows, wanted_at=NOW, done=1, refused=[])
    old.write()


def move(revision: str) -> None:
    db.session.remove()
    db.engine.dispose()
    head = revision == "head"
    (flask_migrate.upgrade if head else flask_migrate.downgrade)(revision=revision)
    db.engine.dispose()


def contents() -> dict[str, list[str]]:
    """Every row of every table, as text and without the ids of rows that migrations move from one table to another."""
    with db.engine.connect() as connection:
        meta = MetaData()
        meta.reflect(connection)
        return {
            name: sorted(
                repr([(column, value) for column, value in sorted(row.items()) if (name, column) != ("line_part", "id")])
                for row in connection.execute(select(table)).mappings()
            )
            for name, table in meta.tables.items()
            if name != "alembic_version"
        }


def old_sums() -> dict[str, Any]:
    """What must not be lost, read from the earlier schema."""
    with db.engine.connect() as connection:
        held: Counter[int] = Counter()
        for query in (
            "SELECT stock_item_id, sum(reserved) FROM order_line WHERE stock_item_id IS NOT NULL GROUP BY stock_item_id",
            "SELECT stock_item_id, sum(reserved) FROM line_part GROUP BY stock_item_id",
        ):
            for item, units in connection.execute(text(query)):
                held[item] += int(units)
        return {"held": {item: units for item, units in held.items() if units}, **_both(connection)}


def new_sums() -> dict[str, Any]:
    with db.engine.connect() as connection:
        query = select(Allocation.stock_item_id, func.sum(Allocation.reserved)).group_by(Allocation.stock_item_id)
        held = {item: int(units) for item, units in connection.execute(query) if units}
        return {"held": held, **_both(connection)}


def _both(connection: Connection) -> dict[str, Any]:
    def rows(query: str) -> list[tuple[Any, ...]]:
        return sorted(
            tuple(int(value) if not isinstance(value, str) else value for value in row) for row in connection.execute(text(query))
        )

    return {
        "levels": rows("SELECT id, on_hand, reserved FROM stock_item"),
        "ledger": rows("SELECT stock_item_id, sum(on_hand_change), sum(reserved_change) FROM stock_entry GROUP BY stock_item_id"),
        "orders": rows('SELECT state, count(*) FROM "order" GROUP BY state'),
        "pieces": rows("SELECT sku, sum(quantity), sum(shipped) FROM order_line GROUP BY sku"),
        "write-backs": rows("SELECT state, count(*) FROM write_back GROUP BY state"),
    }


def books_balance() -> None:
    sums = new_sums()
    assert sums["levels"] == sums["ledger"]
    assert sums["held"] == {item: reserved for item, _, reserved in sums["levels"] if reserved}


SIZES = [pytest.param(120, id="120"), pytest.param(10_000, id="10000", marks=pytest.mark.deep)]


@pytest.mark.both_databases
@pytest.mark.parametrize("version", ["0351", "0305"])
@pytest.mark.parametrize("orders", SIZES)
@pytest.mark.sampled(1)
def test_a_database_of_an_earlier_version_keeps_working_with_nothing_lost_and_goes_back(app, orders, version):
    move(version)
    with db.engine.begin() as connection:
        fill(connection, orders)
    before, sums = contents(), old_sums()
    move("head")
    assert new_sums() == sums
    assert {len(line.allocations) for line in db.session.scalars(select(OrderLine).where(OrderLine.sku == "KIT"))} == {2}
    assert (
        db.session.scalar(
            select(func.count()).select_from(OrderLine).where(~OrderLine.allocations.any(), OrderLine.sku != "GHOST")
        )
        == 0
    )
    db.session.remove()

    move(version)
    after = contents()
    assert {name: set(rows) ^ set(before[name]) for name, rows in after.items() if rows != before[name]} == {}
    move("head")

    work_goes_on()
    books_balance()
    sums = new_sums()
    db.session.remove()
    move(version)
    assert old_sums() == sums


def work_goes_on() -> None:
    """The half-imported files are finished, orders are shipped, cancelled and evaluated, and write-backs are due."""
    for file_id in sorted(files.due_files()):
        files.work(file_id)
    assert db.session.get(StockFile, 1, populate_existing=True).state == "checked"
    for file_id in (1, 2):
        files.accept(file_id, False)
        files.work(file_id)
        assert db.session.get(StockFile, file_id, populate_existing=True).state == "applied"
    assert db.session.scalar(select(StockItem.on_hand).where(StockItem.sku == "SKU-30")) == 5000
    db.session.rollback()
    for file_id in shipment_files.due_files():
        shipment_files.work(file_id)
    assert db.session.get(ShipmentFile, 1, populate_existing=True).done == 2
    due = db.session.scalar(select(func.count()).select_from(WriteBack).where(WriteBack.state == "waiting"))
    with_kit = db.session.scalar(
        select(Order.id).join(OrderLine).where(Order.state == "ready", OrderLine.sku == "KIT").order_by(Order.id.desc())
    )
    held = db.session.scalar(select(OrderLine.order_id).join(Order).where(Order.state == "on_hold").limit(1))
    db.session.rollback()
    shipments.ship(with_kit, "user:x", carrier="UPS", tracking_number="1ZNEW")
    assert db.session.scalar(select(func.count()).select_from(WriteBack).where(WriteBack.state == "waiting")) == due + 1
    shipments.cancel_order(held, "user:x")
