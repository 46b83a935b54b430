"""Parts stopped and started again while work is under way: nothing lost, nothing twice, and nobody waits for a lease."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import requests
from sqlalchemy import func, select

import jobs
from models import Order, SyncRun
from practice_shop import PracticeShop
from tests.support.processes import wait_until
from tests.support.shops import connect

pytestmark = pytest.mark.timeout(600)
LONG = 600
"""Seconds of a lease: a test that waited for it to run out would fail the test."""


def stored(db) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Order))


def ended(db, kind: str = "orders") -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(SyncRun.outcome).where(SyncRun.kind == kind, SyncRun.state == "finished")))


@pytest.mark.config(lease_seconds=LONG)
def test_workers_restarted_in_turn_under_load_lose_nothing_and_double_nothing(app, db, worker):
    with PracticeShop(products=10, orders=600, days=20, seed=9, page_latency=250) as shop:
        integration_id = connect(shop, since=datetime.now(UTC) - timedelta(days=60))
        parts = [worker("sync"), worker("sync")]
        run = jobs.start_run(integration_id, "orders", "test")
        wait_until(lambda: stored(db) >= 100, 60, "the first page")
        for turn in (0, 1):
            assert parts[turn].stop() == 0
            parts[turn] = worker("sync", wait=False)
        wait_until(lambda: ended(db), 120, "the end of the download")
        ids = db.session.scalars(select(Order.external_id)).all()
        assert len(ids) == len(set(ids)) == 600
        assert ended(db) == ["done"]
        # Who goes on reads at most one page again.
        assert db.session.get(SyncRun, run.id).requests <= 7 + 2


@pytest.mark.deep
@pytest.mark.config(lease_seconds=LONG, orders_every=1)
def test_every_part_restarted_in_turn_under_load_loses_nothing_and_doubles_nothing(app, db, worker, scheduler):
    """Two workers, a worker for ticks and a scheduler, each restarted in turn while a download runs and orders come in."""
    with PracticeShop(products=10, orders=900, days=20, seed=9, page_latency=150) as shop:
        connect(shop, since=datetime.now(UTC) - timedelta(days=60))
        starts = [lambda: worker("checks", "sync"), lambda: worker("checks", "sync")]
        starts += [lambda: worker("ticks"), lambda: scheduler(TICK_SECONDS="1")]
        parts = [start() for start in starts]
        product = next(iter(shop.store.products))
        wait_until(lambda: stored(db) >= 100, 60, "the first page")
        for turn, start in enumerate(starts):
            shop.store.place_order(lines=[(product, 1)])
            assert parts[turn].stop() == 0
            parts[turn] = start()
        total = len(shop.store.orders)
        wait_until(lambda: stored(db) == total, 120, "the last order")
        wait_until(lambda: "done" in ended(db), 30, "the end of the download")
        ids = db.session.scalars(select(Order.external_id)).all()
        assert len(ids) == len(set(ids)) == total == 904
        assert set(ended(db)) <= {"done", "partial"}
        for part in parts:
            assert part.stop() == 0
        db.session.rollback()
        assert db.session.scalars(select(SyncRun.id).where(SyncRun.state == "running")).all() == []


@pytest.mark.config(lease_seconds=LONG)
def test_a_page_that_does_not_come_in_time_is_left_to_the_next_worker_at_once(app, db, worker):
    with PracticeShop(products=10, orders=250, days=20, seed=9, page_latency=0) as shop:
        integration_id = connect(shop, since=datetime.now(UTC) - timedelta(days=60))
        shop.page_latency = 90_000
        first = worker("sync", "--patience=1")
        run = jobs.start_run(integration_id, "orders", "test")
        wait_until(lambda: bool(shop.requests), 60, "a request to the shop")
        before = time.monotonic()
        assert first.stop() == 0
        assert time.monotonic() - before < 60
        db.session.rollback()
        assert db.session.get(SyncRun, run.id).state == "queued"
        shop.page_latency = 0
        worker("sync")
        wait_until(lambda: ended(db), 60, "the end of the run")
        assert (stored(db), ended(db)) == (250, ["done"])


def test_a_page_server_finishes_what_it_is_at(serve):
    """Asked to stop in the middle of a request, it takes in the rest, answers, and ends in order."""
    served = serve()
    assert requests.get(f"{served.address}/healthz", timeout=30).text == "alive\n"
    body = b"name=nobody&password=wrong"
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        head = f"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body[:5])
        time.sleep(0.5)
        ending = threading.Thread(target=served.started.stop)
        before = time.monotonic()
        ending.start()
        time.sleep(0.5)
        connection.sendall(body[5:])
        answer = connection.recv(65536)
        ending.join(90)
    assert answer.startswith(b"HTTP/1.1 ")
    assert answer.split()[1] in (b"200", b"400", b"422")
    assert served.started.process.returncode == 0
    assert time.monotonic() - before < 60
