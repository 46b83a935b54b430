"""Orders before stock: a step of the run, under one lease, that no other run does at the same time."""

from __future__ import annotations

import threading

from sqlalchemy import select

from extensions import db as database
from extensions import writing
from models import FlowKind, Order, SyncRun
from services.runs import lifecycle
from services.shops import flows
from services.stock import items
from services.sync import execution
from tests.support.shops import connect, do, products


def test_a_stock_run_reads_the_orders_itself_and_says_what_it_read(app, db, shop):
    shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    integration_id = connect(shop)
    run = do(integration_id, "stock")
    assert run.steps["orders"]["counts"]["new"] == 1
    assert "new" not in run.counts
    assert db.session.scalars(select(SyncRun.kind)).all() == ["stock"]
    assert db.session.scalar(select(Order.id)) is not None
    assert flows.get_flow(integration_id, FlowKind.ORDERS).succeeded_at is not None


def test_one_heartbeat_is_all_that_a_run_with_steps_needs(app, db, shop, monkeypatch):
    integration_id = connect(shop)
    beats: set[str] = set()
    gate = execution.lifecycle.Lease.gate

    def watched(lease) -> None:
        beats.update(thread.name for thread in threading.enumerate() if thread.name.startswith("heartbeat-"))
        gate(lease)

    monkeypatch.setattr(execution.lifecycle.Lease, "gate", watched)
    run = do(integration_id, "stock")
    assert beats == {f"heartbeat-sync_run-{run.id}"}


def test_a_queued_run_whose_work_a_step_has_done_is_done(app, db, shop):
    integration_id = connect(shop)
    queued = lifecycle.start_run(integration_id, "orders", "schedule").id
    do(integration_id, "stock")
    database.session.rollback()
    assert lifecycle.find_run(queued).outcome == "done"


def test_a_run_waits_while_another_one_works_on_the_flow_it_needs(app, db, shop):
    integration_id = connect(shop)
    do(integration_id, "stock")
    items.set_stock("CUP", 7, "test")
    reading_orders = lifecycle.start_run(integration_id, "orders", "test").id
    lease = lifecycle.claim(reading_orders)
    with writing():
        assert flows.take(integration_id, FlowKind.ORDERS, reading_orders)
    stock = lifecycle.start_run(integration_id, "stock", "test").id
    shop.clear_requests()
    waiting = execution.work(stock)
    assert (waiting.state, waiting.not_before is not None) == ("queued", True)
    lifecycle.finish(lease, "done")
    assert execution.perform(stock).outcome == "done"
    assert shop.store.amount(products(shop)["CUP"]) == 7


def test_a_flow_is_free_again_once_its_run_has_paused(app, db, shop):
    integration_id = connect(shop)
    first, other = (lifecycle.start_run(integration_id, kind, "test").id for kind in ("orders", "stock"))
    lease = lifecycle.claim(first)
    with writing():
        assert flows.take(integration_id, FlowKind.ORDERS, first)
        assert not flows.take(integration_id, FlowKind.ORDERS, other)
    lifecycle.pause(lease)
    with writing():
        assert flows.take(integration_id, FlowKind.ORDERS, other)


def test_the_pages_of_runs_show_what_a_step_did(app, client, shop):
    shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    integration_id = connect(shop)
    run = do(integration_id, "stock")
    for address in (f"/activity/{run.id}", "/activity", f"/settings/sales-channels/{integration_id}"):
        assert "Order download first: 1 new" in client.get(address).text
