"""Where measuring happens: practice shops in processes of their own, fresh installations in a temporary folder.

A shop never shares the interpreter with what is measured, and everything started here is ended here.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import flask_migrate
import requests
from cryptography.fernet import Fernet
from flask import Flask
from redis import Redis

from app import create_app
from config import NAMES, load
from extensions import db, writing
from models import Integration, SyncRun
from services.integrations import lifecycle
from services.integrations.lifecycle import NewIntegration
from services.runs import lifecycle as runs_lifecycle
from services.shops import connection
from services.sync import execution
from tests.support.databases import PostgresServer
from tests.support.processes import Processes
from tests.support.valkey import valkey_server

NO_QUEUE = "unix:///nowhere"


class Place:
    """A bench's own corner: a temporary folder, the processes it started, the shops among them."""

    def __init__(self, seed: int, quick: bool):
        self.seed = seed
        self.quick = quick
        self.folder = Path(tempfile.mkdtemp(prefix="cartlink-bench-"))
        self.processes = Processes(self.folder)
        self._shops: dict[tuple[float, ...], PracticeShop] = {}
        self._parts = ExitStack()
        self._found: dict[str, Any] = {}
        self._made = 0

    def __enter__(self) -> Place:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._parts.close()
        self.processes.stop_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    def once(self, name: str, measure: Callable[[], Any]) -> Any:
        """What ``measure`` finds, measured for the first line that asks and kept for the others."""
        if name not in self._found:
            self._found[name] = measure()
        return self._found[name]

    def full_or_quick(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def shop(self, *, products: int, orders: int, latency: float = 0, variant_share: float = 0.12) -> PracticeShop:
        """A running practice shop of that size, made once: lines that change a shop ask for a size of their own.
        ``latency`` is milliseconds added to each of its answers; ``variant_share`` of its products have variants."""
        wanted = (products, orders, latency, variant_share)
        if wanted not in self._shops:
            self._shops[wanted] = PracticeShop(self, *wanted)
        return self._shops[wanted]

    @contextmanager
    def installation(self, **settings: str) -> Iterator[Flask]:
        """A fresh installation on its own migrated SQLite file, its application context entered.

        ``settings`` are environment variables by their names; ``app.config["BENCH_ENVIRONMENT"]`` has all of them."""
        folder = self.new_folder()
        path = folder / "cartlink.sqlite"
        shutil.copyfile(self._template, path)
        environment = _environment(folder, path) | settings
        try:
            with _running(environment) as app:
                yield app
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            gc.collect()

    @contextmanager
    def application(self, **settings: str) -> Iterator[Flask]:
        """An application on a database that is there already, its application context entered. ``settings`` as for ``installation``."""
        folder = self.new_folder()
        environment = _environment(folder, folder / "none.sqlite") | settings
        try:
            with _running(environment) as app:
                yield app
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def on(self, kind: str, **settings: str) -> Iterator[Flask]:
        """``installation`` on ``sqlite`` or ``postgresql``."""
        if kind == "sqlite":
            with self.installation(**settings) as app:
                yield app
            return
        self._made += 1
        name = f"bench_{self._made}"
        self._postgresql.execute(f"CREATE DATABASE {name}")
        with self.application(DATABASE_URL=self._postgresql.address(name), **settings) as app:
            flask_migrate.upgrade()
            yield app

    @cached_property
    def _postgresql(self) -> PostgresServer:
        server = PostgresServer()
        self._parts.callback(server.stop)
        return server

    @cached_property
    def queue(self) -> str:
        """The REDIS_URL of a Valkey of the bench's own."""
        return self._parts.enter_context(valkey_server())

    def fresh_queue(self) -> str:
        """``queue``, without what other installations have left there."""
        Redis.from_url(self.queue).flushdb()
        return self.queue

    def new_folder(self) -> Path:
        self._made += 1
        folder = self.folder / f"installation-{self._made}"
        folder.mkdir()
        return folder

    @cached_property
    def _template(self) -> Path:
        path = self.folder / "template.sqlite"
        with create_app(load(_environment(self.folder, path))).app_context():
            flask_migrate.upgrade()
            db.session.remove()
            db.engine.dispose()
        return path


@contextmanager
def _running(environment: dict[str, str]) -> Iterator[Flask]:
    """An application of this environment, its context entered."""
    app = create_app(load(environment))
    app.config["BENCH_ENVIRONMENT"] = environment
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()


def _environment(folder: Path, database: Path) -> dict[str, str]:
    return {
        "CARTLINK_INSTANCE": str(folder), "SECRET_KEY": "a secret of the bench", "SECRET_KEYS": Fernet.generate_key().decode(),
        "DATABASE_URL": f"sqlite:///{database}", "REDIS_URL": NO_QUEUE, "ALLOW_PRIVATE_ENDPOINTS": "all", "LOG_LEVEL": "WARNING",
    }  # fmt: skip


def process_environment(app: Flask, **changes: str) -> dict[str, str]:
    """The variables for a process that is to work on an installation, with ``changes``."""
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}
    return {**kept, "PYTHONUNBUFFERED": "1", **app.config["BENCH_ENVIRONMENT"], **changes}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a shop was asked since its log was cleared. ``targets`` are paths with their queries, in order."""

    reads: int
    writes: int
    targets: tuple[str, ...]

    @property
    def total(self) -> int:
        return self.reads + self.writes


class PracticeShop:
    """A practice shop as a client sees it. ``url`` and ``key`` are what an integration needs."""

    DAYS = 300

    def __init__(self, place: Place, products: int, orders: int, latency: float, variant_share: float):
        self.products, self.orders = products, orders
        self.process = place.processes.start(
            [sys.executable, "-m", "practice_shop", "--port", "0", "--products", str(products), "--orders", str(orders),
             "--days", str(self.DAYS), "--seed", str(place.seed), "--page-latency", str(latency),
             "--variant-share", str(variant_share)]
        )  # fmt: skip
        self.process.wait_for("Practice shop ready at", 60)
        words = self.process.output().split("Practice shop ready at ", 1)[1].split()
        self.url, self.key = words[0], words[words.index("key") + 1]
        self.session = requests.Session()
        self.session.trust_env = False

    @property
    def before_first_order(self) -> datetime:
        return datetime.now(UTC).replace(microsecond=0) - timedelta(days=self.DAYS + 30)

    def forget_requests(self) -> None:
        self._steer("POST", "clear-requests")

    def asked(self) -> Asked:
        """What the shop was asked since ``forget_requests``, by the shop's own log."""
        log = self._steer("GET", "requests", params={"last": 50_000})
        writes = sum(entry["method"] != "GET" for entry in log)
        return Asked(len(log) - writes, writes, tuple(entry["target"] for entry in log))

    def _steer(self, method: str, act: str, **options: Any) -> Any:
        answer = self.session.request(method, f"{self.url}/_practice/{act}", timeout=30, **options)
        answer.raise_for_status()
        return answer.json()


