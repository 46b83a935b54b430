"""Held orders that a person fixes, a last piece that two shops sold, a run without a trace."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, select, text

from errors import Conflict, InvalidInput
from extensions import writing
from models import HoldChange, Integration, Order, OrderLine, Oversell
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services.listings import manual_links
from services.order_basics import holds
from services.orders import (
    first_reading,
    held,
    rereading,
)
from services.orders import views as orders_views
from services.runs import lifecycle as runs_lifecycle
from services.stock import items
from services.sync import execution
from tests.support.rows import make_integration, make_order
from tests.support.shops import connect, do, products, settled, states


def detailed() -> list[held.Group]:
    found = held.groups()
    held.add_details(found)
    return found


def test_adding_the_unknown_sku_once_releases_every_order_it_held(app, db, shop):
    integration_id = connect(shop)
    with writing() as session:
        session.get(Integration, integration_id).take_shop_stock = False
    ids = products(shop)
    for _ in range(3):
        shop.store.place_order(lines=[(ids["CUP"], 1)])
    do(integration_id, "orders")
    do(integration_id, "listings")
    group = detailed()[0]
    assert (group.title, len(group.order_ids), group.listed) == ("SKU CUP is not one of our stock items", 3, True)
    assert items.add_stock_item("CUP", 2, "test").released == 3
    item = items.find_stock_item("CUP")
    assert (item.on_hand, item.reserved) == (2, 2)
    timeline = orders_views.order_page(1, with_customers=True).timeline
    lines = [(event.title, event.text) for event in timeline]
    assert ("Downloaded and put on hold", "SKU CUP is not one of our stock items.") in lines
    assert ("Released", "It was on hold: SKU CUP is not one of our stock items.") in lines
    assert states() == ["ready"] * 3 and held.groups() == []
    with pytest.raises(Conflict):
        items.add_stock_item("CUP", 2, "test")


def test_a_hold_that_reading_the_listings_ends_by_itself_is_not_in_the_timeline(app, db, shop):
    """At the first download orders come before the listings that name their stock items. Nobody held them."""
    ids = products(shop)
    shop.store.place_order(lines=[(ids["CUP"], 1)])
    gone = shop.store.add_product(sku="GONE", name="Gone", price=1, amount=1)
    shop.store.place_order(lines=[(ids["CUP"], 1), (gone, 1)])
    shop.store.delete_product(gone)
    integration_id = connect(shop)
    do(integration_id, "orders")
    assert states() == ["on_hold"] * 2
    assert [event.title for event in _timeline(1)] == ["Downloaded and put on hold", "Placed in the shop"]
    do(integration_id, "listings")
    do(integration_id, "stock")
    assert states() == ["ready", "on_hold"]
    assert [event.title for event in _timeline(1)] == ["Downloaded", "Placed in the shop"]
    first = _timeline(2)[-2]
    assert (first.title, first.text) == ("Downloaded and put on hold", "SKU GONE is not one of our stock items.")
    with writing() as session:
        for change in session.scalars(select(HoldChange)):
            change.at += timedelta(days=1)
    assert [event.title for event in _timeline(1)][0] == "Released"


def test_a_hold_that_a_person_ended_by_reading_the_listings_is_in_the_timeline(app, db, shop):
    shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    integration_id = connect(shop)
    do(integration_id, "orders")
    execution.perform(runs_lifecycle.start_run(integration_id, "listings", "user:ann").id)
    assert states() == ["ready"]
    assert [event.title for event in _timeline(1)] == ["Released", "Downloaded and put on hold", "Placed in the shop"]


def _timeline(order_id):
    return orders_views.order_page(order_id, with_customers=True).timeline


def test_linking_the_unknown_sku_to_our_own_releases_its_orders(app, db, shop):
    integration_id = connect(shop)
    with writing() as session:
        session.get(Integration, integration_id).take_shop_stock = False
    items.add_stock_item("OURS", 9, "test")
    shop.store.place_order(lines=[(products(shop)["CUP"], 2)])
    do(integration_id, "orders")
    do(integration_id, "listings")
    assert manual_links.link_sku("CUP", "OURS", "test") == 1
    assert (items.find_stock_item("OURS").reserved, states()) == (2, ["ready"])


def test_an_order_is_once_in_the_group_of_a_sku_that_several_of_its_lines_have(app, db, shop):
    integration_id = connect(shop)
    with writing() as session:
        session.get(Integration, integration_id).take_shop_stock = False
    cup = products(shop)["CUP"]
    shop.store.place_order(lines=[(cup, 1), (cup, 2), (cup, 1)])
    do(integration_id, "orders")
    with writing() as session:
        red, blue, spelled = session.scalars(select(OrderLine).order_by(OrderLine.position))
        red.name, blue.name, spelled.sku = "Cup (red)", "Cup (blue)", "cup "
        session.flush()
        holds.evaluate_stored([red.order_id])
    (group,) = detailed()
    assert group.reasons == [] and len(db.session.scalar(select(Order.reason_codes))) == 2
    assert (group.sku, group.name, len(group.order_ids), len(group.shown)) == ("CUP", "Cup (red)", 1, 1)


@pytest.mark.both_databases
def test_orders_are_grouped_by_what_they_say_of_themselves(db):
    """Lines without a SKU by their names, and orders that do not name a SKU apart, so that a person sees them too."""
    shop, other = make_integration(), make_integration("Other")
    said = "SKU CÜP is not one of our stock items."
    for number, integration, codes, reason in (
        ("1", shop, ["unknown_sku"], said),
        ("2", other, ["unknown_sku", "sums"], f"The sums disagree by 1 USD.\n{said.replace(chr(220), chr(252))}"),
        ("3", shop, ["unknown_sku"], "A line has no SKU: Set of 3."),
        ("4", shop, ["unknown_sku"], "Reworded."),
        ("5", shop, ["address"], "The order has no address."),
    ):
        line = "" if number == "3" else "cüp"
        make_order(integration, number, [(line, 1)], state="on_hold", held_codes=codes, held_reason=reason,
                   reason_codes=codes[::-1])  # fmt: skip
    make_order(shop, "6", [("NEW", 1)], state="ready")
    found = {group.title: group for group in detailed()}
    numbers = {title: [(number, name) for _, number, name in group.shown] for title, group in found.items()}
    assert numbers == {
        "SKU CÜP is not one of our stock items": [("1", "Shop"), ("2", "Other")],
        "A line has no SKU: Set of 3": [("3", "Shop")],
        "The SKU is not one of our stock items": [("4", "Shop")],
        "The sums disagree": [("2", "Other")],
        "There is no address": [("5", "Shop")],
    }
    assert next(iter(found)) == "SKU CÜP is not one of our stock items"
    assert found["A line has no SKU: Set of 3"].advice == held.WITHOUT_SKU
    assert found["SKU CÜP is not one of our stock items"].advice == held.NOT_LISTED
    assert found["The SKU is not one of our stock items"].advice == ""
    assert found["The sums disagree"].reasons == ["The sums disagree by 1 USD."]
    for group in found.values():
        assert held.ids_of(group.code, group.key) == group.order_ids
    assert held.ids_of("unknown_sku", "cüp") == held.ids_of("sums", "other") == []


@pytest.mark.both_databases
def test_only_orders_without_another_cause_wait_for_the_first_reading(app, db, shop):
    integration_id, ids = connect(shop), products(shop)
    for _ in range(3):
        shop.store.place_order(lines=[(ids["CUP"], 1)])
    do(integration_id, "orders")
    with writing() as session:
        order = session.scalars(select(Order).limit(1)).one()
        order.shipping_address = order.billing_address = None
        session.flush()
        holds.evaluate_stored([order.id])
    assert first_reading.count() == 0, "nothing is being read"
    runs_lifecycle.create_run(integration_id, "listings", "schedule")
    assert first_reading.count() == 2
    assert sorted((group.code, len(group.order_ids)) for group in held.groups()) == [
        ("address", 1), ("first_reading", 2), ("unknown_sku", 1),
    ]  # fmt: skip


@pytest.mark.one_database
def test_sqlite_reads_the_causes_in_an_index(db):
    """Those of a thousand orders took seven milliseconds from the orders themselves."""
    shop = make_integration()
    for number in range(20):
        make_order(shop, str(number), [], state="shipped" if number % 5 else "on_hold")
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    held.groups()
    plan = db.session.execute(text(f"EXPLAIN QUERY PLAN {statements[-1]}")).all()
    assert any("ix_order_causes" in row[3] for row in plan), plan


def test_an_accepted_cause_holds_no_more_also_when_read_again(app, db, shop):
    integration_id = settled(shop)
    with writing() as session:
        session.get(Integration, integration_id).with_back_orders = False
    items.set_stock("CUP", 0, "test")
    shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    do(integration_id, "orders")
    group = next(group for group in held.groups() if group.code == "short")
    assert held.accept("short", group.order_ids, "test") == 1
    assert states() == ["ready"]
    assert rereading.ask_again(group.order_ids).orders == 1
    assert do(integration_id, "orders").counts["read_again"] == 1
    assert rereading.evaluate_orders(group.order_ids, "test").orders == 1
    assert states() == ["ready"]
    with pytest.raises(InvalidInput):
        held.accept("unknown_sku", group.order_ids, "test")


def test_two_shops_that_sell_the_last_piece_at_once_show_it_on_both_orders(app, db, shop):
    store = Store()
    other_id = store.add_product(sku="CUP", name="Cup", price=12, amount=20)
    with PracticeShop(store=store) as other:
        one, two = settled(shop), settled(other, name="Other")
        items.set_stock("CUP", 1, "test")
        for integration_id in (one, two):
            do(integration_id, "stock")
        shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
        other.store.place_order(lines=[(other_id, 1)])
        do(one, "orders")
        do(two, "orders")
        orders = db.session.scalars(select(Order.id).order_by(Order.id)).all()
        assert orders_views.oversold(orders[0]) == ["CUP: this order took the last; order 1 of Other sold 1 that is not there."]
        assert orders_views.oversold(orders[1]) == ["CUP: 1 is missing, because order 1 of Shop took the last."]
        assert len(db.session.scalars(select(Oversell)).all()) == 1


def test_a_removed_or_stopped_run_is_no_reason_for_a_trace(app, db, shop):
    integration_id = settled(shop)
    run_id = runs_lifecycle.start_run(integration_id, "undo", "test").id
    run = execution.perform(run_id)
    assert run.outcome == "failed" and "does not say what" in run.error
    assert utcnow() > run.finished_at


def test_each_group_says_why_its_own_cause_holds_and_what_to_do(app, db, shop):
    shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    integration_id = connect(shop)
    do(integration_id, "listings")
    do(integration_id, "orders")
    with writing() as session:
        order = session.scalar(select(Order))
        order.shipping_address = order.billing_address = None
        order.currency, order.problems = "", ["The shop could not give this order in full."]
        session.flush()
        holds.evaluate_stored([order.id])
    said = {group.code: group.reasons for group in held.groups()}
    assert said.pop("unknown_sku", []) == []
    assert said == {
        "address": ["The order has no address."],
        "currency": ["The order has no currency."],
        "unreadable": ["The shop could not give this order in full."],
    }
    with writing() as session:
        order = session.scalar(select(Order))
        order.held_reason = "\n".join(f"Reworded {place}." for place, _ in enumerate(order.reason_codes))
    assert {group.code: group.reasons for group in held.groups() if group.code != "unknown_sku"} == {
        "unreadable": ["Reworded 0."],
        "currency": ["Reworded 1."],
        "address": ["Reworded 2."],
    }
    assert held.WHAT_TO_DO.keys() | {"unknown_sku"} == held.WORDS.keys()
