"""Feeds fetched by real workers, also after one was killed while the supplier's server answered."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from rq import Worker as RqWorker
from sqlalchemy import select

import jobs
from extensions import reading, writing
from jobs.feeds import enqueue_due_feeds, enqueue_run
from models import Feed, FeedRun
from models.types import utcnow
from services.feeds import runs, suppliers
from services.runs import lifecycle
from tests.support.processes import wait_until
from tests.support.remote_files import File, web_server
from tests.support.shops import connect

BODY = b"sku,quantity\nA-1,4\n"


@pytest.mark.one_database
def test_a_killed_worker_leaves_a_run_that_the_next_one_does(app, worker):
    with web_server() as web:
        web.files["/stock.csv"] = File(BODY, fault="stall")
        supplier_id = suppliers.create_supplier("Acme", None, "user:ann")
        feed_id = suppliers.create_feed(supplier_id, "user:ann", name="Stock", address=web.url(), interval_seconds=3600)
        first = worker("files")
        enqueue_due_feeds()
        with reading() as session:
            run_id = session.scalars(select(FeedRun.id)).one()
        wait_until(lambda: web.asked, what="the request")
        first.kill()
        web.files["/stock.csv"] = File(BODY)
        with reading():
            assert runs.get_run(run_id).state == "running"
        with writing() as session:
            session.get(FeedRun, run_id).lease_until = utcnow() - timedelta(seconds=1)
        # As if the killed worker had been silent for a while.
        for key in jobs.redis_connection().scan_iter(f"{RqWorker.redis_worker_namespace_prefix}*"):
            jobs.redis_connection().delete(key)
        worker("checks")
        assert wait_until(lambda: _done(run_id), what="the run") == "waiting"
        with reading() as session:
            assert session.get(Feed, feed_id).failures == 0


@pytest.mark.one_database
def test_slow_servers_of_files_do_not_keep_a_sync_waiting(app, db, shop, worker):
    """With the two kinds of workers that the Procfile starts: files keep one of them at most, syncs have the other."""
    integration_id = connect(shop)
    with web_server() as web:
        supplier_id = suppliers.create_supplier("Acme", None, "user:ann")
        for path in ("/one.csv", "/two.csv"):
            web.files[path] = File(BODY, fault="stall")
            suppliers.create_feed(supplier_id, "user:ann", name=path, address=web.url(path), interval_seconds=3600)
        for command in re.findall(r"worker.py (.*sync.*)", Path("Procfile").read_text()):
            worker(*command.split())
        enqueue_due_feeds()
        wait_until(lambda: web.asked, what="the first file")
        run = jobs.start_run(integration_id, "orders", "test")
        wait_until(lambda: _finished(db, run.id), 30, "the orders")
        assert len(web.asked) == 1, "the other file waits for its turn"


def _finished(db, run_id: int) -> bool:
    db.session.rollback()
    return lifecycle.find_run(run_id).state == "finished"


def _done(run_id: int) -> str:
    """The state of a run once it has ended."""
    with reading():
        state = runs.get_run(run_id).state
    if state == "running" and run_id in runs.due_runs():
        enqueue_run(run_id)
    return state if state not in ("queued", "running") else ""
