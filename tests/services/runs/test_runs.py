"""A run has one owner at a time, and nothing is written by anybody else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet, MultiFernet

from errors import AlreadyRunning, Conflict, LeaseLost, StopRequested, SwitchedOff
from extensions import db as database
from extensions import writing
from models import FlowKind, Integration, StockItem, SyncRun
from models.types import utcnow
from practice_shop import PracticeShop
from services.integrations import lifecycle
from services.runs import lifecycle as runs_lifecycle
from services.security import vault
from services.shops import finding, flows
from services.stock import items, ledger
from services.sync import execution, schedule
from tests.support.rows import make_integration, make_item
from tests.support.shops import connect, do


def started(kind: str = "orders") -> tuple[int, SyncRun]:
    integration_id = make_integration().id
    return integration_id, runs_lifecycle.start_run(integration_id, kind, "test")


def test_only_one_run_of_a_kind_lives_at_a_time(app):
    integration_id, run = started()
    with pytest.raises(AlreadyRunning) as refused:
        runs_lifecycle.start_run(integration_id, "orders", "test")
    assert refused.value.run_id == run.id
    assert runs_lifecycle.start_run(integration_id, "stock", "test").kind == "stock"
    runs_lifecycle.finish(runs_lifecycle.claim(run.id), "done")
    assert runs_lifecycle.start_run(integration_id, "orders", "test").id != run.id


def test_a_disabled_integration_starts_nothing(app):
    integration_id, run = started()
    lifecycle.set_enabled(integration_id, False, "test")
    assert runs_lifecycle.find_run(run.id).outcome == "stopped"
    with pytest.raises(Conflict):
        runs_lifecycle.start_run(integration_id, "orders", "test")


def race(app, act, times: int = 8) -> list[object]:
    """Call ``act`` in several threads at once; answers with what each returned or raised."""
    barrier = threading.Barrier(times)
    results: list[object] = []

    def one() -> None:
        with app.app_context():
            barrier.wait(10)
            try:
                results.append(act())
            except Exception as error:
                results.append(error)
            finally:
                database.session.remove()

    threads = [threading.Thread(target=one) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    return results


def test_a_run_that_many_want_is_claimed_by_one(app):
    _, run = started()
    run_id = run.id
    assert sum(result is not None for result in race(app, lambda: runs_lifecycle.claim(run_id))) == 1


def test_many_schedulers_start_one_run_each_kind(app):
    make_integration()
    results = race(app, schedule.start_due_runs, times=5)
    assert sorted(len(result) for result in results if isinstance(result, list))[-1] >= 1
    assert database.session.query(SyncRun).count() == 3


def test_a_stranger_commits_nothing(app):
    """A worker that was taken for dead comes back: its page is refused whole."""
    integration_id, run = started()
    item_id = make_item("CUP").id
    late = runs_lifecycle.claim(run.id)
    with writing() as session:
        session.get(SyncRun, run.id).lease_until = utcnow() - timedelta(seconds=1)
    assert runs_lifecycle.release_dead_runs() == [run.id]
    assert runs_lifecycle.find_run(run.id).outcome == "lost"
    with pytest.raises(LeaseLost), late.page() as session:
        session.get(StockItem, item_id).on_hand = 99
    assert database.session.get(StockItem, item_id).on_hand == 10
    with pytest.raises(LeaseLost):
        late.gate()
    with pytest.raises(LeaseLost):
        runs_lifecycle.finish(late, "done")
    assert database.session.get(Integration, integration_id).flows["orders"].due_at <= utcnow()


def test_a_lease_that_is_kept_alive_is_not_released(app):
    _, run = started()
    lease = runs_lifecycle.claim(run.id)
    lease.count("new", 3)
    lease.extend()
    assert runs_lifecycle.release_dead_runs() == []
    assert runs_lifecycle.find_run(run.id).counts == {"new": 3}


def test_the_gate_closes_when_the_integration_is_switched_off_or_the_run_is_stopped(app):
    integration_id, run = started()
    lease = runs_lifecycle.claim(run.id)
    lease.gate()
    runs_lifecycle.request_stop(run.id)
    with pytest.raises(StopRequested):
        lease.gate()
    lifecycle.set_enabled(integration_id, False, "test")
    with pytest.raises(SwitchedOff):
        lease.gate()


def test_the_gate_may_be_asked_by_the_thread_that_connects(app):
    """A channel sends many requests at once, from its own threads, in a copy of the run's context."""
    integration_id, run = started()
    lease = runs_lifecycle.claim(run.id)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(copy_context().run, lease.gate).result()
        lifecycle.set_enabled(integration_id, False, "test")
        with pytest.raises(SwitchedOff):
            pool.submit(copy_context().run, lease.gate).result()


