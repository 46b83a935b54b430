"""Where the small and the large installation live: in a folder that stays, so that they are made once for each state of the schema."""

from __future__ import annotations

import shutil
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask
from sqlalchemy import text

from bench.large.fill import Filler, Size
from bench.place import Place, connect, do, let_go
from config import load
from extensions import db
from services.operations import schema, statistics
from tests.support.databases import PostgresServer, migrate

SMALL = 1_000
MODELS = 100
"""Orders that are downloaded for real; all others are copies of them."""
KEY = b64encode(bytes(32)).decode()
"""What the API keys of the bench's own shops are encrypted with: the databases outlive the process that made them."""
SETTINGS = {
    "shared_buffers": "256MB", "autovacuum": "on", "max_wal_size": "4GB", "maintenance_work_mem": "256MB", "fsync": "off",
    "max_parallel_workers_per_gather": "0",  # their processor time is gone with them
}  # fmt: skip


class Kept:
    """The databases of one kind in ``folder``: ``small`` with 1,000 orders, ``large`` with as many as asked for."""

    def __init__(self, place: Place, folder: Path, kind: str, orders: int):
        self.place, self.kind, self.orders = place, kind, orders
        self.folder = folder.resolve() / f"{kind}-{schema.head()}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.server = self._server() if kind == "postgresql" else None

    def _server(self) -> PostgresServer:
        return PostgresServer(self.folder, SETTINGS)

    def address(self, orders: int) -> str:
        if self.server is not None:
            return self.server.address(f"bench_{orders}")
        return f"sqlite:///{self.folder}/{orders}.sqlite"

    @contextmanager
    def opened(self, orders: int) -> Iterator[Flask]:
        """An application on one of them, its context entered."""
        with self.place.application(**self._environment(orders)) as app:
            yield app

    def _environment(self, orders: int) -> dict[str, str]:
        return {
            "DATABASE_URL": self.address(orders), "REDIS_URL": self.place.queue, "REQUESTS_PER_MINUTE": "100000", "SECRET_KEYS": KEY,
        }  # fmt: skip

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()

    def fill(self) -> float:
        """Make what is missing; returns the seconds that took."""
        started = time.perf_counter()
        for orders, make in ((MODELS, self._download), (SMALL, self._make), (self.orders, self._make)):
            done = self.folder / f"{orders}.done"
            if not done.exists():
                make(orders)
                done.touch()
        return time.perf_counter() - started

    def _new_database(self, orders: int, template: int | None) -> None:
        if self.server is None:
            file = self.folder / f"{orders}.sqlite"
            for each in self.folder.glob(f"{file.name}*"):
                each.unlink()
            if template is not None:
                shutil.copyfile(self.folder / f"{template}.sqlite", file)
            return
        self.server.execute(f"DROP DATABASE IF EXISTS bench_{orders} WITH (FORCE)")
        self.server.execute(f"CREATE DATABASE bench_{orders}" + (f" TEMPLATE bench_{template}" if template is not None else ""))

    def _download(self, orders: int) -> None:
        self._new_database(orders, None)
        shop = self.place.shop(products=200, orders=orders)
        with self.opened(orders) as app:
            migrate(load(app.config["BENCH_ENVIRONMENT"]))
            integration_id = connect(shop)
            for kind in ("listings", "stock", "orders", "reconciliation"):
                do(integration_id, kind)
            let_go()

    def _make(self, orders: int) -> None:
        self._new_database(orders, MODELS)
        with self.opened(orders):
            with db.engine.connect() as connection:
                if connection.dialect.name == "sqlite":
                    for pragma in ("foreign_keys=OFF", "journal_mode=OFF", "synchronous=OFF", "cache_size=-500000"):
                        # Before a transaction begins: inside one it could not be set.
                        connection.connection.driver_connection.execute(f"PRAGMA {pragma}")
                Filler(connection, Size(orders)).fill()
                connection.commit()
            statistics.refresh()
            if self.kind == "postgresql":
                with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.execute(text("VACUUM"))
            let_go()