def connect(shop: PracticeShop, since: datetime | None = None, **settings: Any) -> int:
    """Connect a shop through the service, as a person would; ``settings`` are columns of the integration.
    Answers with the integration's id. The shop's log is empty afterwards."""
    check = connection.check_shop("xcart", shop.url, shop.key)
    if not check.good:
        raise RuntimeError(check.message)
    new = NewIntegration("xcart", f"Shop {shop.url}", shop.url, shop.key, since=since or shop.before_first_order)
    integration_id = lifecycle.add_integration(new, check, "bench").id
    if settings:
        with writing() as session:
            integration = session.get_one(Integration, integration_id)
            for name, value in settings.items():
                setattr(integration, name, value)
    shop.forget_requests()
    let_go()
    return integration_id


def let_go() -> None:
    """Keep no connection: a forked child must not inherit one, and one that reads would keep SQLite from tidying up."""
    db.session.remove()
    db.engine.dispose()


def do(integration_id: int, kind: str) -> SyncRun:
    """Run one kind of sync here and now, as ``flask sync … --now`` does. Raises RuntimeError where it does not end well."""
    run = execution.perform(runs_lifecycle.start_run(integration_id, kind, "bench").id)
    if run is None or run.outcome != "done":
        raise RuntimeError(f"The {kind} run ended {run.outcome if run else 'unclaimed'}: {run.error if run else ''}")
    return run