def test_a_page_that_comes_after_the_removal_is_refused(app):
    """Removed, and perhaps added again, while a request was on the wire: what it brought belongs to nobody any more."""
    integration_id, run = started()
    item_id = make_item("CUP").id
    lease = runs_lifecycle.claim(run.id)
    lifecycle.remove_integration(integration_id, "test")
    with pytest.raises(SwitchedOff), lease.page() as session:
        session.get(StockItem, item_id).on_hand = 99
    assert database.session.get(StockItem, item_id).on_hand == 10
    runs_lifecycle.finish(lease, "stopped")


def test_a_page_that_comes_after_the_switch_is_kept(app):
    integration_id, run = started()
    item_id = make_item("CUP").id
    lease = runs_lifecycle.claim(run.id)
    lifecycle.set_enabled(integration_id, False, "test")
    with lease.page() as session:
        session.get(StockItem, item_id).on_hand = 99
    assert database.session.get(StockItem, item_id).on_hand == 99


def test_pausing_keeps_what_was_counted_and_lets_another_worker_continue(app):
    _, run = started()
    lease = runs_lifecycle.claim(run.id)
    lease.done, lease.requests = 100, 7
    runs_lifecycle.pause(lease)
    assert schedule.waiting_runs() == [run.id]
    again = runs_lifecycle.claim(run.id)
    assert (again.done, again.requests_before) == (100, 7)
    with pytest.raises(LeaseLost):
        lease.extend()


def test_a_run_that_waits_is_not_enqueued_before_its_time(app):
    _, run = started()
    runs_lifecycle.pause(runs_lifecycle.claim(run.id), seconds=60)
    assert schedule.waiting_runs() == []


def test_concurrent_writers_lose_nothing(app):
    """Deferred transactions would lose this race on SQLite, and unlocked reads on PostgreSQL."""
    item_id = make_item("CUP", on_hand=0).id

    def add_one() -> None:
        with writing():
            item = ledger.load_items([item_id])[item_id]
            ledger.enter(item, ledger.Reason("test", "set"), on_hand=1)

    assert race(app, add_one, times=12) == [None] * 12
    database.session.rollback()
    assert items.find_stock_item("CUP").on_hand == 12


def test_a_run_that_asks_the_shop_nothing_says_nothing_of_its_health(app, db, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    shop.stop()
    assert do(integration_id, "orders").outcome == "failed"
    assert do(integration_id, "stock").outcome == "done"
    integration = db.session.get(Integration, integration_id, populate_existing=True)
    assert (integration.health, integration.flows["orders"].failures) == ("retrying", 1)


def test_a_lost_keyring_fails_one_run_an_interval(app, db, shop):
    connect(shop)
    app.extensions["cartlink.keyring"].ring = MultiFernet([Fernet(Fernet.generate_key())])
    for _ in range(3):
        for run_id in schedule.start_due_runs():
            assert execution.work(run_id).outcome == "failed"
    assert database.session.query(SyncRun).count() == 3


def test_a_run_in_place_does_not_wait_for_a_dead_one_that_nobody_releases(app, db, shop):
    """Without workers and a scheduler `sync stock --now` is on its own."""
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 9, "test")
    dead = runs_lifecycle.start_run(integration_id, "orders", "test").id
    runs_lifecycle.claim(dead)
    with writing() as session:
        assert flows.take(integration_id, FlowKind.ORDERS, dead)
        session.get(SyncRun, dead).lease_until = utcnow() - timedelta(seconds=1)
    assert do(integration_id, "stock").outcome == "done"
    assert runs_lifecycle.find_run(dead).outcome == "lost"


