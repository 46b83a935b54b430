"""Quiet shops are polled: one cheap question, no run; and whatever has changed is read by a run at once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from extensions import db, writing
from models import Flow, FlowKind, Integration, Order, SyncRun
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services.integrations import lifecycle
from services.operations import metrics
from services.sync import polls, schedule
from tests.support.kept import set_up_once
from tests.support.shops import connect, do


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A busy machine that runs the tests makes no shop a slow one."""
    monkeypatch.setattr(polls, "SLOW", 30.0)


@pytest.fixture(params=["addon", "api"])
def shop(request):
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    for hours in range(8, 1, -1):
        store.place_order([(1, 1)], at=utcnow() - timedelta(hours=hours))
    with PracticeShop(store=store, generation=request.param) as shop:
        yield shop


@pytest.fixture
def integration_id(app, shop, request):
    """An integration whose orders are read, and whose first poll has been made: its next one finds nothing new."""

    def read_and_poll():
        integration_id = connect(shop)
        polls.plan(do(integration_id, "orders"))
        assert due_now() == [integration_id]
        polls.plan(do(integration_id, "orders"))
        shop.clear_requests()
        return integration_id

    return set_up_once(request, app, shop, read_and_poll)


def flow(integration_id: int, kind: str = FlowKind.ORDERS) -> Flow:
    db.session.rollback()
    return db.session.scalars(select(Flow).where(Flow.integration_id == integration_id, Flow.kind == kind)).one()


def due_now(slow: bool = False) -> list[int] | None:
    """Polls whatever has an orders flow, as if an interval had passed."""
    with writing() as session:
        session.execute(update(Flow).where(Flow.poll_due_at.is_not(None)).values(poll_due_at=utcnow()))
    return poll(slow)


def poll(slow: bool = False) -> list[int] | None:
    """Polls what is due. The integrations whose orders are due for a run now; None if nothing was due."""
    batches = list(polls.poll(slow, lambda: True))
    return [integration_id for batch in batches for integration_id in batch] if batches else None


def runs() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count(SyncRun.id))) or 0


def test_a_quiet_shop_is_asked_one_question_and_no_run_is_made(integration_id, shop):
    before = runs()
    for number in range(1, 4):
        assert due_now() == []
        assert (runs(), len(shop.requests)) == (before, number)
    found = flow(integration_id)
    assert (found.polls, found.polled_on, found.slow) == (4, utcnow().date(), False)
    assert found.poll_due_at - utcnow() > timedelta(seconds=290)
    assert utcnow() - found.succeeded_at < timedelta(seconds=30)
    assert schedule.start_due_runs(kinds=(FlowKind.ORDERS,)) == []


def test_polls_are_counted_by_what_they_found(integration_id, shop):
    before = dict(metrics.read_metrics().polls)
    due_now()
    shop.store.place_order([(1, 1)])
    due_now()
    shop.faults.add("status_500", True)
    with writing() as session:
        session.execute(update(Flow).where(Flow.kind == FlowKind.ORDERS).values(poll_due_at=utcnow()))
    due_now()
    assert metrics.read_metrics().polls == {found: number + 1 for found, number in before.items()}


def test_a_full_page_is_planned_within_the_hour_and_a_run_within_the_day_after(integration_id):
    assert timedelta(minutes=50) < flow(integration_id).page_due_at - utcnow() < timedelta(minutes=70)
    assert timedelta(hours=24) < flow(integration_id).due_at - utcnow() < timedelta(hours=32)
    assert flow(integration_id).next_at == flow(integration_id).poll_due_at


@pytest.mark.parametrize("what", ["new order", "payment", "deletion", "edit"])
def test_what_has_changed_is_read_by_a_run(integration_id, shop, what):
    newest = max(shop.store.orders)
    if what == "new order":
        shop.store.place_order([(1, 2)])
    elif what == "payment":
        shop.store.set_status(newest, payment="C")
    elif what == "deletion":
        shop.store.delete_order(newest)
    else:
        shop.store.edit_order(newest, lines=[(1, 5)])
    assert due_now() == [integration_id]
    assert len(schedule.start_due_runs(kinds=(FlowKind.ORDERS,))) == 1
    assert flow(integration_id).poll_due_at is None


def test_a_change_in_the_second_of_the_poll_is_asked_about_again(integration_id, shop):
    newest = max(shop.store.orders)
    shop.store.set_status(newest, payment="C")
    assert due_now() == [integration_id]
    polls.plan(do(integration_id, "orders"))
    # The digest of a row that may still be changing is not kept.
    assert flow(integration_id).newest is None
    assert due_now() == [integration_id]


def test_a_run_that_is_due_or_under_way_is_not_replaced_by_a_poll(integration_id, shop):
    with writing() as session:
        session.execute(update(Flow).where(Flow.kind == FlowKind.ORDERS).values(due_at=utcnow()))
    assert len(schedule.start_due_runs(kinds=(FlowKind.ORDERS,))) == 1
    assert due_now() is None
    assert shop.requests == []


