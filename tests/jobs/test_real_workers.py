"""The main job with real workers, the real queue and a real shop over HTTP, killed and cut off on the way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import func, select, update

import jobs
from extensions import writing
from jobs import evaluations
from jobs.lookups import enqueue_lookup
from jobs.names import REMEMBERED, SILENT
from models import Flow, Integration, Listing, Lookup, Order, SyncRun, WriteBack
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services.integrations import lifecycle, settings
from services.orders import lookups
from services.runs import lifecycle as runs
from services.shipping import files
from services.stock import items
from tests.support.processes import Started, wait_until
from tests.support.shops import connect, products


def finished(db, kind: str, count: int = 1) -> list[SyncRun]:
    """The finished runs of a kind, once there are ``count`` of them."""
    db.session.rollback()
    runs = db.session.scalars(select(SyncRun).where(SyncRun.kind == kind, SyncRun.state == "finished").order_by(SyncRun.id)).all()
    return list(runs) if len(runs) >= count else []


def stored(db) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Order))


@pytest.mark.sampled(1)
def test_a_new_integration_comes_in_by_itself_and_stock_goes_out(app, db, shop, worker, scheduler):
    """A scheduler and workers, nothing else: what is due is started, and a change of stock reaches the shop."""
    ids = products(shop)
    shop.store.place_order(lines=[(ids["CUP"], 2)])
    connect(shop)
    worker("ticks")
    worker("checks", "sync")
    scheduler(TICK_SECONDS="1")
    wait_until(lambda: finished(db, "stock") and stored(db) == 1, 60, "the first runs")
    items.set_stock("CUP", 50, "test")
    wait_until(lambda: shop.store.amount(ids["CUP"]) == 48, 30, "the push")
    assert items.find_stock_item("CUP").available == 48


@pytest.mark.sampled(1)
def test_a_sale_in_one_shop_lowers_the_other_without_waiting_for_a_tick(app, db, shop, worker):
    with PracticeShop(store=Store()) as other:
        other_id = other.store.add_product(sku="CUP", name="Cup", price=12, amount=20)
        one, two = connect(shop), connect(other, "Other")
        worker("sync")
        for integration_id in (one, two):
            jobs.start_run(integration_id, "stock", "test")
        wait_until(lambda: finished(db, "stock", 2), 60, "the first pushes")
        other.store.place_order(lines=[(other_id, 5)])
        jobs.start_run(two, "orders", "test")
        wait_until(lambda: shop.store.amount(products(shop)["CUP"]) == 15, 30, "the push to the first shop")


@pytest.mark.one_database
def test_what_a_person_asks_and_a_file_of_shipments_are_seen_to_by_workers(app, db, shop, worker, scheduler):
    """The page only puts it on the queue; a file that the queue has lost is enqueued by the next tick."""
    product = products(shop)["CUP"]
    numbers = [shop.store.place_order(lines=[(product, 1)]) for _ in range(3)]
    old = shop.store.place_order(lines=[(product, 1)], at=datetime.now(UTC) - timedelta(days=90))
    integration_id = connect(shop)
    worker("ticks")
    worker("checks", "sync")
    jobs.start_run(integration_id, "stock", "test")
    wait_until(lambda: stored(db) == 3 and finished(db, "stock"), 60, "the first runs")
    asked = lookups.ask_where(str(old), None, "test")
    enqueue_lookup(asked)
    wait_until(lambda: done(db, asked), 30, "the shop's answer")
    enqueue_lookup(brought := lookups.ask_to_bring_in(integration_id, lookups.answers_of(done(db, asked))[0].external_id, "test"))
    wait_until(lambda: done(db, brought) and stored(db) == 4, 30, "the order")
    rows = "".join(f"{number},DHL,T{number}\n" for number in numbers)
    file_id = files.read_file(f"number,carrier,tracking\n{rows}".encode(), "x.csv", "test").id
    files.accept(file_id)
    scheduler(TICK_SECONDS="1")
    wait_until(lambda: db.session.rollback() or files.get_file(file_id).applied_at, 60, "the file")
    # As if the time in which a person may undo it had passed.
    with writing() as session:
        session.execute(update(WriteBack).values(due_at=utcnow()))
        session.execute(update(Flow).where(Flow.kind == "shipments").values(due_at=utcnow()))
    wait_until(
        lambda: [shop.store.tracking(number) for number in numbers] == [[f"T{number}"] for number in numbers], 60, "tracking"
    )


@pytest.mark.one_database
def test_many_look_ups_do_not_keep_a_sync_waiting(app, db, shop, worker):
    """With the two kinds of workers that the Procfile starts: what people ask keeps one of them, syncs have the other."""
    shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    integration_id = connect(shop)
    shop.page_latency = 1500
    asked = [lookups.ask_where(f"{number}", None, f"user:{number}") for number in range(4711, 4771)]
    for lookup_id in asked:
        enqueue_lookup(lookup_id)
    for command in re.findall(r"worker.py (.*sync.*)", Path("Procfile").read_text()):
        worker(*command.split())
    jobs.start_run(integration_id, "orders", "test")
    wait_until(lambda: stored(db) == 1, 30, "the orders")
    assert [state for state in db.session.scalars(select(Lookup.state)) if state != "done"]


@pytest.mark.one_database
def test_a_person_with_a_check_waits_for_no_whole_time_slice(app, db, worker):
    """The worker that takes checks may be in the middle of a long run, and the other one takes none."""
    with PracticeShop(products=10, orders=1500, days=20, seed=9) as shop:
        integration_id = connect(shop, since=datetime.now(UTC) - timedelta(days=60))
        shop.page_latency = 1500
        worker("checks", "messages", "sync")
        jobs.start_run(integration_id, "orders", "test")
        wait_until(lambda: stored(db) >= 100, 60, "the first page")
        asked = lookups.ask_where("4711", None, "test")
        enqueue_lookup(asked)
        wait_until(lambda: done(db, asked), 60, "the look-up")
        assert not finished(db, "orders")


def done(db, lookup_id: int) -> Lookup | None:
    db.session.rollback()
    found = lookups.get_lookup(lookup_id, "test")
    return found if found.state == "done" else None


def kill_whole(worker: Started) -> None:
    """kill -9 of a worker and of the work horse it has forked: nobody is left to give anything back."""
    found = subprocess.run(["pgrep", "-P", str(worker.pid)], capture_output=True, text=True, check=False)
    horses = [int(pid) for pid in found.stdout.split()]
    worker.kill()
    for pid in horses:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("whole", [True, False], ids=["with its work horse", "alone"])
# A busy machine keeps a heartbeat waiting for seconds, and a run that lost its lease is tried again after a minute only.
@pytest.mark.config(lease_seconds=12, shop_jobs=1)
@pytest.mark.sampled(1)
def test_a_worker_killed_in_mid_download_loses_and_doubles_nothing(app, db, worker, scheduler, whole):
    with PracticeShop(products=20, orders=1500, days=20, seed=9) as shop:
        integration_id = connect(shop, since=datetime.now(UTC) - timedelta(days=60))
        # So slow that the download has not ended by the time a busy machine gets to the kill.
        shop.page_latency = 1000
        first = worker("sync")
        jobs.start_run(integration_id, "orders", "test")
        wait_until(lambda: stored(db) >= 300, 60, "the first pages")
        if whole:
            kill_whole(first)
        else:
            first.kill()
        assert stored(db) < 1500
        shop.page_latency = 0
        worker("ticks", "sync")
        scheduler(TICK_SECONDS="1")
        wait_until(lambda: any(run.outcome == "done" for run in finished(db, "orders")), 60, "the end of the download")
        ids = db.session.scalars(select(Order.external_id)).all()
        assert len(ids) == len(set(ids)) == 1500
        if whole:
            assert finished(db, "orders")[0].outcome == "lost"


@pytest.mark.sampled(1)
def test_a_queue_that_lost_everything_is_filled_again_by_a_tick(app, db, shop, worker, scheduler, redis_url):
    integration_id = connect(shop)
    run = jobs.start_run(integration_id, "orders", "test")
    with Redis.from_url(redis_url) as queue:
        queue.flushall()
    worker("ticks", "sync")
    scheduler(TICK_SECONDS="1")
    # By its own job, enqueued again after half a minute, or inside the stock run that became due.
    wait_until(lambda: finished(db, "orders"), 60, "the run whose job was lost")
    assert finished(db, "orders")[0].id == run.id


@pytest.mark.sampled(1)
def test_a_stopped_worker_pauses_at_a_page_and_another_continues(app, db, worker):
    with PracticeShop(products=10, orders=900, days=20, seed=9) as shop:
        integration_id = connect(shop, since=datetime.now(UTC) - timedelta(days=60))
        shop.page_latency = 1500
        first = worker("sync")
        run = jobs.start_run(integration_id, "orders", "test")
        wait_until(lambda: stored(db) >= 100, 60, "the first page")
        assert first.stop() == 0
        db.session.rollback()
        assert db.session.get(SyncRun, run.id).state == "queued"
        shop.page_latency = 0
        worker("sync")
        wait_until(lambda: finished(db, "orders"), 60, "the end of the run")
        assert (stored(db), finished(db, "orders")[0].outcome) == (900, "done")


@pytest.mark.sampled(1)
def test_disabled_while_a_download_runs_nothing_more_is_sent(app, db, worker):
    with PracticeShop(products=10, orders=900, days=20, seed=9) as shop:
        integration_id = connect(shop, since=datetime.now(UTC) - timedelta(days=60))
        shop.page_latency = 1500
        worker("sync")
        jobs.start_run(integration_id, "orders", "test")
        wait_until(lambda: stored(db) >= 100, 60, "the first page")
        lifecycle.set_enabled(integration_id, False, "test")
        sent = len(shop.requests)
        [run] = wait_until(lambda: finished(db, "orders"), 30, "the end of the run")
        assert (run.outcome, run.error_code) == ("stopped", "switched_off")
        assert len(shop.requests) <= sent + 1
        db.session.rollback()
        assert not db.session.get(Integration, integration_id).enabled
        assert db.session.scalar(select(func.count()).select_from(Listing)) == 0


def test_an_evaluation_whose_job_got_lost_is_enqueued_again(app, db, shop, redis_url):
    """A worker killed between taking the job and beginning it leaves the job's name behind, in no list. It is free after 20 seconds."""
    integration_id = connect(shop)
    settings.change_settings(integration_id, {"use_tax": True}, "test")
    evaluations.enqueue_due_evaluations()
    checks = jobs.queue("checks")
    with Redis.from_url(redis_url) as queue:
        assert queue.lpop(checks.key) is not None
        evaluations.enqueue_due_evaluations()
        [seen] = queue.keys("cartlink:taken:*")
        queue.expire(seen, REMEMBERED - SILENT)
    evaluations.enqueue_due_evaluations()
    assert checks.count == 1