def test_what_a_shop_says_of_the_old_key_is_not_held_against_a_new_one(app, db):
    with PracticeShop(products=5, orders=250, days=10, seed=2) as shop:
        integration_id = connect(shop)

        def new_key() -> bool:
            shop.key = "brand-new-key-1234"
            with writing() as session:
                session.get(Integration, integration_id).key_encrypted = vault.encrypt(shop.key)
            return False

        run = execution.work(runs_lifecycle.start_run(integration_id, "orders", "schedule").id, stopping=new_key)
        assert (run.outcome, run.error_code) == ("failed", "wrong_key")
        assert db.session.get(Integration, integration_id, populate_existing=True).active
        assert do(integration_id, "orders").outcome == "done"


@pytest.mark.parametrize(("actor", "asked"), [("schedule", False), ("run:1", False), ("cli:ann", True)])
def test_a_rejected_key_is_tried_again_by_a_person_only(app, db, shop, actor, asked):
    integration_id = connect(shop)
    run_id = runs_lifecycle.start_run(integration_id, "listings", actor).id
    shop.key = shop.read_key = "another-key-entirely"
    assert do(integration_id, "orders").error_code == "wrong_key"
    shop.clear_requests()
    assert execution.perform(run_id).outcome == ("failed" if asked else "stopped")
    assert bool(shop.requests) == asked


def test_a_database_server_that_was_restarted_is_not_noticed(app, database_url, request):
    """A restart closes the connections that are kept; the next request is not the one to learn it."""
    integration_id = make_integration().id
    assert finding.get_integration(integration_id)
    database.session.rollback()
    if database_url.startswith("postgresql"):
        server = request.getfixturevalue("postgres")
        server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.engine.url.database}'")
    assert finding.get_integration(integration_id)
    database.session.rollback()
    lifecycle.set_enabled(integration_id, False, "test")


def test_a_stock_run_respects_the_back_off_of_the_orders_it_needs(app):
    """An outage: the order runs are tried later and later, and no stock run goes round that by asking for orders itself."""
    with PracticeShop(products=3, orders=5) as shop:
        integration_id = connect(shop)
        for kind in ("orders", "listings", "stock"):
            do(integration_id, kind)
        sku = next(iter(shop.store.products.values())).sku
        items.set_stock(sku, 77, "test")
        shop.mode.php_down = True
        assert do(integration_id, "orders").outcome == "failed"
        shop.clear_requests()
        for _ in range(3):
            run = execution.perform(runs_lifecycle.start_run(integration_id, "stock", "schedule").id)
            assert run.outcome == "stopped" and "left alone" in run.error, (run.error, run.requests)
        assert shop.requests == []
        integration = database.session.get(Integration, integration_id)
        assert integration.flows["stock"].due_at >= integration.flows["orders"].due_at > utcnow()
        # A person who wants to know now is not kept waiting.
        assert execution.perform(runs_lifecycle.start_run(integration_id, "stock", "user:ann").id).outcome == "failed"
        assert shop.requests
        # The outage ends, the time has come.
        shop.mode.php_down = False
        with writing() as session:
            session.get(Integration, integration_id).flows["orders"].due_at = utcnow()
        assert execution.perform(runs_lifecycle.start_run(integration_id, "stock", "schedule").id).outcome in ("done", "waiting")
