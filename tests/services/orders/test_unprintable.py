"""Orders the shop cannot print, read by date and by change: named, held, asked for again at growing intervals, and completed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from extensions import writing
from models import Incident, Order, RunItem, UnreadableOrder
from practice_shop import PracticeShop, Store
from services.monitoring import incidents
from tests.support.shops import connect, do

pytestmark = pytest.mark.one_database

EARLIER = timedelta(minutes=90)


def filled(number: int = 12) -> Store:
    store = Store()
    for sku in ("CUP", "PLATE"):
        store.add_product(sku=sku, name=sku.title(), price=10, amount=500)
    now = datetime.now(UTC)
    for each in range(number):
        store.place_order([(1, 1)], at=now - EARLIER + timedelta(minutes=each))
    return store


@pytest.fixture
def api_shop(app, db):
    with PracticeShop(store=filled(), generation="api") as shop:
        yield shop


def order(db, external_id: int) -> Order | None:
    db.session.rollback()
    return db.session.scalar(select(Order).where(Order.external_id == str(external_id)))


def due_now() -> None:
    with writing() as session:
        session.execute(update(UnreadableOrder).values(next_at=datetime.now(UTC) - timedelta(minutes=1)))


@pytest.mark.parametrize("how", ["product", "currency", "status"])
def test_a_new_order_read_by_change_is_named_and_held(db, api_shop, how):
    integration_id = connect(api_shop)
    do(integration_id, "orders")
    do(integration_id, "orders")
    store = api_shop.store
    bad = store.place_order([(1, 1)], payment="P")
    store.break_order(bad, how)
    good = store.place_order([(2, 1)])
    run = do(integration_id, "orders")
    assert run.outcome == "partial" and str(bad) in " ".join(run.warnings)
    assert [item.external_id for item in db.session.scalars(select(RunItem).where(RunItem.run_id == run.id))] == [str(bad)]
    held = order(db, bad)
    assert (held.state, held.held_codes, held.shipping_status) == ("on_hold", ["unreadable"], "N")
    assert held.payment_status == ("" if how == "status" else "P")
    assert f"Its number seems to be {bad}. Its payment:" in held.held_reason and abs(
        held.placed_at - datetime.now(UTC)
    ) < timedelta(minutes=5)
    assert order(db, good).state != "on_hold" or "unreadable" not in order(db, good).held_codes


def test_later_runs_pass_over_it_for_few_requests_and_still_name_it(db, api_shop):
    integration_id = connect(api_shop)
    do(integration_id, "orders")
    bad = api_shop.store.place_order([(1, 1)])
    api_shop.store.break_order(bad)
    do(integration_id, "orders")
    for _ in range(3):
        api_shop.clear_requests()
        run = do(integration_id, "orders")
        assert (run.outcome, len(api_shop.requests)) <= ("done", 3)
        assert str(bad) in " ".join(run.warnings)
    # New orders above it are found, and cost few requests too.
    for second in range(1, 4):
        # In a separate second: among orders of one second the new one may lie below, which costs a few requests more.
        new = api_shop.store.place_order([(1, 1)], at=datetime.now(UTC) + timedelta(seconds=2 * second))
        api_shop.clear_requests()
        do(integration_id, "orders")
        assert order(db, new) is not None
        assert len(api_shop.requests) <= 12
    api_shop.clear_requests()
    assert do(integration_id, "orders").outcome == "done"
    assert len(api_shop.requests) <= 3


@pytest.mark.parametrize("places", [(0,), (11,), (4,), (0, 1, 2), (10, 11), (3, 4, 5, 6), (0, 5, 11)])
def test_several_orders_wherever_they_lie(db, api_shop, places):
    """Known orders that become unprintable and are changed in the shop: newest, oldest, next to each other."""
    integration_id = connect(api_shop)
    do(integration_id, "orders")
    do(integration_id, "orders")
    ids = list(api_shop.store.orders)
    for each in ids:
        api_shop.store.set_status(each, shipping="P")
    for place in places:
        api_shop.store.break_order(ids[place])
    run = do(integration_id, "orders")
    assert {item.external_id for item in db.session.scalars(select(RunItem).where(RunItem.run_id == run.id))} == {
        str(ids[place]) for place in places
    }
    for place, each in enumerate(ids):
        assert order(db, each).shipping_status == "P"
        assert ("unreadable" in order(db, each).held_codes) is (place in places)
    assert len(list(db.session.scalars(select(Order)))) == len(ids)
    assert do(integration_id, "orders").outcome == "done"


@pytest.mark.parametrize("first", [True, False])
def test_one_that_is_repaired_later_is_completed_once(db, api_shop, first):
    """``lastRenewDate`` does not move when the fault is repaired (5.5, observed)."""
    integration_id = connect(api_shop)
    if not first:
        do(integration_id, "orders")
    bad = [api_shop.store.place_order([(1, 2)]) for _ in range(2)]
    for each in bad:
        api_shop.store.break_order(each)
    do(integration_id, "orders")
    do(integration_id, "orders")
    assert all(order(db, each).lines == [] for each in bad)
    api_shop.store.repair_order(bad[0])
    due_now()
    do(integration_id, "orders")
    repaired = order(db, bad[0])
    assert ([line.quantity for line in repaired.lines], repaired.number) == ([2], str(bad[0]))
    assert "unreadable" not in repaired.held_codes and order(db, bad[1]).held_codes == ["unreadable"]
    api_shop.store.repair_order(bad[1])
    due_now()
    do(integration_id, "orders")
    assert len(list(db.session.scalars(select(Order)))) == len(api_shop.store.orders)
    assert not list(db.session.scalars(select(UnreadableOrder)))
    api_shop.clear_requests()
    run = do(integration_id, "orders")
    run = do(integration_id, "orders")
    assert (run.outcome, run.warnings) == ("done", [])


def test_a_known_order_that_becomes_unprintable_and_is_cancelled_does_not_stay_ready(db, api_shop):
    """Order 75 of the observed shop: its product was deleted, then it was cancelled."""
    integration_id = connect(api_shop)
    do(integration_id, "listings")
    do(integration_id, "stock")
    known = list(api_shop.store.orders)[5]
    assert order(db, known).state == "ready"
    api_shop.store.break_order(known)
    api_shop.store.set_status(known, payment="C")
    do(integration_id, "orders")
    assert (order(db, known).state, order(db, known).payment_status) == ("cancelled", "C")
    assert [line.reserved for line in order(db, known).lines] == [0]


def test_one_that_stays_unpaid_is_held_and_then_cancelled(db, api_shop):
    """It moves to the top again with each change, and is known to be unprintable by then."""
    integration_id = connect(api_shop)
    do(integration_id, "orders")
    known = list(api_shop.store.orders)[5]
    api_shop.store.break_order(known)
    api_shop.store.set_status(known, shipping="P")
    do(integration_id, "orders")
    held = order(db, known)
    assert (held.state, held.shipping_status) == ("on_hold", "P") and "unreadable" in held.held_codes
    assert len(held.lines) == 1
    do(integration_id, "orders")
    api_shop.store.place_order([(1, 1)])
    do(integration_id, "orders")
    api_shop.store.orders[known].renewed += 5
    api_shop.store.set_status(known, payment="C")
    api_shop.store.orders[known].renewed += 5
    do(integration_id, "orders")
    assert (order(db, known).state, order(db, known).payment_status) == ("cancelled", "C")


def test_one_whose_id_cannot_be_found_out_is_never_passed_over_without_a_word(db, api_shop):
    """An order from before the start date is not stored, so nothing says which id it may have."""
    old = list(api_shop.store.orders)[3]
    api_shop.store.orders[old].date -= 90 * 86400
    integration_id = connect(api_shop)
    do(integration_id, "orders")
    do(integration_id, "orders")
    api_shop.store.break_order(old)
    api_shop.store.set_status(old, shipping="P")
    for _ in range(2):
        api_shop.clear_requests()
        run = do(integration_id, "orders")
        assert run.outcome == "partial" and "ids are not known" in " ".join(run.warnings)
    assert len(api_shop.requests) <= 5
    incidents.review(integration_id)
    assert "orders_unidentified" in list(db.session.scalars(select(Incident.cause).where(Incident.resolved_at.is_(None))))


def test_one_that_lies_behind_what_is_read_costs_nothing_twice(db, api_shop):
    """Deleting a product breaks old orders without changing them: they may be on the first page."""
    integration_id = connect(api_shop)
    do(integration_id, "orders")
    do(integration_id, "orders")
    ids = list(api_shop.store.orders)
    api_shop.store.break_order(ids[-5])
    for _ in range(3):
        new = api_shop.store.place_order([(2, 1)])
        do(integration_id, "orders")
        assert order(db, new) is not None
    api_shop.clear_requests()
    do(integration_id, "orders")
    assert len(api_shop.requests) <= 3


def test_the_add_on_gives_such_an_order_in_part_and_whole_once_it_is_repaired(app, db):
    with PracticeShop(store=filled(), generation="addon") as shop:
        integration_id = connect(shop)
        do(integration_id, "orders")
        bad = shop.store.place_order([(1, 2)])
        shop.store.break_order(bad, "profile")
        do(integration_id, "orders")
        assert [line.quantity for line in order(db, bad).lines] == [2] and "unreadable" in order(db, bad).held_codes
        shop.clear_requests()
        run = do(integration_id, "orders")
        assert (run.outcome, len(shop.requests)) <= ("done", 3)
        new = shop.store.place_order([(1, 1)])
        shop.clear_requests()
        do(integration_id, "orders")
        assert order(db, new) is not None and len(shop.requests) <= 8
        shop.store.repair_order(bad)
        due_now()
        do(integration_id, "orders")
        assert "unreadable" not in order(db, bad).held_codes and order(db, bad).email


def test_a_shop_that_always_fails_at_changes_is_asked_twice_in_a_reading(api_shop):
    """Polls and all else work. The run fails with the reason, and what comes later finds the orders again."""
    integration_id = connect(api_shop)
    assert do(integration_id, "orders").outcome == "done"
    api_shop.faults.add("status_500", True, match="lastRenewDate%5Bafter")
    api_shop.store.place_order(lines=[(1, 1)])
    for _ in range(3):
        failed = do(integration_id, "orders")
        assert failed.outcome == "failed" and "error" in failed.error and failed.requests <= 3
    api_shop.faults.clear()
    assert do(integration_id, "orders").outcome == "done"


def test_a_shop_that_can_print_no_order_any_more_is_not_asked_for_each_of_them(api_shop):
    """As after an update of one of its modules. What it says beyond the end of its list, and of statuses, is right."""
    integration_id = connect(api_shop)
    assert do(integration_id, "orders").outcome == "done"
    assert do(integration_id, "orders").outcome == "done"
    for each in list(api_shop.store.orders):
        api_shop.store.break_order(each)
    for _ in range(3):
        failed = do(integration_id, "orders")
        assert failed.outcome == "failed" and "every order" in failed.error and failed.requests <= 20
