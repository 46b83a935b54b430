"""Runs: the history, one run with what went wrong in it, one stopped."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from models import RunItem, SyncRun
from models.flow import SYNCS
from services.runs import lifecycle
from services.stock import items
from services.sync import execution
from tests.support.rows import make_integration
from tests.support.shops import do, products, settled


@pytest.mark.both_databases
def test_the_history_tells_who_started_what_and_how_it_ended(connected):
    rows = connected.rows("runs", "list")
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    orders = next(row for row in rows if row["kind"] == "orders" and row["done"] == 50)
    assert (orders["integration"], orders["state"], orders["outcome"], orders["counts"]["new"]) == (
        "Practice",
        "finished",
        "done",
        50,
    )
    assert orders["actor"].startswith("cli:")
    assert orders["created_at"] <= orders["started_at"] <= orders["finished_at"]
    assert connected.done("runs", "list").splitlines()[0].split()[:2] == ["RUN", "INTEGRATION"]


def test_the_history_is_filtered_and_ends_at_its_limit(commands):
    one, two = make_integration("One").id, make_integration("Two").id
    for integration_id in (one, two):
        for kind in SYNCS:
            lifecycle.start_run(integration_id, kind, "test")
    lifecycle.request_stop(1)
    for _ in range(60):
        lifecycle.request_stop(lifecycle.start_run(one, "orders", "test").id)
    assert len(commands.rows("runs", "list")) == 50
    assert len(commands.rows("runs", "list", "--limit", "100")) == 2 * len(SYNCS) + 60
    assert {row["integration"] for row in commands.rows("runs", "list", "two")} == {"Two"}
    assert {row["kind"] for row in commands.rows("runs", "list", "--kind", "stock")} == {"stock"}
    assert {row["state"] for row in commands.rows("runs", "list", "--state", "queued")} == {"queued"}
    assert commands.done("runs", "list", "--state", "running") == "There are no such runs.\n"


def test_a_run_is_shown_with_its_warnings_and_the_rows_that_went_wrong(commands):
    run_id = lifecycle.start_run(make_integration().id, "stock", "test").id
    lease = lifecycle.claim(run_id)
    lease.count("sent", 2)
    lease.warn("A row came twice.")
    with lease.page() as session:
        for sku, result, reason in (("A", "sent", ""), ("B", "sent", ""), ("C", "failed", "No such product.")):
            session.add(
                RunItem(run_id=run_id, external_id=f"product:{sku}", sku=sku, now=1, wanted=2, result=result, reason=reason)
            )
    lifecycle.finish(lease, "partial")
    row = commands.rows("runs", "show", str(run_id))[0]
    assert (row["outcome"], row["warnings"], row["results"]) == ("partial", ["A row came twice."], {"sent": 2, "failed": 1})
    assert [(item["sku"], item["reason"]) for item in row["items"]] == [("C", "No such product.")]
    shown = commands.done("runs", "show", str(run_id))
    assert "A row came twice." in shown
    assert "No such product." in shown
    assert "product:A" not in shown


def test_a_run_that_waits_is_stopped_at_once_and_one_at_work_is_asked(commands):
    integration_id = make_integration().id
    waiting = lifecycle.start_run(integration_id, "orders", "test").id
    assert commands.done("runs", "stop", str(waiting)) == f"Run {waiting} is stopped.\n"
    assert commands.done("runs", "stop", str(waiting)) == f"Run {waiting} is finished already.\n"
    at_work = lifecycle.start_run(integration_id, "orders", "test").id
    lifecycle.claim(at_work)
    assert commands.done("runs", "stop", str(at_work)) == f"Run {at_work} stops before its next request to the shop.\n"
    assert lifecycle.find_run(at_work).stop_requested


def test_a_stock_update_is_undone_after_a_look_at_what_it_changes(app, db, shop, commands):
    ids = products(shop)
    integration_id = settled(shop)
    items.set_stock("CUP", 33, "test")
    pushed = do(integration_id, "stock")
    seen = json.loads(commands.done("runs", "undo", str(pushed.id), "--preview", "--json"))
    nothing = {"left": [], "others": [], "changed": [], "oversold": []}
    assert seen == {"listings": 1, "items": [{"sku": "CUP", "now": 33, "after": 20}], **nothing}
    assert "CUP" in commands.done("runs", "undo", str(pushed.id), "--preview")
    assert items.find_stock_item("CUP").on_hand == 33
    answer = commands.done("runs", "undo", str(pushed.id))
    assert "The numbers here are restored." in answer and "Started: undo (run" in answer
    started = db.session.scalars(select(SyncRun).where(SyncRun.kind == "undo")).one()
    assert execution.perform(started.id).outcome == "done"
    assert (shop.store.amount(ids["CUP"]), items.find_stock_item("CUP").on_hand) == (20, 20)
    assert "is left to undo" in commands.refused("runs", "undo", str(pushed.id), "--where", "here")
    assert "sent no quantities" in commands.refused("runs", "undo", "1", "--preview")
