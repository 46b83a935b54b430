"""Two of everything, as on machines of their own: nothing is shared but PostgreSQL, a Valkey with a password, and the keys."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from cryptography.fernet import Fernet
from sqlalchemy import func, select

import jobs
from local_run.queue import server_program
from models import Flow, Order, StockEntry, StockItem, SyncRun
from practice_shop import PracticeShop
from services.accounts import users
from tests.support.checkout import free_port
from tests.support.databases import postgres_database
from tests.support.processes import Started, wait_until
from tests.support.served import APPLICATION, SERVER, Served, Visitor
from tests.support.shops import connect
from tests.support.valkey import answers
from tests.support.workers import fork, listening, processes_environment

pytestmark = pytest.mark.timeout(600)
PASSWORD = "plum kettle orbit seven"
MACHINES = ("one", "two")


@pytest.fixture
def database_url(postgres, postgres_template) -> Iterator[str]:
    with postgres_database(postgres, postgres_template) as url:
        yield url


@pytest.fixture
def redis_url(processes, tmp_path) -> str:
    """A Valkey on TCP that asks for a password."""
    port, folder = free_port(), tmp_path / "queue"
    folder.mkdir()
    command = [
        str(server_program()),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--requirepass",
        "word-of-the-queue",
        "--dir",
        str(folder),
    ]
    processes.start([*command, "--appendonly", "yes", "--save", ""], env=dict(os.environ))
    url = f"redis://:word-of-the-queue@127.0.0.1:{port}/0"
    wait_until(lambda: answers(url), 20, "the queue's answer")
    return url


class Machine:
    """A separate folder with the keyring copied into it, and what runs there."""

    def __init__(self, name: str, tmp_path: Path, ring: str, environment: dict[str, str], processes):
        self.folder = tmp_path / name
        self.folder.mkdir(mode=0o700)
        (self.folder / "keyring").write_text(ring)
        given = {name: value for name, value in environment.items() if name != "SECRET_KEYS"}
        given |= {"CARTLINK_INSTANCE": str(self.folder), "SECRET_KEYS_FILE": str(self.folder / "keyring"), "TICK_SECONDS": "2"}
        self.environment = processes_environment(given)
        self.processes = processes

    def start(self, *command: str) -> Started:
        return fork(self.processes, list(command), self.environment)

    def worker(self) -> Started:
        """One for everything; ticks, which never end, come last here."""
        return self.start("worker.py", *reversed(jobs.QUEUES))

    def scheduler(self) -> Started:
        return self.start("worker.py", "cron")

    def web(self) -> Served:
        return Served(self.start(*SERVER, APPLICATION))


@pytest.fixture
def environment(environment):
    return {**environment, "SECRET_KEYS": Fernet.generate_key().decode()}


def ready(served: Served) -> bool:
    try:
        return requests.get(f"{served.address}/readyz", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def test_two_machines_share_the_work_and_do_nothing_twice(app, db, environment, processes, tmp_path, visit):
    machines = [Machine(name, tmp_path, environment["SECRET_KEYS"], environment, processes) for name in MACHINES]
    workers, schedulers = [each.worker() for each in machines], [each.scheduler() for each in machines]
    web = [each.web() for each in machines]
    users.create_user("Ann", "owner", "test", password=PASSWORD)
    made = {"products": 6, "orders": 120, "days": 20, "seed": 5, "page_latency": 20}
    with PracticeShop(**made) as first, PracticeShop(**{**made, "seed": 6}) as second:
        for number, shop in enumerate((first, second)):
            connect(shop, f"Shop {number}", since=datetime.now(UTC) - timedelta(days=60))
        for served in web:
            wait_until(lambda served=served: ready(served), 60, "a page server")

        # A file goes in at one page server, is read by whichever worker, and gets its yes at the other page server.
        one, other = (visit(served) for served in web)
        assert one.send("/sign-in", "password", name="Ann", password=PASSWORD).status_code == 200
        other.session.cookies.update(one.session.cookies)
        sku = wait_until(
            lambda: db.session.rollback() or db.session.scalar(select(StockItem.sku).order_by(StockItem.id)), 60, "the first SKU"
        )
        wait_until(lambda: stored(db) == 240 and idle(db), 90, "the first runs")
        shown = upload(one, f"sku,quantity\n{sku},777\n")
        path = shown.removeprefix(web[0].address)
        wait_until(lambda: f"{path}/accept" in other.get(path).text, 60, "the file on the other page server")
        assert other.press(path, to=f"{path}/accept").status_code == 200
        wait_until(lambda: db.session.rollback() or on_hand(db, sku) == 777, 60, "the file's quantities")

        # One machine goes away altogether; the other one goes on by itself.
        listening(workers[0])
        schedulers[0].wait_for("Scheduling ticks")
        for part in (workers[0], schedulers[0], web[0].started):
            assert part.stop() == 0
        for shop in (first, second):
            shop.store.place_order(lines=[(next(iter(shop.store.products)), 1)])
        make_due(db)
        wait_until(lambda: stored(db) == 242 and idle(db), 60, "the orders after it")
        assert other.get("/orders").status_code == 200

        ids = Counter(db.session.execute(select(Order.shop_id, Order.external_id)).all())
        assert max(ids.values()) == 1
        entries = select(StockEntry.order_id, StockEntry.stock_item_id).where(StockEntry.cause == "sale")
        assert all(count == 1 for count in Counter(db.session.execute(entries).all()).values())
        lost = db.session.scalars(select(SyncRun.outcome).where(SyncRun.outcome.in_(("lost", "failed")))).all()
        assert lost == []
    for machine in machines:
        assert {path.name for path in machine.folder.rglob("*")} == {"keyring"}


def upload(visitor: Visitor, content: str) -> str:
    """Send a stock file with the token of its page; answers with the address of the page it leads to."""
    token = visitor.get("/stock/files").text.partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]
    address = f"{visitor.served.address}/stock/files"
    answer = visitor.session.post(address, data={"csrf_token": token}, files={"file": ("stock.csv", content)}, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.url


def stored(db) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Order))


def idle(db) -> bool:
    db.session.rollback()
    ended = set(db.session.execute(select(SyncRun.integration_id, SyncRun.kind).where(SyncRun.outcome == "done")).all())
    return len(ended) >= 6 and db.session.scalar(select(func.count()).where(SyncRun.live)) == 0


def on_hand(db, sku: str) -> int:
    return db.session.scalar(select(StockItem.on_hand).where(StockItem.sku == sku))


def make_due(db) -> None:
    """As if five minutes had passed."""
    db.session.rollback()
    with db.engine.begin() as connection:
        connection.execute(Flow.__table__.update().where(Flow.kind == "orders").values(due_at=datetime.now(UTC)))
