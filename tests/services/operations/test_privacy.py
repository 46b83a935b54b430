"""Customers' data: erased after its time or on request, money and stock left as they are, and nothing brings it back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from errors import Conflict, InvalidInput, NotFound
from extensions import db, writing
from models import Integration, Order, OrderChange, OrderLine, Shipment, ShipmentFile, StockEntry, StockItem, WriteBack
from practice_shop import PracticeShop, Store
from practice_shop.records import Address
from services.common import installation
from services.integrations import lifecycle
from services.onboarding.import_preview import stored_orders
from services.operations import privacy
from services.orders import evaluation
from services.shipping import files, shipments
from services.stock import items
from tests.support.shops import connect, do

ADDRESS = Address("Xaveria", "Plantedson", "12 Plantedstreet", "Plantedville", "98123", "US", "OK", "555-Planted", "Oklahoma")
EMAIL = "xaveria@plantedmail.example"
NOTE = "Ring twice at Plantednote"
WORDS = (b"Xaveria", b"Planted", b"xaveria", b"planted")
SHIPPED, OPEN = "1", "2"
OLD = datetime.now(UTC) - timedelta(days=40)


@pytest.fixture
def shop():
    """A shop that sold two cups 40 days ago, shipped, and one yesterday, not shipped."""
    store = Store()
    cup = store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    for at, quantity, shipping in ((OLD, 2, "S"), (datetime.now(UTC) - timedelta(days=1), 1, "N")):
        store.place_order([(cup, quantity)], at=at, shipping=shipping, email=EMAIL, notes=NOTE, address=ADDRESS)
    with PracticeShop(store=store) as shop:
        yield shop


@pytest.fixture
def connected(app, shop) -> int:
    integration_id = connect(shop, since=OLD - timedelta(days=1))
    for kind in ("listings", "orders"):
        assert do(integration_id, kind).outcome == "done"
    return integration_id


def order(number: str) -> Order:
    db.session.rollback()
    return db.session.scalars(select(Order).where(Order.number == number)).one()


def books() -> tuple:
    """All that erasing must leave alone: money, lines and stock."""
    db.session.rollback()
    money = (
        "number",
        "currency",
        "total",
        "items",
        "shipping",
        "items_tax",
        "shipping_tax",
        "discount",
        "other",
        "difference",
        "state",
    )
    return (
        [tuple(getattr(row, name) for name in money) for row in db.session.scalars(select(Order).order_by(Order.id))],
        [(row.sku, row.name, row.quantity, row.price, row.total, row.reserved, row.shipped) for row in db.session.scalars(select(OrderLine).order_by(OrderLine.id))],
        [(row.sku, row.on_hand, row.reserved) for row in db.session.scalars(select(StockItem).order_by(StockItem.id))],
        len(db.session.scalars(select(StockEntry)).all()),
    )  # fmt: skip


def everything_of(order_id: int) -> bytes:
    """All that the tables hold of an order."""
    db.session.rollback()
    found = []
    for table, column in (("order", "id"), ("order_line", "order_id"), ("order_change", "order_id")):
        rows = db.session.execute(text(f'SELECT * FROM "{table}" WHERE {column} = :id'), {"id": order_id})
        found += [bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode() for row in rows for value in row]
    return b"\n".join(found)


def test_nothing_is_erased_by_itself_until_somebody_says_so(connected):
    assert privacy.erased_after() is None
    assert not privacy.is_due()
    assert privacy.erase_due() == 0
    assert order(SHIPPED).email == EMAIL


def test_shipped_orders_lose_their_customer_after_their_time_and_keep_money_and_stock(connected):
    before = books()
    privacy.set_erased_after(30, "user:ann")
    assert privacy.is_due()
    assert privacy.erase_due() == 1
    erased = order(SHIPPED)
    assert erased.erased_at is not None
    assert not any(word in everything_of(erased.id) for word in WORDS)
    assert books() == before
    assert order(OPEN).email == EMAIL
    assert order(OPEN).shipping_address["street"].startswith("12 Planted")
    assert not privacy.is_due()
    assert privacy.erase_due() == 0


def test_what_was_shipped_the_other_day_keeps_it_however_old_the_order_is(connected):
    with writing() as session:
        session.execute(text("UPDATE \"order\" SET changed_at = placed_at, state = 'ready' WHERE number = '1'"))
        session.execute(text("UPDATE order_line SET shipped = 0 WHERE order_id = 1"))
    shipments.ship(order(SHIPPED).id, "user:ann", carrier="Courier", tracking_number="Planted-1")
    privacy.set_erased_after(30, "user:ann")
    assert order(SHIPPED).state == "shipped"
    assert privacy.erase_due() == 0
    with writing() as session:
        session.execute(update(Shipment).values(shipped_at=OLD))
    assert privacy.erase_due() == 1
    db.session.rollback()
    assert db.session.scalars(select(Shipment.tracking_number)).all() == [""]
    assert db.session.scalars(select(WriteBack.tracking_numbers)).all() == [[]]


def test_files_of_shipments_lose_its_tracking_numbers(connected):
    shipped = order(SHIPPED).id
    for number in (SHIPPED, OPEN):
        files.read_file(f"number,carrier,tracking\n{number},Courier,Planted{number}\n".encode(), "a.csv", "user:ann")
    privacy.erase_order(shipped)
    db.session.rollback()
    assert [file.rows[0]["tracking"] for file in db.session.scalars(select(ShipmentFile).order_by(ShipmentFile.id))] == [
        "",
        "Planted2",
    ]


def test_a_late_write_back_does_not_bring_the_tracking_number_back(connected, shop):
    with writing() as session:
        session.execute(update(Integration).values(processed_status="S"))
    assert items.add_stock_item("CUP", 10, "user:ann").released == 1
    shipments.ship(order(OPEN).id, "user:ann", carrier="Courier", tracking_number="Planted-2")
    shop.store.add_tracking(shop.store.order(2), "Planted-there")
    privacy.erase_order(order(OPEN).id)
    assert do(connected, "shipments").counts == {"sent": 1}
    assert order(OPEN).tracking_numbers == []


def test_younger_ones_keep_it(connected):
    privacy.set_erased_after(60, "user:ann")
    assert privacy.erase_due() == 0
    assert order(SHIPPED).email == EMAIL


@pytest.mark.one_database
def test_on_sqlite_not_even_the_file_remembers(connected):
    path = Path(db.engine.url.database)
    assert any(word in path.read_bytes() + Path(f"{path}-wal").read_bytes() for word in WORDS)
    with writing() as session:
        session.execute(
            text("UPDATE \"order\" SET state = 'shipped', changed_at = :then, placed_at = :then"),
            {"then": "2026-01-01 00:00:00.000000"},
        )
    privacy.set_erased_after(1, "user:ann")
    assert privacy.erase_due() == 2
    assert not any(word in path.read_bytes() for word in WORDS)
    assert not any(word in Path(f"{path}-wal").read_bytes() for word in WORDS)


def test_the_shop_does_not_bring_it_back(connected, shop):
    privacy.set_erased_after(30, "user:ann")
    privacy.erase_due()
    shop.store.set_status(1, payment="R")
    assert do(connected, "orders").counts["changed"] == 1
    again = order(SHIPPED)
    assert again.payment_status == "R"
    assert not any(word in everything_of(again.id) for word in WORDS)
    changes = [change.fields for change in db.session.scalars(select(OrderChange).where(OrderChange.order_id == again.id))]
    assert [set(fields) for fields in changes] == [{"payment_status"}]


def test_changes_noted_before_lose_their_personal_part(connected, shop):
    with shop.store.lock:
        bought = shop.store.orders[1]
        bought.notes = "Plantednote changed"
        shop.store.touch_order(bought)
    shop.store.set_status(1, payment="R")
    do(connected, "orders")
    shipped = order(SHIPPED)
    before = db.session.scalars(select(OrderChange).where(OrderChange.order_id == shipped.id)).one().fields
    assert {"customer_notes", "payment_status"} <= set(before)
    privacy.erase_order(shipped.id)
    db.session.rollback()
    after = db.session.scalars(select(OrderChange).where(OrderChange.order_id == shipped.id)).one().fields
    assert "customer_notes" not in after
    assert after["payment_status"] == before["payment_status"]


def test_evaluating_again_and_the_import_preview_pass_it_over(connected):
    privacy.erase_order(order(SHIPPED).id)
    before = books()
    assert evaluation.evaluate_again(connected, "test").orders == 1
    assert books() == before
    assert len(stored_orders(db.session.get_one(Integration, connected))) == 1


def test_on_request_one_order_is_given_out_whole(connected):
    found = privacy.find_orders(" 1 ")
    assert [order.id for order in privacy.find_orders("\ufeff#1")] == [order.id for order in found]
    assert [row.number for row in found] == ["1"]
    given = json.loads(json.dumps(privacy.export_order(found[0].id)))
    assert given["email"] == EMAIL
    assert given["customer_notes"] == NOTE
    assert given["lines"][0]["sku"] == "CUP"
    assert "Plantedstreet" in json.dumps(given["payload"])
    privacy.erase_order(found[0].id)
    given = privacy.export_order(found[0].id)
    assert given["payload"] is None
    assert given["erased_at"] is not None
    assert "lanted" not in json.dumps(given)


def test_an_order_that_has_still_to_be_shipped_keeps_its_address(connected):
    ready = order(OPEN)
    with pytest.raises(Conflict, match="has still to be shipped"):
        privacy.erase_order(ready.id)
    assert order(OPEN).email == EMAIL


def test_orders_of_a_removed_integration_are_found_and_erased_too(connected):
    lifecycle.remove_integration(connected, "user:ann")
    (found,) = privacy.find_orders("1")
    privacy.erase_order(found.id)
    assert not any(word in everything_of(found.id) for word in WORDS)


def test_what_cannot_be_is_refused(connected):
    for days in (0, -1, 3651):
        with pytest.raises(InvalidInput):
            privacy.set_erased_after(days, "user:ann")
    with pytest.raises(NotFound):
        privacy.erase_order(999)
    assert privacy.find_orders("") == []
    assert installation.read_setting(privacy.DAYS) is None
