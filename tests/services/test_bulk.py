"""Rows that go to the database many at once are the same as rows that go one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import select

from extensions import writing
from models import Order, Shop, StockItem
from models.types import among
from services.bulk import BulkInsert

PLACED = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)


def test_values_come_back_as_they_went_in_and_what_is_left_out_has_its_default(app, db):
    insert_orders = BulkInsert(Order.__table__)
    with writing() as session:
        session.add(Shop(id=1, kind="xcart", address="shop.example"))
        session.flush()
        insert_orders(
            [
                {"shop_id": 1, "external_id": name, "placed_at": PLACED, "changed_at": PLACED, "total": Decimal(total),
                 "billing_address": address, "held_codes": ["sums"]}
                for name, total, address in (("1", "12.34", {"name": "Zoë"}), ("2", "0.0001", None))
            ]
        )  # fmt: skip
    first, second = db.session.scalars(select(Order).order_by(Order.external_id)).all()
    assert (first.placed_at, first.total, first.billing_address) == (PLACED, Decimal("12.34"), {"name": "Zoë"})
    assert (second.total, second.billing_address, second.held_codes) == (Decimal("0.0001"), None, ["sums"])
    assert (first.state, first.problems, first.raw, first.reread_due, first.erased_at) == ("ready", [], b"", False, None)
    assert abs((first.first_seen_at - datetime.now(UTC)).total_seconds()) < 60


def test_one_insert_serves_rows_with_other_columns(app, db):
    insert_items = BulkInsert(StockItem.__table__)
    with writing():
        insert_items([{"sku": "CUP", "on_hand": 3}])
        insert_items([{"sku": "PLATE", "name": "Plate"}, {"sku": "BOWL", "name": "Bowl"}])
    found = {item.sku: (item.name, item.on_hand) for item in db.session.scalars(select(StockItem))}
    assert found == {"CUP": ("", 3), "PLATE": ("Plate", 0), "BOWL": ("Bowl", 0)}


def test_one_statement_finds_any_number_of_texts(app, db):
    with writing():
        BulkInsert(StockItem.__table__)([{"sku": sku} for sku in ("a", "b'", 'c"', "d,e", "é")])
    query = select(StockItem.sku).where(among(StockItem.sku, "skus")).order_by(StockItem.id)
    for skus in ([], ["b'"], ["a", 'c"', "d,e", "é", "not there"]):
        assert list(db.session.scalars(query, {"skus": skus})) == [sku for sku in skus if sku != "not there"]