def test_a_disabled_integration_is_not_asked(integration_id, shop):
    lifecycle.set_enabled(integration_id, False, "test")
    assert due_now() is None
    assert shop.requests == []


def test_an_integration_that_is_switched_off_in_the_middle_of_a_batch_is_not_asked(integration_id, shop, monkeypatch):
    claim = polls._claim

    def then_disabled(slow: bool):
        claimed = claim(slow)
        lifecycle.set_enabled(integration_id, False, "test")
        return claimed

    monkeypatch.setattr(polls, "_claim", then_disabled)
    assert due_now() == []
    assert shop.requests == []


def test_a_rejected_key_stops_at_the_poll(integration_id, shop):
    shop.key = "another key"
    assert due_now() == []
    db.session.rollback()
    assert db.session.get_one(Integration, integration_id).health == "needs_reauthorising"
    assert due_now() is None
    assert schedule.start_due_runs() == []


def test_a_shop_that_fails_gets_a_run_which_says_so(integration_id, shop):
    shop.faults.add("status_500", True)
    assert due_now() == [integration_id]
    run = do(integration_id, "orders")
    assert run.outcome == "failed"
    polls.plan(run)
    # A flow that fails is tried again by runs, and not polled.
    assert flow(integration_id).poll_due_at is None


def test_a_slow_shop_is_polled_among_the_slow_ones(integration_id, shop, monkeypatch):
    shop.faults.add("latency_ms", 700.0)
    with monkeypatch.context() as changed:
        changed.setattr(polls, "SLOW", 0.5)
        assert due_now() == []
    assert flow(integration_id).slow
    assert due_now() is None
    shop.faults.clear()
    assert due_now(slow=True) == []
    assert not flow(integration_id).slow


@pytest.mark.both_databases
def test_two_workers_share_what_is_due_and_a_dead_one_delays_it_by_minutes_only(integration_id, shop, app):
    with writing() as session:
        session.execute(update(Flow).where(Flow.poll_due_at.is_not(None)).values(poll_due_at=utcnow()))
    claimed: list[list] = []

    def claim() -> None:
        with app.app_context():
            claimed.append(polls._claim(False))
            db.session.remove()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert sorted(map(len, claimed)) == [0, 0, 0, 1]
    assert poll() is None
    assert flow(integration_id).poll_due_at - utcnow() < timedelta(minutes=4)
    assert due_now() == []


def test_only_a_complete_reading_of_orders_is_followed_by_polls(integration_id):
    for kind, outcome, steps, polled in (
        ("orders", "partial", {}, False),
        ("stock", "done", {}, False),
        ("stock", "done", {"orders": {"outcome": "partial"}}, False),
        ("stock", "partial", {"orders": {"outcome": "done"}}, True),
    ):
        with writing() as session:
            session.execute(update(Flow).values(poll_due_at=None))
        polls.plan(SyncRun(integration_id=integration_id, kind=kind, outcome=outcome, steps=steps))
        assert (flow(integration_id).poll_due_at is not None) is polled, (kind, outcome, steps)


def test_orders_changed_between_polls_are_all_read(integration_id, shop):
    for _ in range(12):
        shop.store.place_order([(1, 1)])
    assert due_now() == [integration_id]
    do(integration_id, "orders")
    assert db.session.scalar(select(func.count(Order.id))) == len(shop.store.orders)


def page_due() -> list[int] | None:
    """Polls every flow as if an hour had passed: the poll reads a full page."""
    with writing() as session:
        session.execute(update(Flow).where(Flow.poll_due_at.is_not(None)).values(page_due_at=utcnow()))
    return due_now()


def digests(shop) -> set[bytes]:
    db.session.rollback()
    return set(db.session.scalars(select(Order.digest)))


def read(integration_id: int) -> SyncRun:
    run = do(integration_id, "orders")
    polls.plan(run)
    return run


def test_a_full_page_an_hour_is_one_request_and_leaves_no_run(integration_id, shop):
    before = runs()
    for number in range(1, 4):
        assert page_due() == []
        assert (runs(), len(shop.requests)) == (before, number)
    found = flow(integration_id)
    assert found.page_digest is not None and not found.slow
    assert timedelta(minutes=50) < found.page_due_at - utcnow() < timedelta(minutes=70)
    assert due_now() == []


@pytest.mark.parametrize("known", [False, True], ids=["first page", "later page"])
def test_what_moves_no_time_of_change_is_found_by_the_full_page(integration_id, shop, known):
    """A tracking number that somebody adds in the shop does not move lastRenewDate (X-Cart 5.4, observed)."""
    if known:
        assert page_due() == []
    oldest = min(shop.store.orders)
    shop.store.add_tracking(shop.store.orders[oldest], "1Z999")
    assert due_now() == []
    assert page_due() == [integration_id]
    assert utcnow() - flow(integration_id).changed_at < timedelta(seconds=30)
    assert read(integration_id).counts["changed"] == 1
    assert ["1Z999"] in db.session.scalars(select(Order.tracking_numbers)).all()
    assert page_due() == []


