"""Orders that the shop's own people finish: shipped before we first see them, or edited until nothing is left to ship."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from extensions import db, writing
from models import Drift, Order, Shipment, UnreadableOrder
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services.shipping import shipments
from services.stock import items
from tests.support.shops import connect, do, products

pytestmark = pytest.mark.one_database


@pytest.fixture(params=["addon", "api"])
def shop(request):
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    store.add_product(sku="PLATE", name="Plate", price=5, amount=8)
    with PracticeShop(store=store, generation=request.param) as shop:
        yield shop


def shelf(sku: str = "CUP") -> tuple[int, int]:
    db.session.rollback()
    item = items.find_stock_item(sku)
    return item.on_hand, item.reserved


def sent_or_listed(shop, order_id: int) -> list[str]:
    """Tracking numbers the shop has, and those listed for a person to enter there: X-Cart 5.5 takes none."""
    db.session.rollback()
    listed = db.session.scalars(select(Shipment.tracking_number).where(Shipment.by_hand)).all()
    return [*(each.value for each in shop.store.order(order_id).trackings), *listed]


def place_shipped(shop, units: int = 3, sku: str = "CUP", **order) -> int:
    order_id = shop.store.place_order([(products(shop)[sku], units)], **order)
    shop.store.set_status(order_id, shipping="S")
    return order_id


def test_an_order_first_seen_shipped_has_left_our_shelf(app, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    place_shipped(shop)
    do(integration_id, "orders")
    assert shelf() == (17, 0)
    do(integration_id, "stock")
    assert shop.store.amount(products(shop)["CUP"]) == 17
    assert db.session.scalar(select(Drift)) is None


def test_other_shops_offer_what_is_left_of_it(app, shop):
    first = connect(shop)
    do(first, "stock")
    store = Store()
    cup = store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    with PracticeShop(store=store) as other:
        second = connect(other, "Other")
        do(second, "stock")
        place_shipped(shop)
        do(first, "orders")
        do(second, "stock")
        assert other.store.amount(getattr(cup, "id", cup)) == 17


def test_orders_of_before_the_first_reading_do_not_touch_stock(app, shop):
    place_shipped(shop)
    integration_id = connect(shop)
    do(integration_id, "stock")
    do(integration_id, "orders")
    assert shelf() == (17, 0)
    assert shop.store.amount(products(shop)["CUP"]) == 17


def test_the_history_of_a_second_shop_does_not_touch_stock_that_is_counted_already(app, shop):
    first = connect(shop)
    do(first, "stock")
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    with PracticeShop(store=store) as other:
        place_shipped(other)
        do(connect(other, "Other"), "orders")
        assert shelf() == (20, 0)


def test_stock_counted_by_hand_after_the_order_was_known_of_does_not_count_it_again(app, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    order_id = place_shipped(shop)
    do(integration_id, "orders")
    items.set_stock("CUP", 12, "test")
    shop.store.edit_order(order_id, lines=[(products(shop)["CUP"], 3), (products(shop)["PLATE"], 1)])
    do(integration_id, "orders")
    assert shelf() == (12, 0)


def test_more_than_lies_here_takes_what_lies_here(app, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 2, "test")
    place_shipped(shop, units=5)
    do(integration_id, "orders")
    assert shelf() == (0, 0)


def test_what_is_reserved_for_other_orders_stays_reserved(app, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    shop.store.place_order([(products(shop)["CUP"], 18)])
    do(integration_id, "orders")
    place_shipped(shop, units=2)
    do(integration_id, "orders")
    assert shelf() == (18, 18)


def test_an_order_that_could_be_read_only_after_it_was_shipped_has_left_our_shelf(app, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    order_id = place_shipped(shop)
    shop.store.break_order(order_id, "currency")
    do(integration_id, "orders")
    shop.store.repair_order(order_id)
    with writing() as session:
        session.execute(update(UnreadableOrder).values(next_at=utcnow()))
    do(integration_id, "orders")
    assert shelf() == (17, 0)


def test_returned_goods_that_the_shop_put_back_do_not_leave(app, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    order_id = place_shipped(shop)
    shop.store.cancel_order(order_id)
    do(integration_id, "orders")
    do(integration_id, "stock")
    assert shop.store.amount(products(shop)["CUP"]) == shelf()[0]


def test_an_edit_that_leaves_nothing_to_ship_marks_the_order_as_shipped_there(app, shop):
    integration_id = connect(shop)
    ids = products(shop)
    there = shop.store.place_order([(ids["CUP"], 3), (ids["PLATE"], 1)])
    do(integration_id, "stock")
    order = db.session.scalar(select(Order))
    shipments.ship(order.id, "test", carrier="Courier", tracking_number="T-1", quantities={order.lines[0].id: 1})
    do(integration_id, "shipments")
    assert shop.store.status("shipping", shop.store.order(there).shipping_id).code == "N"
    shop.store.edit_order(there, lines=[(ids["CUP"], 1)])
    do(integration_id, "orders")
    do(integration_id, "shipments")
    assert shop.store.status("shipping", shop.store.order(there).shipping_id).code == "S"
    assert sent_or_listed(shop, there) == ["T-1"]
    do(integration_id, "orders")
    do(integration_id, "shipments")
    assert sent_or_listed(shop, there) == ["T-1"]


def test_a_tracking_number_kept_for_the_whole_order_is_sent_where_the_shop_marks_it_itself(app, shop):
    integration_id = connect(shop)
    ids = products(shop)
    there = shop.store.place_order([(ids["CUP"], 3)])
    do(integration_id, "stock")
    order = db.session.scalar(select(Order))
    shipments.ship(order.id, "test", carrier="Courier", tracking_number="T-1", quantities={order.lines[0].id: 1})
    shop.store.edit_order(there, lines=[(ids["CUP"], 1)])
    shop.store.set_status(there, shipping="S")
    shop.clear_requests()
    do(integration_id, "orders")
    do(integration_id, "shipments")
    assert shop.store.status("shipping", shop.store.order(there).shipping_id).code == "S"
    assert sent_or_listed(shop, there) == ["T-1"]
