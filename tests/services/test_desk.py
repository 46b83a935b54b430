"""What a person does on the desk: held orders mended, orders found, drift settled, a run undone, receipts and reports."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from errors import Conflict, InvalidInput, NotFound
from extensions import writing
from models import Drift, Integration, Listing, Lookup, Order, Oversell, Receipt, RunItem, ShipmentFile
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services import (
    audit,
    desk_settings,
    held,
    integration_settings,
    integrations,
    linking_by_hand,
    listing_desk,
    lookups,
    order_desk,
    push,
    receipts,
    reports,
    rereading,
    runs,
    shipment_files,
    shipments,
    stock,
    sync,
    undo,
    whereabouts,
)  # fmt: skip
from tests.support.shops import connect, do, products


def settled(shop: PracticeShop, **more) -> int:
    integration_id = connect(shop, **more)
    do(integration_id, "stock")
    return integration_id


def states(db) -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(Order.state).order_by(Order.id)))


def test_adding_the_unknown_sku_once_releases_every_order_it_held(app, db, shop):
    integration_id = connect(shop)
    with writing() as session:
        session.get(Integration, integration_id).take_shop_stock = False
    ids = products(shop)
    for _ in range(3):
        shop.store.place_order(lines=[(ids["CUP"], 1)])
    do(integration_id, "orders")
    do(integration_id, "listings")
    group = held.groups()[0]
    assert (group.title, len(group.order_ids), group.listed) == ("SKU CUP is not one of our stock items", 3, True)
    assert stock.add_stock_item("CUP", 2, "test").released == 3
    item = stock.find_stock_item("CUP")
    assert (item.on_hand, item.reserved) == (2, 2)
    assert states(db) == ["ready"] * 3 and held.groups() == []
    with pytest.raises(Conflict):
        stock.add_stock_item("CUP", 2, "test")


def test_linking_the_unknown_sku_to_our_own_releases_its_orders(app, db, shop):
    integration_id = connect(shop)
    with writing() as session:
        session.get(Integration, integration_id).take_shop_stock = False
    stock.add_stock_item("OURS", 9, "test")
    shop.store.place_order(lines=[(products(shop)["CUP"], 2)])
    do(integration_id, "orders")
    do(integration_id, "listings")
    assert linking_by_hand.link_sku("CUP", "OURS", "test") == 1
    assert (stock.find_stock_item("OURS").reserved, states(db)) == (2, ["ready"])


def test_an_accepted_cause_holds_no_more_also_when_read_again(app, db, shop):
    integration_id = settled(shop)
    with writing() as session:
        session.get(Integration, integration_id).with_back_orders = False
    stock.set_stock("CUP", 0, "test")
    shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    do(integration_id, "orders")
    group = next(group for group in held.groups() if group.code == "short")
    assert held.accept("short", group.order_ids, "test") == 1
    assert states(db) == ["ready"]
    assert rereading.ask_again(group.order_ids).orders == 1
    assert do(integration_id, "orders").counts["read_again"] == 1
    assert rereading.evaluate_orders(group.order_ids, "test").orders == 1
    assert states(db) == ["ready"]
    with pytest.raises(InvalidInput):
        held.accept("unknown_sku", group.order_ids, "test")


def asked_where(number: str, integration_id: int | None = None) -> list[whereabouts.Answer]:
    lookup_id = lookups.ask_where(number, integration_id, "test")
    lookups.work(lookup_id)
    return lookups.answers_of(lookups.get_lookup(lookup_id, "test"))


def test_where_an_order_is_is_answered_for_any_number(app, db, shop):
    ids = products(shop)
    old = shop.store.place_order(lines=[(ids["CUP"], 1)], at=datetime.now(UTC) - timedelta(days=90))
    new = shop.store.place_order(lines=[(ids["CUP"], 1)])
    unpaid = shop.store.place_order(lines=[(ids["CUP"], 1)], payment="Q")
    integration_id = settled(shop)
    shop.clear_requests()
    stored = asked_where(f"#{new}")[0]
    assert (stored.state, stored.sentence) == ("stored", "It is ready to be shipped.") and stored.imported_at is not None
    assert "Awaiting payment do not become work" in asked_where(str(unpaid))[0].sentence
    assert not shop.requests
    answer = asked_where(str(old))[0]
    assert answer.state == "there" and "before the start date" in answer.sentence
    assert asked_where("4711")[0].sentence == "Shop has no order 4711."
    order_id = whereabouts.bring_in(integration_id, answer.external_id, "test")
    assert whereabouts.bring_in(integration_id, answer.external_id, "test") == order_id
    assert asked_where(str(old))[0].order_id == order_id
    later = shop.store.place_order(lines=[(ids["CUP"], 1)])
    answer = asked_where(str(later), integration_id)[0]
    assert answer.state == "there" and "has not been imported yet" in answer.sentence
    shop.stop()
    assert asked_where("4711")[0].state == "unknown"
    integrations.set_enabled(integration_id, False, "test")
    assert "not connected at present" in asked_where("4711")[0].sentence
    for nonsense in ("", " # ", "x" * 65, "a\x00b"):
        with pytest.raises(NotFound):
            lookups.ask_where(nonsense, None, "test")


def test_a_lookup_is_a_persons_own_and_answered_once(app, db, shop):
    settled(shop)
    lookup_id = lookups.ask_where("4711", None, "user:ann")
    with pytest.raises(NotFound):
        lookups.get_lookup(lookup_id, "user:bob")
    lookups.work(lookup_id)
    asked = len(shop.requests)
    lookups.work(lookup_id)
    assert len(shop.requests) == asked
    with writing() as session:
        session.get_one(Lookup, lookup_id).created_at = utcnow() - timedelta(days=2)
    lookups.ask_where("4712", None, "user:ann")
    assert [row.asked["number"] for row in db.session.scalars(select(Lookup))] == ["4712"]


def test_a_lookup_whose_worker_is_gone_is_late_and_one_that_fails_says_why(app, db, shop):
    integration_id = settled(shop)
    lookup_id = lookups.ask_to_bring_in(integration_id, "999", "test")
    with writing() as session:
        session.get_one(Lookup, lookup_id).heard_at = utcnow() - timedelta(minutes=1)
    assert lookups.is_late(lookups.get_lookup(lookup_id, "test"))
    lookups.work(lookup_id)
    found = lookups.get_lookup(lookup_id, "test")
    assert not lookups.is_late(found) and found.found["error"] == "The shop has that order no more."


def test_older_orders_are_counted_before_they_are_brought_in(app, db, shop):
    ids = products(shop)
    for days in (100, 90, 80, 1):
        shop.store.place_order(lines=[(ids["CUP"], 1)], at=datetime.now(UTC) - timedelta(days=days))
    integration_id = settled(shop)
    since = datetime.now(UTC) - timedelta(days=95)
    lookup_id = lookups.ask_count(integration_id, since, "test")
    lookups.work(lookup_id)
    assert lookups.get_lookup(lookup_id, "test").found == {"orders": 2, "complete": True}
    integration_settings.change_settings(integration_id, {"orders_since": since}, "user:ann")
    do(integration_id, "orders")
    assert len(states(db)) == 3
    assert whereabouts.count_older(integration_id, datetime.now(UTC) - timedelta(days=120)).orders == 1
    with pytest.raises(Conflict):
        lookups.ask_count(integration_id, datetime.now(UTC), "test")
    changed = audit.list_page().rows[0]
    assert (changed.actor, changed.name) == ("user:ann", "orders since")


def test_drift_is_kept_and_theirs_may_be_taken(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    shop.store.set_amount(ids["CUP"], 3)
    stock.set_stock("CUP", 25, "test")
    do(integration_id, "stock")
    assert shop.store.amount(ids["CUP"]) == 25
    row = listing_desk.drift_page().rows[0]
    assert (row.sku, row.expected, row.found, row.state) == ("CUP", 20, 3, "open")
    listing_desk.settle_drift(row.id, "theirs", "test")
    assert stock.find_stock_item("CUP").available == 3
    do(integration_id, "stock")
    assert shop.store.amount(ids["CUP"]) == 3
    assert listing_desk.drift_page().rows == []
    with pytest.raises(Conflict):
        listing_desk.settle_drift(row.id, "ours", "test")
    db.session.rollback()
    assert db.session.scalar(select(Drift.state)) == "theirs"


def test_an_undone_push_restores_what_the_shop_has_not_changed_since(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    stock.set_stock("CUP", 33, "test")
    stock.set_stock("PLATE", 44, "test")
    pushed = do(integration_id, "stock")
    shop.store.set_amount(ids["PLATE"], 40)
    run = sync.perform(undo.start_undo(pushed.id, "test").id)
    assert (run.outcome, run.counts) == ("partial", {"restored": 1, "left": 1})
    assert (shop.store.amount(ids["CUP"]), shop.store.amount(ids["PLATE"])) == (20, 40)
    reasons = {item.sku: item.reason for item in db.session.scalars(select(RunItem).where(RunItem.run_id == run.id))}
    assert reasons["PLATE"] == "The shop has 40 by now, 44 was sent: it was left."
    again = do(integration_id, "stock")
    assert (again.outcome, shop.store.amount(ids["CUP"])) == ("waiting", 20)
    assert {row.sku for row in push.preview(integration_id).rows} == {"CUP", "PLATE"}
    with pytest.raises(Conflict):
        undo.start_undo(run.id, "test")


def test_a_shops_own_buffer_and_cap_bound_what_it_offers(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    desk_settings.change_desk_settings(integration_id, {"stock_buffer": 2, "stock_cap": 10}, "user:ann")
    do(integration_id, "stock")
    assert (shop.store.amount(ids["CUP"]), shop.store.amount(ids["PLATE"])) == (10, 6)
    assert {(row.name, row.before, row.after) for row in audit.list_page().rows} >= {
        ("stock buffer", "0", "2"), ("stock cap", "–", "10"),
    }  # fmt: skip
    with pytest.raises(InvalidInput):
        desk_settings.change_desk_settings(integration_id, {"stock_cap": -1}, "test")


def test_a_listing_that_is_not_to_be_pushed_is_left_and_comes_back(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    listing_id = db.session.scalar(select(Listing.id).where(Listing.sku == "CUP"))
    db.session.rollback()
    linking_by_hand.set_do_not_push([listing_id], True, "test")
    stock.set_stock("CUP", 5, "test")
    do(integration_id, "stock")
    assert shop.store.amount(ids["CUP"]) == 20
    linking_by_hand.set_do_not_push([listing_id], False, "test")
    do(integration_id, "stock")
    assert shop.store.amount(ids["CUP"]) == 5


def test_the_shops_present_stock_is_taken_as_ours(app, db, shop):
    ids = products(shop)
    integration_id = settled(shop)
    shop.store.place_order(lines=[(ids["CUP"], 3)])
    stock.set_stock("CUP", 99, "test")
    do(integration_id, "orders")
    shop.store.set_amount(ids["CUP"], 11)
    do(integration_id, "listings")
    listing_id = db.session.scalar(select(Listing.id).where(Listing.sku == "CUP"))
    db.session.rollback()
    assert linking_by_hand.take_shop_stock([listing_id], "test") == (1, [])
    item = stock.find_stock_item("CUP")
    assert (item.on_hand, item.reserved, item.available) == (14, 3, 11)


def test_matching_by_sku_is_shown_first_and_refuses_doubled_skus(app, db):
    store = Store()
    store.add_product(sku="TWIN", name="One", price=1, amount=1)
    store.add_product(sku="TWIN", name="Two", price=1, amount=2)
    product = store.add_product(sku="CUP", name="Cup", price=1, amount=2)
    with PracticeShop(store=store) as shop:
        integration_id = connect(shop)
        with writing() as session:
            session.get(Integration, integration_id).take_shop_stock = False
        do(integration_id, "stock")
        stock.add_stock_item("CUP", 2, "test")
        stock.add_stock_item("TWIN", 2, "test")
        matched = listing_desk.match_by_sku()
        assert ([row[2] for row in matched.rows], matched.ambiguous) == (["CUP"], [("Shop", "TWIN")])
        shop.store.place_order(lines=[(product, 2)])
        do(integration_id, "orders")
        assert listing_desk.link_matched([row[0] for row in matched.rows], "test") == 1
        assert listing_desk.match_by_sku().rows == []
        db.session.rollback()
        assert (stock.find_stock_item("CUP").reserved, db.session.scalar(select(Listing.stale).where(Listing.sku == "CUP"))) == (
            2,
            True,
        )
        assert listing_desk.link_matched([row[0] for row in matched.rows], "test") == 0


def test_two_shops_that_sell_the_last_piece_at_once_are_told_so_on_both_orders(app, db, shop):
    store = Store()
    other_id = store.add_product(sku="CUP", name="Cup", price=12, amount=20)
    with PracticeShop(store=store) as other:
        one, two = settled(shop), settled(other, name="Other")
        stock.set_stock("CUP", 1, "test")
        for integration_id in (one, two):
            do(integration_id, "stock")
        shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
        other.store.place_order(lines=[(other_id, 1)])
        do(one, "orders")
        do(two, "orders")
        orders = db.session.scalars(select(Order.id).order_by(Order.id)).all()
        assert order_desk.oversold(orders[0]) == ["CUP: this order took the last; order 1 of Other sold 1 that is not there."]
        assert order_desk.oversold(orders[1]) == ["CUP: 1 is missing, because order 1 of Shop took the last."]
        assert len(db.session.scalars(select(Oversell)).all()) == 1


def test_the_receipt_is_green_when_both_hold_the_same_and_names_what_differs(app, db, shop):
    ids = products(shop)
    yesterday = datetime.combine(datetime.now(UTC).date(), datetime.min.time(), UTC) - timedelta(hours=6)
    first = shop.store.place_order(lines=[(ids["CUP"], 1)], at=yesterday)
    shop.store.place_order(lines=[(ids["PLATE"], 2)], at=yesterday)
    integration_id = settled(shop)
    assert do(integration_id, "receipts").outcome == "done"
    receipt = db.session.scalar(select(Receipt))
    assert receipt.good and (receipt.shop_orders, receipt.our_orders) == (2, 2)
    assert receipt.shop_totals == receipt.our_totals == {"USD": "20.00"}
    with writing() as session:
        session.scalar(select(Order).where(Order.external_id == str(first))).total += 1
    do(integration_id, "receipts")
    db.session.rollback()
    kept = db.session.scalars(select(Receipt)).all()
    assert [len(each.differences) for each in kept] == [1]
    assert kept[0].differences[0]["reason"] == "The totals differ."


def test_a_receipt_counts_the_days_of_the_shop(app, db, shop):
    """An order placed at 23:30 there is one of that day, although it is the next one in UTC; and the other way round."""
    ids, zone = products(shop), ZoneInfo("America/New_York")
    yesterday = datetime.now(zone).date() - timedelta(days=1)
    for day, hour in ((yesterday, 0), (yesterday, 23), (yesterday + timedelta(days=1), 0), (yesterday - timedelta(days=1), 23)):
        at = datetime.combine(day, time(hour, 30), zone)
        if at < datetime.now(UTC):
            shop.store.place_order(lines=[(ids["CUP"], 1)], at=at)
    integration_id = settled(shop)
    desk_settings.change_desk_settings(integration_id, {"zone": "America/New_York"}, "user:ann")
    do(integration_id, "receipts")
    receipt = db.session.scalar(select(Receipt))
    assert (receipt.day, receipt.zone, receipt.shop_orders, receipt.our_orders, receipt.good) == (yesterday, zone.key, 2, 2, True)
    due = db.session.scalar(select(Integration.receipts_due_at)).astimezone(zone)
    assert (due.hour, due.minute) == (0, 20) and due > datetime.now(UTC)
    with pytest.raises(InvalidInput, match="no time zone"):
        desk_settings.change_desk_settings(integration_id, {"zone": "Middle/Earth"}, "user:ann")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_day_on_which_the_clocks_change_is_as_long_as_it_is(day, hours):
    zone = receipts.zone_of("Europe/Vienna")
    first = date.fromisoformat(day)
    length = receipts.start_of(first + timedelta(days=1), zone) - receipts.start_of(first, zone)
    assert length == timedelta(hours=hours)


def test_days_that_were_missed_get_their_receipt_later(app, db, shop):
    now = datetime.now(UTC)
    for days in (1, 2, 3, 20):
        shop.store.place_order(lines=[(products(shop)["CUP"], 1)], at=now - timedelta(days=days))
    integration_id = settled(shop)
    with writing() as session:
        session.get_one(Integration, integration_id).created_at = now - timedelta(days=3)
    do(integration_id, "receipts")
    kept = {receipt.day: (receipt.shop_orders, receipt.good) for receipt in db.session.scalars(select(Receipt))}
    assert kept == {now.date() - timedelta(days=days): (1, True) for days in (1, 2, 3)}
    shop.clear_requests()
    run = do(integration_id, "receipts")
    assert run.counts["compared"] == 1


def test_reports_survive_removing_a_shop_and_adding_it_again(app, db, shop):
    shop.store.place_order(lines=[(products(shop)["CUP"], 2)])
    integration_id = settled(shop)
    before = reports.sales_by_day(30, UTC), reports.sales_by_sku(30, UTC)
    assert [(row.shop, row.orders, row.pieces, row.total) for row in before[0]] == [("Shop", 1, 2, "20.00")]
    integrations.remove_integration(integration_id, "test")
    db.session.rollback()
    assert reports.sales_by_day(30, UTC)[0].shop == "Shop (removed)"
    settled(shop)
    assert (reports.sales_by_day(30, UTC), reports.sales_by_sku(30, UTC)) == before


def test_a_file_of_shipments_is_judged_row_by_row_and_shipped_once(app, db, shop):
    ids = products(shop)
    good = shop.store.place_order(lines=[(ids["CUP"], 1)])
    unpaid = shop.store.place_order(lines=[(ids["CUP"], 1)], payment="Q")
    settled(shop)
    text = f"Order;Carrier;Tracking number\n{good};DHL;T1\n{unpaid};DHL;T2\n999;x;y\n{good};a;b\n;c;d\n"
    file = shipment_files.read_file(text.encode(), "x.csv", "test")
    assert [(row["line"], row["problem"]) for row in file.rows] == [
        (2, ""), (3, f"Order {unpaid} still awaits payment."), (4, "There is no order 999."),
        (5, f"Order {good} stands in line 2 already."), (6, "The row has no order number."),
    ]  # fmt: skip
    assert states(db)[0] == "ready"
    assert shipment_files.due_files() == []
    shipment_files.accept(file.id)
    with pytest.raises(Conflict):
        shipment_files.accept(file.id)
    assert shipment_files.due_files() == [file.id]
    shipment_files.work(file.id)
    shipment_files.work(file.id)
    kept = shipment_files.get_file(file.id)
    assert (kept.done, kept.refused, states(db)[0], shipment_files.due_files()) == (1, [], "shipped", [])
    with pytest.raises(InvalidInput, match="no column named number"):
        shipment_files.read_file(b"a,b\n1,2\n", "x.csv", "test")


def test_a_file_whose_worker_died_is_shipped_on_from_there(app, db, shop):
    ids = products(shop)
    numbers = [shop.store.place_order(lines=[(ids["CUP"], 1)]) for _ in range(4)]
    settled(shop)
    rows = "".join(f"{number},DHL,T{number}\n" for number in numbers)
    file = shipment_files.read_file(f"number,carrier,tracking\n{rows}".encode(), "x.csv", "test")
    shipments.ship(file.rows[2]["order_id"], "somebody else")
    shipment_files.accept(file.id)
    with writing() as session:
        # The first row was shipped by a worker that then died.
        kept = session.get_one(ShipmentFile, file.id)
        kept.token, kept.lease_until, kept.done = "dead", utcnow() + timedelta(seconds=60), 1
    shipment_files.work(file.id)
    assert states(db) == ["ready", "ready", "shipped", "ready"]
    with writing() as session:
        session.get_one(ShipmentFile, file.id).lease_until = utcnow() - timedelta(seconds=1)
    shipment_files.work(file.id)
    kept = shipment_files.get_file(file.id)
    assert (kept.done, kept.refused) == (
        4,
        [{"number": str(numbers[2]), "reason": f"Order {numbers[2]} has been shipped already."}],
    )
    assert states(db) == ["ready", "shipped", "shipped", "shipped"]


def test_a_removed_or_stopped_run_is_no_reason_for_a_trace(app, db, shop):
    integration_id = settled(shop)
    run_id = runs.start_run(integration_id, "undo", "test").id
    run = sync.perform(run_id)
    assert run.outcome == "failed" and "does not say what" in run.error
    assert utcnow() > run.finished_at