def test_an_order_without_a_time_of_its_last_change_is_found_by_the_full_page(integration_id, shop):
    """An import put it into the shop. It is the last of the list by change, and no reading by change goes so far."""
    imported = shop.store.orders[shop.store.place_order([(1, 2)], at=utcnow() - timedelta(hours=5))]
    imported.renewed = 0
    shop.store.touch_order(imported, renewed=False)
    assert page_due() == [integration_id]
    assert read(integration_id).outcome == "done"
    assert db.session.scalar(select(func.count(Order.id))) == len(shop.store.orders)
    assert page_due() == []


def test_an_open_order_that_was_deleted_below_the_newest_is_found_by_the_full_page(integration_id, shop):
    oldest = min(shop.store.orders)
    shop.store.delete_order(oldest)
    assert due_now() == []
    assert page_due() == [integration_id]
    assert read(integration_id).counts["deleted_in_shop"] == 1
    db.session.rollback()
    assert db.session.scalar(select(Order.gone_at).where(Order.external_id == str(oldest))) is not None
    assert page_due() == []


def test_open_orders_that_the_full_page_shows_need_not_be_asked_for(integration_id, shop):
    assert page_due() == []
    with writing() as session:
        session.execute(update(Order).values(seen_at=utcnow() - timedelta(hours=7)))
    shop.clear_requests()
    assert page_due() == []
    assert len(shop.requests) == 1
    read(integration_id)
    assert len(shop.requests) == 2


def test_orders_that_wait_to_be_asked_for_get_a_run(integration_id, shop):
    with writing() as session:
        session.execute(update(Order).where(Order.external_id == str(min(shop.store.orders))).values(reread_due=True))
    assert due_now() == []
    assert page_due() == [integration_id]
    assert flow(integration_id).changed_at is None or utcnow() - flow(integration_id).changed_at > timedelta(seconds=0)
    assert read(integration_id).counts["read_again"] == 1
    assert page_due() == []


def test_a_page_that_fails_gets_a_run_which_says_so(integration_id, shop):
    shop.faults.add("status_500", True)
    assert page_due() == [integration_id]


def test_an_order_that_the_shop_cannot_print_disturbs_polls_no_longer(app):
    store = Store()
    store.add_product(sku="CUP", name="Cup", price=10, amount=20)
    for hours in range(8, 1, -1):
        store.place_order([(1, 1)], at=utcnow() - timedelta(hours=hours))
    with PracticeShop(store=store, generation="api") as shop:
        integration_id = connect(shop)
        for minutes, faulty in ((30, max(store.orders)), (20, max(store.orders) - 2)):
            store.break_order(faulty, "product")
            for _ in range(3):
                read(integration_id)
            shop.clear_requests()
            due_now()
            read(integration_id)
            assert due_now() == [], faulty
            assert page_due() == [], faulty
            store.place_order([(1, 1)], at=utcnow() - timedelta(minutes=minutes))
            assert due_now() == [integration_id]
            assert read(integration_id).outcome == "done"


def test_one_shop_that_does_not_answer_holds_up_no_other_of_its_batch(app, shop, monkeypatch):
    monkeypatch.setattr(polls, "SETTLE_EVERY", 0.2)
    with PracticeShop(store=Store(), generation="addon") as hanging:
        ids = [connect(shop, name="Good"), connect(hanging, name="Hanging")]
        for each in ids:
            read(each)
        due_now()
        for each in ids:
            read(each)
        hanging.faults.add("latency_ms", 3000.0)
        with writing() as session:
            session.execute(update(Flow).where(Flow.poll_due_at.is_not(None)).values(poll_due_at=utcnow()))
        settled = polls.poll(False, lambda: True)
        assert next(settled) == []
        assert flow(ids[0]).poll_due_at - utcnow() > timedelta(seconds=280)
        assert flow(ids[1]).poll_due_at - utcnow() < timedelta(seconds=215)
        list(settled)
    assert flow(ids[1]).poll_due_at - utcnow() > timedelta(seconds=280)


@pytest.mark.config(read_timeout=1, total_timeout=1)
def test_a_shop_that_does_not_answer_in_time_is_left_alone_for_a_while(integration_id, shop):
    shop.faults.add("latency_ms", 2500.0)
    assert due_now() == []
    found = flow(integration_id)
    assert (found.failures, found.poll_due_at) == (1, None)
    assert found.retry_at > utcnow()
    assert schedule.start_due_runs(kinds=(FlowKind.ORDERS,)) == []


def test_a_key_that_cannot_be_decrypted_stops_no_other_shop_of_the_batch(integration_id, shop):
    with PracticeShop(store=Store(), generation="addon") as other:
        second = connect(other, name="Second")
        read(second)
        due_now()
        read(second)
        with writing() as session:
            session.execute(update(Integration).where(Integration.id == second).values(key_encrypted=b"nonsense"))
        assert due_now() == [second]
        assert flow(integration_id).poll_due_at is not None
