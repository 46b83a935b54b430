"""Orders that are deleted in the shop, over HTTP and for both generations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from errors import AppError
from extensions import writing
from models import Incident, Integration, Order, RunItem, Shop, WriteBack
from models.types import utcnow
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Rule
from services.integrations import settings
from services.monitoring import incidents
from services.orders import deletions, rereading, views
from services.shipping import shipments, trying_again
from services.stock import items
from tests.support.kept import set_up_once
from tests.support.proxied import proxied
from tests.support.shops import connect, do

__all__ = ["proxied"]

pytestmark = pytest.mark.one_database


@pytest.fixture(params=["addon", "api"])
def shop(request):
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=100)
    with PracticeShop(store=store, generation=request.param) as shop:
        yield shop


def sell(shop, count: int = 1) -> list[int]:
    # Changed long enough ago that a reading by change does not show them each time.
    at = utcnow() - timedelta(hours=3)
    return [shop.store.place_order(lines=[(1, 2)], at=at) for _ in range(count)]


@pytest.fixture
def connected(app, shop, request):
    return set_up_once(request, app, shop, lambda: connect(shop))


def orders(db) -> list[Order]:
    db.session.rollback()
    return list(db.session.scalars(select(Order).order_by(Order.id)))


def time_passes() -> None:
    with writing() as session:
        session.execute(update(Order).values(seen_at=utcnow() - timedelta(days=1)))


def reserved() -> int:
    return items.find_stock_item("CUP").reserved


def test_a_deleted_order_is_marked_and_blocked_and_frees_its_stock_when_marked_as_seen(connected, db, shop):
    gone, kept = sell(shop, 2)
    do(connected, "stock")
    shop.store.delete_order(gone)
    time_passes()
    assert do(connected, "orders").counts["deleted_in_shop"] == 1
    first, second = orders(db)
    assert (first.state, first.held_codes, first.mark, second.state) == ("on_hold", ["gone"], "deleted in the shop", "ready")
    assert reserved() == 4
    with pytest.raises(AppError, match="no longer has"):
        shipments.ship(first.id, "test")
    [row] = views.list_page(views.Wanted(state="gone")).rows
    assert row.mark == "deleted in the shop"
    assert deletions.mark_seen([first.id, second.id], "test") == 1
    assert (orders(db)[0].state, reserved()) == ("cancelled", 2)
    assert deletions.mark_seen([first.id], "test") == 0
    shop.clear_requests()
    do(connected, "orders")
    assert not [
        request for request in shop.requests if f"order/{gone}" in request["target"] or f"orders/{gone}" in request["target"]
    ]


def test_an_order_that_is_there_again_is_work_again(connected, db, shop):
    [gone] = sell(shop)
    do(connected, "stock")
    shipments.ship(orders(db)[0].id, "test", quantities={orders(db)[0].lines[0].id: 1})
    kept = shop.store.orders.pop(gone)
    shop.store.orders_version += 1
    rereading.ask_again([orders(db)[0].id])
    do(connected, "orders")
    assert orders(db)[0].held_codes == ["gone"]
    deletions.mark_seen([orders(db)[0].id], "test")
    assert (orders(db)[0].state, reserved()) == ("cancelled", 0)
    shop.store.orders[gone] = kept
    shop.store.touch_order(kept)
    do(connected, "orders")
    assert (orders(db)[0].state, orders(db)[0].gone_at, reserved()) == ("part_shipped", None, 1)


def test_a_write_back_of_a_deleted_order_waits_for_a_person(connected, db, shop):
    [gone] = sell(shop)
    do(connected, "stock")
    shipments.ship(orders(db)[0].id, "test")
    shop.store.delete_order(gone)
    rereading.ask_again([orders(db)[0].id])
    do(connected, "orders")
    assert db.session.scalar(select(WriteBack.error_code)) == "gone"
    assert do(connected, "shipments").outcome == "done"
    # Another try finds what is known already: it does not wait for another reading, which would find nothing new.
    trying_again.try_again(trying_again.unsent(orders(db)[0].id), "test")
    do(connected, "shipments")
    db.session.rollback()
    row = db.session.scalars(select(WriteBack)).one()
    assert (row.state, row.error_code, row.advice) == (
        "failed",
        "gone",
        "It was deleted there. Mark this as seen on the order.",
    )


def test_an_update_that_a_dead_worker_left_behind_ends_once_the_deletion_was_seen_and_the_run_names_it(connected, db, shop):
    [gone] = sell(shop)
    do(connected, "stock")
    shipments.ship(orders(db)[0].id, "test")
    with writing() as session:
        session.execute(update(WriteBack).values(state="sending", tries=1))
    shop.store.delete_order(gone)
    rereading.ask_again([orders(db)[0].id])
    do(connected, "orders")
    deletions.mark_seen([orders(db)[0].id], "test")
    run = do(connected, "shipments")
    [item] = db.session.scalars(select(RunItem).where(RunItem.run_id == run.id))
    assert (run.outcome, run.counts, item.result) == ("done", {"skipped": 1}, "skipped"), "nothing is left to do"
    assert item.reason.endswith("Nothing more is sent about it.")
    assert db.session.scalar(select(WriteBack.state)) == "replaced"


def test_nobody_is_asked_about_a_write_back_of_an_order_that_the_shop_had_shipped_and_deleted(connected, db, shop):
    [gone] = sell(shop)
    do(connected, "stock")
    shipments.ship(orders(db)[0].id, "test", tracking_number="T-1")
    shop.store.set_status(gone, shipping="S")
    do(connected, "orders")
    shop.store.delete_order(gone)
    rereading.ask_again([orders(db)[0].id])
    do(connected, "orders")
    assert (orders(db)[0].state, db.session.scalar(select(WriteBack.state))) == ("shipped", "replaced")
    assert db.session.scalar(select(WriteBack.note)) == "The shop no longer has this order."


def test_an_outage_or_an_order_the_shop_cannot_print_is_not_a_deletion(connected, db, shop):
    sell(shop, 2)
    do(connected, "stock")
    time_passes()
    shop.mode.set(maintenance=True)
    do(connected, "orders")
    shop.mode.set(maintenance=False)
    assert [order.gone_at for order in orders(db)] == [None, None]


def test_a_shop_that_was_emptied_asks_a_person_first(connected, db, shop):
    sell(shop, 25)
    do(connected, "stock")
    for order_id in list(shop.store.orders):
        shop.store.delete_order(order_id)
    time_passes()
    do(connected, "orders")
    assert not any(order.gone_at for order in orders(db))
    incidents.review()
    db.session.rollback()
    assert db.session.scalar(select(Incident.cause).where(Incident.cause == "orders_deleted")) is not None
    assert deletions.approve_many(connected, "test") == 20
    for _ in range(2):
        do(connected, "orders")
    assert all(order.gone_at for order in orders(db))
    incidents.review()
    db.session.rollback()
    assert db.session.scalar(select(Incident.resolved_at).where(Incident.cause == "orders_deleted")) is not None


def test_what_is_asked_for_is_bounded_and_oldest_first(connected, db, shop):
    # The page of changes shows 25 of them; the others are asked for, a few in each run.
    sell(shop, 25 + deletions.MOST_ASKED + 5)
    do(connected, "stock")
    time_passes()
    asked = []
    for _ in range(3):
        shop.clear_requests()
        do(connected, "orders")
        asked.append(len(shop.requests))
    assert [number - asked[-1] for number in asked] == [deletions.MOST_ASKED, 5, 0]
    assert db.session.scalar(select(Shop.many_gone)) == 0


def test_a_change_of_settings_revives_nothing(connected, db, shop):
    [gone] = sell(shop)
    do(connected, "stock")
    shop.store.delete_order(gone)
    rereading.ask_again([orders(db)[0].id])
    do(connected, "orders")
    settings.change_settings(connected, {"with_discounts": False}, "test")
    rereading.evaluate_orders([orders(db)[0].id], "test")
    assert orders(db)[0].held_codes == ["gone"]


def test_an_order_deleted_a_moment_after_it_came_is_found_by_the_next_run(connected, db, shop):
    shop.store.place_order(lines=[(1, 1)])
    gone = shop.store.place_order(lines=[(1, 2)])
    do(connected, "stock")
    shop.store.delete_order(gone)
    do(connected, "orders")
    assert [order.held_codes for order in orders(db)] == [[], ["gone"]]


def test_a_write_back_that_finds_its_order_deleted_is_sent_when_the_order_is_there_again(connected, db, shop):
    [gone] = sell(shop)
    do(connected, "stock")
    shipments.ship(orders(db)[0].id, "test")
    kept = shop.store.orders.pop(gone)
    shop.store.orders_version += 1
    do(connected, "shipments")
    do(connected, "orders")
    assert (orders(db)[0].held_codes, db.session.scalar(select(WriteBack.error_code))) == (["gone"], "gone")
    shop.store.orders[gone] = kept
    shop.store.touch_order(kept)
    do(connected, "orders")
    do(connected, "shipments")
    assert (orders(db)[0].state, db.session.scalar(select(WriteBack.state))) == ("shipped", "done")


@pytest.mark.parametrize("body", ["{}", '{"status": "ok"}', "[]", '{"id": 999, "orderId": 999, "order_number": null}'])
def test_an_answer_about_something_else_is_no_deletion(connected, db, shop, proxied, body):
    [asked, _] = sell(shop, 2)
    do(connected, "stock")
    proxy = proxied(shop, Rule(method="GET", path=r"orders?(%2F|/)\d", body=body))
    with writing() as session:
        session.execute(update(Integration).values(endpoint=proxy.url))
    shop.store.delete_order(asked)
    time_passes()
    do(connected, "orders")
    rereading.ask_again([orders(db)[0].id])
    do(connected, "orders")
    assert [order.gone_at for order in orders(db)] == [None, None]