@pytest.mark.sampled(1)
def test_a_new_database_on_a_queue_that_remembers_an_older_one_starts_its_runs(app, db, shop, worker):
    """Job ids are made of run ids, and a new database counts them from the start."""
    integration_id = connect(shop)
    run = runs.start_run(integration_id, "orders", "test")
    for number in (1, 2):
        jobs.queue("sync").enqueue("jobs.orders.run", kwargs={"run_id": 999}, job_id=f"run-{run.id}-{number}")
    jobs.enqueue_run(run.id)
    worker("sync")
    wait_until(lambda: finished(db, "orders"), 30, "the run")


@pytest.mark.one_database
def test_a_job_with_the_name_of_an_older_version_does_its_run(app, db, shop, worker):
    run = runs.start_run(connect(shop), "orders", "test")
    jobs.queue("sync").enqueue("jobs.orders.run", kwargs={"run_id": run.id}, job_id=f"run-{run.id}-1")
    worker("sync")
    wait_until(lambda: finished(db, "orders"), 30, "the run")


@pytest.mark.config(shop_jobs=1)
@pytest.mark.one_database
def test_a_shop_with_much_to_do_is_not_overrun_and_keeps_nobody_from_the_others(app, db, shop, worker):
    """Two workers, four runs of one shop asked for before the one of another: the other's turn comes at once."""
    with PracticeShop(products=10, orders=1000, days=20, seed=9) as busy:
        busy_id = connect(busy, "Busy", since=datetime.now(UTC) - timedelta(days=60))
        busy.page_latency = 3000
        other_id = connect(shop, "Other")
        worker("sync")
        worker("sync")
        for kind in ("orders", "listings", "stock", "reconciliation"):
            jobs.start_run(busy_id, kind, "test")
        jobs.start_run(other_id, "orders", "test")
        first, *_ = wait_until(lambda: finished(db, "orders"), 60, "the other shop's run")
        assert first.integration_id == other_id
        # The other shop's run may end before the busy shop has been asked for the first time.
        wait_until(lambda: busy.requests, 30, "the busy shop's first request")
        assert max(entry["under_way"] for entry in busy.requests) == 1
        # Nothing is enqueued a second time by asking again, while it waits on the queue or for a slot.
        mine = (SyncRun.integration_id == busy_id, SyncRun.state == "queued")
        waiting = db.session.scalars(select(SyncRun.id).where(*mine)).all()
        before = {run_id: runs.find_run(run_id).enqueues for run_id in waiting}
        for run_id in waiting:
            jobs.enqueue_run(run_id)
        assert len(waiting) >= 3
        assert {run_id: runs.find_run(run_id).enqueues for run_id in waiting} == before
        busy.page_latency = 50
        wait_until(lambda: finished(db, "listings"), 60, "the busy shop's next run")
        assert max(entry["under_way"] for entry in busy.requests) == 1


@pytest.mark.config(shop_jobs=1)
@pytest.mark.one_database
def test_the_slot_of_a_job_that_vanished_is_given_to_the_next(app, db, shop, worker, redis_url):
    """A worker killed between taking a job and beginning it: the run still waits, its job is in no list."""
    integration_id = connect(shop)
    orders = jobs.start_run(integration_id, "orders", "test")
    listings = jobs.start_run(integration_id, "listings", "test")
    with Redis.from_url(redis_url) as queue:
        assert queue.lpop(jobs.queue("sync").key) is not None
    runs.request_stop(orders.id)
    worker("sync")
    jobs.enqueue_run(listings.id)
    wait_until(lambda: finished(db, "listings"), 30, "the run that waited for the slot")
