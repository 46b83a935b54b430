"""Order download from a shop over HTTP: every order once, whole, whatever happens on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Integer, cast, func, select

from extensions import writing
from models import Integration, Order, OrderChange, Shop
from practice_shop import PracticeShop
from services.integrations import lifecycle, settings
from services.orders import rereading
from services.runs import lifecycle as runs_lifecycle
from services.stock import items
from services.sync import execution, schedule
from tests.support.shops import connect, do, products


def orders(db) -> list[Order]:
    db.session.rollback()
    return list(db.session.scalars(select(Order).order_by(Order.placed_at, cast(Order.external_id, Integer))))


def test_the_first_download_takes_everything_since_the_start_date(app, db):
    with PracticeShop(products=20, orders=230, days=30, seed=3) as shop:
        integration_id = connect(shop, since=datetime.now(UTC) - timedelta(days=60))
        run = do(integration_id, "orders")
        assert (run.outcome, run.counts["new"], run.error) == ("done", 230, "")
        # Three pages of a hundred, one more to see that it was the last, and one for each tax that arithmetic does not settle.
        assert run.requests == len(shop.requests) <= 4 + run.counts.get("extra_reads", 0)
        assert {order.external_id for order in orders(db)} == {str(order_id) for order_id in shop.store.orders}
        assert all(order.items + order.shipping + order.items_tax + order.shipping_tax + order.discount + order.other
                   == order.total - order.difference for order in orders(db))  # fmt: skip
        assert not [order.number for order in orders(db) if "sums" in order.held_codes]
        assert not any(request["method"] != "GET" for request in shop.requests)


def test_an_idle_tick_is_one_request_and_changes_nothing(app, db, shop):
    ids = products(shop)
    integration_id = connect(shop)
    for _ in range(3):
        shop.store.place_order(lines=[(ids["CUP"], 1)])
    do(integration_id, "orders")
    shop.clear_requests()
    run = do(integration_id, "orders")
    assert (run.outcome, len(shop.requests), run.counts) == ("done", 1, {"unchanged": 3})


def test_orders_before_the_start_date_are_left_out_and_counted(app, db, shop):
    ids = products(shop)
    shop.store.place_order(lines=[(ids["CUP"], 1)], at=datetime.now(UTC) - timedelta(days=40))
    shop.store.place_order(lines=[(ids["CUP"], 2)], at=datetime.now(UTC) - timedelta(days=2))
    integration_id = connect(shop)
    do(integration_id, "orders")
    do(integration_id, "orders")
    assert [order.lines[0].quantity for order in orders(db)] == [2]


def test_what_the_shop_changes_later_is_taken_over_and_noted(app, db, shop):
    ids = products(shop)
    order_id = shop.store.place_order(lines=[(ids["CUP"], 2)], payment="Q")
    integration_id = connect(shop)
    do(integration_id, "stock")
    [order] = orders(db)
    assert (order.state, order.lines[0].reserved) == ("awaiting_payment", 2)
    shop.store.set_status(order_id, payment="P")
    assert do(integration_id, "orders").counts["changed"] == 1
    [order] = orders(db)
    assert order.state == "ready"
    shop.store.edit_order(order_id, lines=[(ids["CUP"], 1), (ids["PLATE"], 3)])
    do(integration_id, "orders")
    [order] = orders(db)
    assert [(line.sku, line.quantity, line.reserved) for line in order.lines] == [("CUP", 1, 1), ("PLATE", 3, 3)]
    changes = db.session.scalars(select(OrderChange).order_by(OrderChange.id)).all()
    assert changes[0].fields["payment_status"] == ["Q", "P"]
    assert changes[1].fields["lines"] == [[["CUP", 2]], [["CUP", 1], ["PLATE", 3]]]
    shop.store.cancel_order(order_id)
    do(integration_id, "orders")
    [order] = orders(db)
    assert (order.state, [line.reserved for line in order.lines]) == ("cancelled", [0, 0])
    assert items.find_stock_item("PLATE").reserved == 0


def test_an_order_shipped_in_the_shop_goes_off_on_hand_and_reserved(app, db, shop):
    ids = products(shop)
    order_id = shop.store.place_order(lines=[(ids["CUP"], 2)])
    integration_id = connect(shop)
    do(integration_id, "stock")
    item = items.find_stock_item("CUP")
    assert (item.on_hand, item.reserved, item.available) == (20, 2, 18)
    shop.store.set_status(order_id, shipping="S")
    do(integration_id, "orders")
    db.session.rollback()
    item = items.find_stock_item("CUP")
    assert (item.on_hand, item.reserved, item.available) == (18, 0, 18)
    assert orders(db)[0].state == "shipped"


def test_an_order_cancelled_when_first_seen_touches_no_stock_and_a_shipped_one_has_left_the_shelf(app, db, shop):
    ids = products(shop)
    integration_id = connect(shop)
    do(integration_id, "stock")
    shop.store.place_order(lines=[(ids["CUP"], 2)], shipping="S")
    shop.store.cancel_order(shop.store.place_order(lines=[(ids["PLATE"], 2)]))
    do(integration_id, "orders")
    assert [order.state for order in orders(db)] == ["shipped", "cancelled"]
    assert {item.sku: (item.on_hand, item.reserved) for item in items.list_stock()} == {"CUP": (18, 0), "PLATE": (8, 0)}


@pytest.mark.parametrize("kinds", [("stock",), ("orders", "listings"), ("listings", "orders", "stock")])
def test_unknown_skus_start_with_the_shops_quantity_plus_what_its_open_orders_take(app, db, shop, kinds):
    """Whichever comes first, the books come out the same: the shop has 18 on its shelf page, and 2 are sold and unshipped."""
    ids = products(shop)
    shop.store.place_order(lines=[(ids["CUP"], 2)], at=datetime.now(UTC) - timedelta(hours=1))
    integration_id = connect(shop)
    for kind in kinds:
        do(integration_id, kind)
    item = items.find_stock_item("CUP")
    assert (item.on_hand, item.reserved, item.available) == (20, 2, 18)
    assert orders(db)[0].state == "ready"


def test_an_unknown_sku_holds_the_order_and_loses_nothing(app, db, shop):
    ids = products(shop)
    shop.store.place_order(lines=[(ids["CUP"], 2)])
    integration_id = connect(shop)
    do(integration_id, "orders")
    [order] = orders(db)
    assert (order.state, order.held_reason) == ("on_hold", "SKU CUP is not one of our stock items.")
    assert order.lines[0].quantity == 2
    do(integration_id, "listings")
    [order] = orders(db)
    assert (order.state, order.lines[0].reserved) == ("ready", 2)


def test_who_ordered_first_gets_the_stock_and_keeps_it(app, db, shop):
    """By change a shop lists the newest orders first, so both are on one page with the later one above."""
    ids = products(shop)
    integration_id = connect(shop)
    with writing() as session:
        session.get_one(Integration, integration_id).with_back_orders = False
    for kind in ("orders", "listings", "orders"):
        do(integration_id, kind)
    now = datetime.now(UTC)
    for pieces, minutes in ((15, 3), (10, 1)):
        shop.store.place_order(lines=[(ids["CUP"], pieces)], at=now - timedelta(minutes=minutes))
    do(integration_id, "orders")
    first, second = orders(db)
    assert [(order.state, order.lines[0].reserved) for order in (first, second)] == [("ready", 15), ("on_hold", 5)]
    assert first.id < second.id
    items.set_stock("CUP", 15, "test")
    first, second = orders(db)
    assert [(order.state, order.lines[0].reserved) for order in (first, second)] == [("ready", 15), ("on_hold", 0)]


def test_one_order_the_shop_cannot_show_stops_no_other(app, db, shop):
    """X-Cart 5.4, observed: an order without a profile makes every page it is on answer 500."""
    ids = products(shop)
    for number in range(7):
        shop.store.place_order(lines=[(ids["CUP"], 1)], profile=number != 3)
    integration_id = connect(shop)
    run = do(integration_id, "orders")
    assert run.state == "finished" and run.outcome in ("done", "partial")
    assert len(orders(db)) == 7


def test_a_download_goes_on_where_it_was_interrupted(app, db):
    with PracticeShop(products=10, orders=450, days=20, seed=5) as shop:
        integration_id = connect(shop)
        run_id = runs_lifecycle.start_run(integration_id, "orders", "test").id
        run = execution.work(run_id, slice_seconds=0)
        assert (run.state, len(orders(db))) == ("queued", 100)
        first = len(shop.requests)
        run = execution.perform(run_id)
        assert run.outcome == "done"
        assert len(orders(db)) == 450
        assert len(shop.requests) - first <= 5 + run.counts.get("extra_reads", 0)


def test_money_follows_the_settings(app, db, shop):
    ids = products(shop)
    shop.store.place_order(
        lines=[(ids["CUP"], 3)], shipping_cost=4,
        surcharges=[("tax", "CDEV.STAX", "Sales tax", 3, False, True), ("handling", "PACK", "Packing fee", 2, False, True)],
    )  # fmt: skip
    integration_id = connect(shop, use_tax=True, surcharge_name=" packing FEE ")
    do(integration_id, "orders")
    [order] = orders(db)
    assert (order.items, order.items_tax, order.shipping, order.other, order.total) == (
        Decimal(30), Decimal(3), Decimal(6), Decimal(0), Decimal(39),
    )  # fmt: skip


def test_nothing_of_the_customers_password_is_stored(app, db, shop):
    ids = products(shop)
    shop.store.place_order(lines=[(ids["CUP"], 1)], profile=False)
    shop.store.place_order(lines=[(ids["CUP"], 1)])
    do(connect(shop), "orders")
    for order in orders(db):
        assert b'"profile"' not in order.raw and b"orig_profile" not in order.raw and b"password" not in order.raw


def test_removed_and_added_again_it_takes_up_its_history(app, db, shop):
    ids = products(shop)
    for _ in range(3):
        shop.store.place_order(lines=[(ids["CUP"], 1)])
    first = connect(shop)
    do(first, "stock")
    lifecycle.remove_integration(first, "test")
    late = shop.store.place_order(lines=[(ids["CUP"], 1)])
    shop.store.set_status(next(iter(shop.store.orders)), shipping="S")
    second = connect(shop, "Again")
    do(second, "orders")
    assert [order.state for order in orders(db)] == ["shipped", "ready", "ready", "ready"]
    assert orders(db)[-1].external_id == str(late)
    assert db.session.scalar(select(func.count()).select_from(Shop)) == 1
    assert db.session.get(Integration, first).key_encrypted == b""


def test_a_start_date_moved_back_during_the_first_download_loses_no_order(app, db):
    with PracticeShop(products=10, orders=300, days=30, seed=5) as shop:
        integration_id = connect(shop, since=datetime.now(UTC) - timedelta(days=15))
        run_id = runs_lifecycle.start_run(integration_id, "orders", "test").id
        assert execution.work(run_id, slice_seconds=0).state == "queued"
        earlier = datetime.now(UTC) - timedelta(days=60)
        settings.change_settings(integration_id, {"orders_since": earlier}, "test")
        execution.perform(run_id)
        assert schedule.start_due_runs(kinds=("orders",)) != []
        execution.perform(schedule.waiting_runs()[0])
        assert len(orders(db)) == 300
        assert db.session.scalar(select(Shop)).orders_from == earlier


def test_settings_changed_during_a_download_hold_for_every_order_of_it(app, db):
    """The evaluation that the change causes may be over before the download stores its next page."""
    with PracticeShop(products=10, orders=300, days=30, seed=5) as shop:
        integration_id = connect(shop, since=datetime.now(UTC) - timedelta(days=60))
        changed = []

        def after_a_page() -> bool:
            if not changed:
                changed.append(settings.change_settings(integration_id, {"with_notes": False}, "test"))
                settings.evaluate_if_due(integration_id)
            return False

        execution.work(runs_lifecycle.start_run(integration_id, "orders", "test").id, stopping=after_a_page)
        for due in settings.due_evaluations():
            settings.evaluate_if_due(due)
        assert len(orders(db)) == 300
        assert not any(order.customer_notes for order in orders(db))
        assert settings.due_evaluations() == []


@pytest.mark.config(order_page_size=40)
@pytest.mark.parametrize("generation", ["addon", "api"])
def test_catching_up_after_an_outage_goes_on_from_the_last_saved_page(app, db, generation):
    """200 orders changed while nobody read. The reading pauses after each page; meanwhile one more is sold, one that was
    not read yet is paid, and one is deleted."""
    with PracticeShop(products=5, orders=200, days=20, seed=4, generation=generation) as shop:
        integration_id = connect(shop, since=datetime.now(UTC) - timedelta(days=60))
        do(integration_id, "orders")
        with writing() as session:
            session.query(Shop).one().orders_read_to = datetime.now(UTC) - timedelta(days=30)
        for order_id in shop.store.orders:
            shop.store.orders[order_id].notes = "changed"
            shop.store.touch_order(shop.store.orders[order_id], renewed=False)
        shop.clear_requests()
        run_id = runs_lifecycle.start_run(integration_id, "orders", "test").id
        assert execution.work(run_id, slice_seconds=0).state == "queued"
        assert db.session.query(Shop).one().reading_position == 40
        by_change = sorted(shop.store.orders.values(), key=lambda order: order.renewed)
        paid, gone = by_change[0].id, by_change[-5].id
        shop.store.set_status(paid, payment="P", shipping="S")
        shop.store.delete_order(gone)
        shop.store.place_order(lines=[(1, 1)])
        slices = 1
        while execution.work(run_id, slice_seconds=0).state == "queued":
            slices += 1
            assert slices < 10
        # Five pages and more: each slice reads a few rows again, because rows may have moved up.
        assert runs_lifecycle.find_run(run_id).outcome == "done" and slices >= 5
        assert db.session.query(Shop).one().reading_position == 0
        notes = {int(order.external_id): order.customer_notes for order in orders(db)}
        assert {order_id for order_id, note in notes.items() if note != "changed"} <= {gone, paid, max(shop.store.orders)}
        do(integration_id, "orders")
        stored = {int(order.external_id): order for order in orders(db)}
        assert stored.keys() == shop.store.orders.keys() | {gone}
        assert stored[paid].shipping_status == "S" and stored[paid].customer_notes == "changed"


def test_tax_lines_switched_on_later_are_read_from_the_shop_once(app, db, shop, monkeypatch):
    """Two taxes of one order come as one sum; their names are a question to the shop, one request an order, and few a run."""
    monkeypatch.setattr(rereading, "MOST_ROWS", 2)
    ids = products(shop)
    taxes = [("tax", "A", "State tax", 2.0), ("tax", "B", "City tax", 1.0)]
    for _ in range(3):
        shop.store.place_order(lines=[(ids["CUP"], 2)], surcharges=taxes)
    shop.store.place_order(lines=[(ids["CUP"], 1)])
    integration_id = connect(shop)
    assert do(integration_id, "orders").requests == 2
    settings.change_settings(integration_id, {"with_tax_lines": True}, "test")
    settings.evaluate_if_due(integration_id)
    assert db.session.get(Integration, integration_id).flows["orders"].due_at <= datetime.now(UTC)
    for requests, named in ((3, 2), (2, 3), (1, 3)):
        assert do(integration_id, "orders").requests == requests
        assert [order.tax_lines for order in orders(db)].count([["State tax", "2.00"], ["City tax", "1.00"]]) == named
    settings.change_settings(integration_id, {"use_tax": True}, "test")
    settings.evaluate_if_due(integration_id)
    assert do(integration_id, "orders").requests == 1


def test_contained_tax_asked_for_later_costs_one_question_where_that_explains_the_others(app, db, shop):
    ids = products(shop)
    for quantity in range(1, 7):
        vat = round(quantity * 10 * 20 / 120, 2)
        shop.store.place_order(lines=[(ids["CUP"], quantity)], surcharges=[("tax", "VAT", "VAT", vat, True)])
    integration_id = connect(shop)
    do(integration_id, "orders")
    settings.change_settings(integration_id, {"use_tax": True}, "test")
    settings.evaluate_if_due(integration_id)
    run = do(integration_id, "orders")
    assert (run.requests, run.counts["extra_reads"]) == (2, 1)
    assert [float(order.items_tax) for order in orders(db)] == [1.67, 3.33, 5, 6.67, 8.33, 10]
    assert do(integration_id, "orders").requests == 1


def test_orders_of_a_shop_that_comes_back_with_other_settings_are_evaluated_under_them(app, db, shop):
    ids = products(shop)
    shop.store.place_order(lines=[(ids["CUP"], 1)], surcharges=[("tax", "A", "State tax", 2.0)])
    integration_id = connect(shop)
    do(integration_id, "orders")
    assert float(orders(db)[0].items_tax) == 0
    lifecycle.remove_integration(integration_id, "test", keep_reserved=True)
    again = connect(shop, "Back")
    assert settings.due_evaluations() == []
    lifecycle.remove_integration(again, "test", keep_reserved=True)
    changed = connect(shop, "Back once more", use_tax=True)
    assert settings.due_evaluations() == [changed]
    settings.evaluate_if_due(changed)
    assert float(orders(db)[0].items_tax) == 2
    assert settings.due_evaluations() == []


def test_an_order_whose_money_rows_the_shop_fails_to_give_stops_no_other(app, db, shop):
    """It comes in, and the rows are requested again by the next runs."""
    ids = products(shop)
    taxes = [("tax", "A", "State tax", 2.0), ("tax", "B", "City tax", 1.0)]
    bad = shop.store.place_order(lines=[(ids["CUP"], 2)], surcharges=taxes)
    for _ in range(3):
        shop.store.place_order(lines=[(ids["CUP"], 2)], surcharges=taxes)
    shop.faults.add("status_500", match=f"_path=order%2F{bad}", method="GET")
    integration_id = connect(shop)
    settings.change_settings(integration_id, {"with_tax_lines": True}, "test")
    for _ in range(2):
        assert do(integration_id, "orders").outcome == "done"
        assert [bool(order.tax_lines) for order in orders(db)].count(True) == 3
    shop.faults.clear()
    assert do(integration_id, "orders").outcome == "done"
    assert [order.tax_lines for order in orders(db)] == [[["State tax", "2.00"], ["City tax", "1.00"]]] * 4
