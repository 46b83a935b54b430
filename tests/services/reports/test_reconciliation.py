"""The daily reconciliation, and sales reports."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from errors import InvalidInput
from extensions import writing
from models import DailyReconciliation, Flow, Integration, Order
from practice_shop import PracticeShop, Store
from services.common import batches, zones
from services.integrations import lifecycle, settings
from services.reports import reconciliation, sales
from services.reports.periods import last_days
from tests.support.rows import make_integration, make_order
from tests.support.shops import do, products, settled


def test_the_daily_reconciliation_is_green_when_both_hold_the_same_and_names_what_differs(app, db, shop):
    ids = products(shop)
    yesterday = datetime.combine(datetime.now(UTC).date(), datetime.min.time(), UTC) - timedelta(hours=6)
    first = shop.store.place_order(lines=[(ids["CUP"], 1)], at=yesterday)
    shop.store.place_order(lines=[(ids["PLATE"], 2)], at=yesterday)
    integration_id = settled(shop)
    assert do(integration_id, "reconciliation").outcome == "done"
    found = db.session.scalar(select(DailyReconciliation))
    assert found.good and (found.shop_orders, found.our_orders) == (2, 2)
    assert found.shop_totals == found.our_totals == {"USD": "20.00"}
    with writing() as session:
        session.scalar(select(Order).where(Order.external_id == str(first))).total += 1
    do(integration_id, "reconciliation")
    db.session.rollback()
    kept = db.session.scalars(select(DailyReconciliation)).all()
    assert [len(each.differences) for each in kept] == [1]
    assert kept[0].differences[0]["reason"] == "The totals differ."


@pytest.mark.parametrize("generation", ["addon", "api"])
def test_an_order_that_no_reading_by_change_shows_comes_in_after_the_daily_reconciliation(app, db, generation):
    """An import put it into the shop: the time of its last change is empty."""
    store = Store()
    cup = store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    yesterday = datetime.combine(datetime.now(UTC).date(), time.min, UTC) - timedelta(hours=6)
    for at in (yesterday - timedelta(days=9), yesterday):
        store.place_order([(cup, 1)], at=at)
    with PracticeShop(store=store, generation=generation) as shop:
        integration_id = settled(shop)
        do(integration_id, "reconciliation")
        imported = store.orders[store.place_order([(cup, 3)], at=yesterday)]
        imported.renewed = 0
        store.touch_order(imported, renewed=False)
        do(integration_id, "orders")
        do(integration_id, "reconciliation")
        db.session.rollback()
        assert db.session.scalar(select(Flow.due_at).where(Flow.kind == "orders")) <= datetime.now(UTC)
        do(integration_id, "orders")
        db.session.rollback()
        found = {row.number: (row.state, row.lines[0].quantity) for row in db.session.scalars(select(Order))}
        assert found[imported.number] == ("ready", 3) and len(found) == 3
        do(integration_id, "reconciliation")
        db.session.rollback()
        assert db.session.scalar(select(DailyReconciliation)).good


def test_many_orders_that_are_missing_come_in_run_after_run(app, db, shop):
    """One run requests ten of them. A quiet shop has no other run for hours."""
    yesterday = datetime.combine(datetime.now(UTC).date(), time.min, UTC) - timedelta(hours=6)
    cup = products(shop)["CUP"]
    # A reading by change ends at the older one.
    for at in (yesterday - timedelta(days=9), yesterday):
        shop.store.place_order([(cup, 1)], at=at)
    integration_id = settled(shop)
    do(integration_id, "reconciliation")
    for _ in range(12):
        imported = shop.store.orders[shop.store.place_order([(cup, 1)], at=yesterday)]
        imported.renewed = 0
        shop.store.touch_order(imported, renewed=False)
    do(integration_id, "reconciliation")
    do(integration_id, "orders")
    db.session.rollback()
    assert db.session.scalar(select(Flow.due_at).where(Flow.kind == "orders")) <= datetime.now(UTC)
    do(integration_id, "orders")
    db.session.rollback()
    assert db.session.scalar(select(func.count(Order.id)).where(Order.placed_at == yesterday)) == 13
    assert db.session.scalar(select(Flow.due_at).where(Flow.kind == "orders")) > datetime.now(UTC)


def test_a_daily_reconciliation_counts_the_days_of_the_shop(app, db, shop):
    """An order placed at 23:30 there is one of that day, although it is the next one in UTC; and the other way round."""
    ids, zone = products(shop), ZoneInfo("America/New_York")
    yesterday = datetime.now(zone).date() - timedelta(days=1)
    for day, hour in ((yesterday, 0), (yesterday, 23), (yesterday + timedelta(days=1), 0), (yesterday - timedelta(days=1), 23)):
        at = datetime.combine(day, time(hour, 30), zone)
        if at < datetime.now(UTC):
            shop.store.place_order(lines=[(ids["CUP"], 1)], at=at)
    integration_id = settled(shop)
    settings.change_settings(integration_id, {"zone": "America/New_York"}, "user:ann")
    do(integration_id, "reconciliation")
    found = db.session.scalar(select(DailyReconciliation))
    assert (found.day, found.zone, found.shop_orders, found.our_orders, found.good) == (yesterday, zone.key, 2, 2, True)
    due = db.session.scalar(select(Flow.due_at).where(Flow.kind == "reconciliation")).astimezone(zone)
    assert (due.hour, due.minute) == (0, 20) and due > datetime.now(UTC)
    with pytest.raises(InvalidInput, match="time zone"):
        settings.change_settings(integration_id, {"zone": "Middle/Earth"}, "user:ann")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_day_on_which_the_clocks_change_is_as_long_as_it_is(day, hours):
    zone = zones.zone_of("Europe/Vienna")
    first = date.fromisoformat(day)
    length = reconciliation.start_of(first + timedelta(days=1), zone) - reconciliation.start_of(first, zone)
    assert length == timedelta(hours=hours)


def test_days_that_were_missed_are_compared_later(app, db, shop):
    now = datetime.now(UTC)
    for days in (1, 2, 3, 20):
        shop.store.place_order(lines=[(products(shop)["CUP"], 1)], at=now - timedelta(days=days))
    integration_id = settled(shop)
    with writing() as session:
        session.get_one(Integration, integration_id).created_at = now - timedelta(days=3)
    do(integration_id, "reconciliation")
    kept = {found.day: (found.shop_orders, found.good) for found in db.session.scalars(select(DailyReconciliation))}
    assert kept == {now.date() - timedelta(days=days): (1, True) for days in (1, 2, 3)}
    shop.clear_requests()
    run = do(integration_id, "reconciliation")
    assert run.counts["compared"] == 1


def test_reports_survive_removing_a_shop_and_adding_it_again(app, db, shop):
    shop.store.place_order(lines=[(products(shop)["CUP"], 2)])
    integration_id = settled(shop)
    before = sales.sales_by_day(last_days(30, UTC)), list(sales.sales_by_sku(last_days(30, UTC)))
    assert [(row.shop, row.orders, row.pieces, row.total) for row in before[0]] == [("Shop", 1, 2, "20.00")]
    lifecycle.remove_integration(integration_id, "test")
    db.session.rollback()
    assert sales.sales_by_day(last_days(30, UTC))[0].shop == "Shop (removed)"
    settled(shop)
    assert (sales.sales_by_day(last_days(30, UTC)), list(sales.sales_by_sku(last_days(30, UTC)))) == before


@pytest.mark.both_databases
def test_sales_of_many_skus_come_whole_and_in_order_in_batches(app, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 3)
    integration = make_integration()
    lines = [(f"SKU-{number}", 1 + number % 4) for number in range(10)]
    make_order(integration, "1", lines)
    rows = [(row.sku, row.pieces) for row in sales.sales_by_sku(last_days(30, UTC))]
    assert rows == sorted(lines, key=lambda line: (-line[1], line[0]))
    assert rows == [(row.sku, row.pieces) for row in sales.sku_page(last_days(30, UTC), None, "", 1, 20).rows]
