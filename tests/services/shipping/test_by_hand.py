"""Tracking numbers that X-Cart 5.5 has no way to take: said wherever an order is shipped or listed, and ticked off by a person."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from extensions import db, writing
from models import Integration, Order, Shop
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services.orders import list_facts, queries, views
from services.orders.views import Wanted
from services.shipping import by_hand, outlook, shipments
from tests.support.rows import change_flows, of_integration_and_flows
from tests.support.shops import connect, do

pytestmark = pytest.mark.one_database


@pytest.fixture
def sold(app):
    """A connected shop of the api generation with three orders of a cup; (shop, integration id, ids here)."""
    store = Store()
    cup = store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    for _ in range(3):
        store.place_order(lines=[(cup, 1)])
    with PracticeShop(store=store, generation="api") as shop:
        integration_id = connect(shop)
        do(integration_id, "stock")
        shop.clear_requests()
        yield shop, integration_id, list(db.session.scalars(select(Order.id).order_by(Order.id)))
        db.session.rollback()


def _descriptions(shop) -> int:
    return sum("/docs." in request["path"] for request in shop.requests)


def _listed() -> list[int]:
    return [row.id for row in views.list_page(Wanted(state="by_hand")).rows]


def test_the_run_and_the_list_say_it_until_a_person_has_entered_the_number(sold):
    shop, integration_id, ids = sold
    shipments.ship(ids[0], "test", tracking_number="T-1")
    shipments.ship(ids[1], "test")
    run = do(integration_id, "shipments")
    assert any("takes no tracking numbers" in warning and "T-1" not in warning for warning in run.warnings)
    assert (_listed(), list_facts.counts()["by_hand"]) == ([ids[0]], 1)
    rows = [row for batch in queries.iter_orders(state="by_hand") for row in batch]
    assert [row["enter_by_hand"] for row in rows] == [True]
    page = views.order_page(ids[0], with_customers=True)
    assert page.by_hand == ["T-1"]
    sent = next(event for event in page.timeline if event.title == "Sent to the shop: shipped")
    assert "Tracking: T-1." not in sent.text and "enter T-1 in the shop by hand" in sent.text
    db.session.rollback()
    assert views.order_page(ids[0], with_customers=False).by_hand == [""]
    db.session.rollback()
    assert (by_hand.mark_entered(ids, "user:ann"), by_hand.mark_entered(ids, "user:ann")) == (1, 0)
    assert (_listed(), list_facts.counts()["by_hand"]) == ([], 0)


def test_a_number_that_the_shop_shows_by_now_needs_nobody(sold):
    shop, integration_id, ids = sold
    shipments.ship(ids[0], "test", tracking_number="T-1")
    do(integration_id, "shipments")
    order = shop.store.order(int(db.session.get_one(Order, ids[0]).external_id))
    db.session.rollback()
    shop.store.add_tracking(order, "T-1")
    shop.store.set_status(order.id, shipping="D")
    do(integration_id, "orders")
    assert _listed() == []


def test_the_shop_is_asked_for_its_description_once_a_day(sold):
    shop, integration_id, ids = sold
    for place, order_id in enumerate(ids):
        shipments.ship(order_id, "test", tracking_number=f"T-{place}")
        do(integration_id, "shipments")
    assert 0 < _descriptions(shop) <= 2
    shop.clear_requests()
    with writing() as session:
        session.execute(update(Shop).values(learned_at=utcnow() - by_hand.LEARNED_FOR))
    there = shop.store.place_order(lines=[(1, 1)])
    do(integration_id, "orders")
    order_id = db.session.scalar(select(Order.id).where(Order.external_id == str(there)))
    shipments.ship(order_id, "test", tracking_number="T-9")
    do(integration_id, "shipments")
    assert 0 < _descriptions(shop) <= 2
    assert set(_listed()) == {*ids, order_id}


def test_a_later_shop_that_takes_numbers_lists_nothing(sold):
    shop, integration_id, ids = sold
    shop.store.newer_api = True
    shipments.ship(ids[0], "test", tracking_number="T-1")
    do(integration_id, "shipments")
    assert (_listed(), shop.store.tracking(1)) == ([], ["T-1"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "It is saved; the next run updates the shop."),
        ({"enabled": False}, "cannot be updated until the integration is enabled"),
        ({"shipments_on": False}, "until write-back is switched on"),
        ({"health": "needs_reauthorising"}, "rejects its API key"),
        ({"writes_refused": True}, "may only read"),
        ({"processed_status": ""}, "until a status for such orders is chosen"),
        ({"paused_at": utcnow()}, "the integration is paused"),
        ({"failing": "connection"}, "until the shop answers again"),
    ],
)
def test_what_is_said_after_shipping_is_what_will_happen(sold, change, words):
    shop, integration_id, ids = sold
    if change:
        with writing() as session:
            columns, of_flows = of_integration_and_flows(change)
            for integration in session.scalars(select(Integration)):
                change_flows(integration, of_flows)
                for name, value in columns.items():
                    setattr(integration, name, value)
    said = outlook.of_order(ids[0], "shipped")
    assert words in said
    db.session.rollback()
    assert "when the whole order has been shipped" in outlook.of_order(ids[0], "")


def test_shipping_says_that_the_number_has_to_be_entered_by_hand(sold):
    shop, integration_id, ids = sold
    assert "not known yet whether this shop takes tracking numbers" in outlook.of_order(ids[0], "shipped", "T-1")
    shipments.ship(ids[0], "test", tracking_number="T-1")
    do(integration_id, "shipments")
    said = outlook.of_order(ids[1], "shipped", "T-2")
    assert "This shop takes no tracking numbers: enter the number in the shop by hand" in said
