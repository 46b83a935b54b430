"""What the bench of large tables writes past the application is what the application would have written."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, text

from bench.large.fill import FIRST_ID, SHOPS, Filler, Size
from extensions import writing
from models import Order, SalesOfDay, SalesOfSku, StockEntry, SyncRun
from models.types import utcnow
from services.orders import daily_sales, search
from tests.support import books
from tests.support.rows import make_integration, make_item, make_listing, make_order

ORDERS = 200


@pytest.fixture
def filled(db: Any) -> None:
    shop, item = make_integration(), make_item("CUP")
    make_listing(shop, "CUP", 5, item=item)
    make_order(shop, "1", [(item, 2), ("PLATE", 1)])
    with writing() as session:
        session.add(SyncRun(integration_id=shop.id, kind="orders", state="finished", outcome="done", actor="bench"))
        session.add(
            StockEntry(stock_item_id=item.id, at=utcnow(), actor="bench", cause="sale", on_hand_change=0, reserved_change=1)
        )
    with writing():
        daily_sales.add(daily_sales.difference((), daily_sales.stored()))
        search.rewrite([1])
    db.session.remove()
    with db.engine.connect() as connection:
        Filler(connection, Size(ORDERS)).fill()
        connection.commit()


def triggers(db: Any) -> int:
    catalogue = (
        "sqlite_master WHERE type = 'trigger'" if db.engine.dialect.name == "sqlite" else "pg_trigger WHERE NOT tgisinternal"
    )
    return int(db.session.scalar(text(f"SELECT count(*) FROM {catalogue}")))


@pytest.mark.both_databases
def test_sales_and_search_are_those_of_the_orders(request: pytest.FixtureRequest, db: Any) -> None:
    before = triggers(db)
    request.getfixturevalue("filled")
    assert triggers(db) == before
    assert db.session.scalar(select(func.count(Order.id))) == ORDERS
    assert db.session.scalar(select(func.count(Order.shop_id.distinct()))) == SHOPS
    right = daily_sales.difference((), daily_sales.stored())
    assert {(row.shop_id, row.day, row.currency): row.orders for row in db.session.scalars(select(SalesOfDay))} == {
        key: sums.orders for key, sums in right.days.items()
    }
    assert {(row.shop_id, row.day, row.sku_key, row.currency): (row.orders, row.pieces, row.total) for row in db.session.scalars(select(SalesOfSku))} == {
        key: (sums.orders, sums.pieces, sums.total) for key, sums in right.skus.items()
    }  # fmt: skip
    assert list(books.kept_of_listings()) == []
    for order in search._stored([1, FIRST_ID, FIRST_ID + 42]):
        assert searched(db, order.order_id) == sorted({*order.public, *order.personal})


def searched(db: Any, order_id: int) -> list[str]:
    """The words an order is found by."""
    if db.engine.dialect.name == "sqlite":
        found = db.session.scalar(text("SELECT public || ' ' || personal FROM order_search WHERE rowid = :id"), {"id": order_id})
        return sorted(set(found.split()))
    return sorted(
        db.session.scalar(text("SELECT tsvector_to_array(words) FROM order_search WHERE order_id = :id"), {"id": order_id})
    )
