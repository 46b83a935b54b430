"""One installation of Cartlink inside this process: database, queue and practice shops, emptied between two schedules."""

from __future__ import annotations

import contextvars
import logging
import pkgutil
import random
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from flask import Flask
from redis import Redis
from rq.exceptions import InvalidJobOperation
from rq.job import Job
from rq.rate_limit import RateLimitRegistry
from rq.serializers import JSONSerializer
from rq.utils import import_attribute
from sqlalchemy import create_engine

import channels
import jobs
import services
from app import create_app
from config import Config, load
from extensions import db
from practice_shop import PracticeShop, Store
from practice_shop.modes import Mode
from tests.faults import clock as clocks
from tests.faults import strangers
from tests.faults.boundaries import Boundaries, Crash, hooked, made_by_the_suite
from tests.faults.watched import Watched
from tests.support.databases import PostgresServer, migrate
from tests.support.valkey import valkey_server

TEMPLATE = "faults_template"
GENERATIONS = ("addon", "api")


class Ear(logging.Handler):
    """Keeps what is logged as an error, but for what the suite has caused itself."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else sys.exc_info()[1]
        if not made_by_the_suite(error):
            self.heard.append(
                f"{record.name}: {record.getMessage()} {type(error).__name__ if error else ''} {error or ''}".strip()
            )


class House:
    """Made once, used for many schedules. ``url_of_template`` is a migrated database with the strangers' triggers."""

    def __init__(self, kind: str, folder: Path, redis_url: str, server: PostgresServer | None):
        self.kind = kind
        self.folder = folder
        self.server = server
        self.redis = Redis.from_url(redis_url)
        self.clock = clocks.Clock()
        self.boundaries = Boundaries()
        self.ear = Ear()
        self.shops = {generation: PracticeShop(store=Store(), generation=generation) for generation in GENERATIONS}
        self.fronts: dict[str, Watched] = {}
        """The proxy in front of each shop, which Cartlink is connected to."""
        self.life: object = None
        """Another one after each time that everything was emptied."""
        self.template = folder / "template.sqlite"
        self.database = folder / "cartlink.sqlite"
        url = server.address("faults") if server else f"sqlite:///{self.database}"
        template_url = server.address(TEMPLATE) if server else f"sqlite:///{self.template}"
        if server:
            server.execute(f"CREATE DATABASE {TEMPLATE}")
        self._settings = {
            "CARTLINK_INSTANCE": str(folder / "instance"), "SECRET_KEY": "a secret of the fault suite",
            "SECRET_KEYS": Fernet.generate_key().decode(), "REDIS_URL": redis_url, "ALLOW_PRIVATE_ENDPOINTS": "all",
            "LOG_LEVEL": "ERROR",
        }  # fmt: skip
        migrate(load({**self._settings, "DATABASE_URL": template_url}))
        engine = create_engine(load({**self._settings, "DATABASE_URL": template_url}).database_url)
        with engine.begin() as connection:
            strangers.watch(connection)
        engine.dispose()
        self._empty_database()
        config = load({**self._settings, "DATABASE_URL": url})
        # One request at a time and short waits, so that a schedule is the same each time it is run.
        self.config: Config = replace(
            config, shop_connections=1, read_timeout=0.3, total_timeout=5.0, testing=True, requests_per_minute=1_000_000
        )
        self.app: Flask = create_app(self.config)

    def reset(self, **settings: Any) -> None:
        """An empty installation with these settings, and nothing wrong anywhere."""
        self.life = object()
        self._let_go()
        self._empty_database()
        self.redis.flushdb()
        self.clock.reset()
        self.boundaries.reset()
        self.ear.heard.clear()
        self.change(**settings)

    def keep_database(self) -> Path:
        """A copy of the SQLite database as it is now, for ``bring_back``."""
        self._let_go()
        kept = self.folder / "kept.sqlite"
        kept.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.database)) as now, closing(sqlite3.connect(kept)) as copy:
            now.backup(copy)
        return kept

    def bring_back(self, kept: Path) -> None:
        self._let_go()
        self._copy_database(kept)

    def change(self, **settings: Any) -> None:
        self.app.config["CARTLINK"] = replace(self.config, **settings)

    def open_shop(self, generation: str) -> PracticeShop:
        """A shop with nothing in it, on the suite's clock."""
        shop = self.shops[generation]
        if shop._server is None:
            shop.start()
            self.fronts[generation] = Watched(shop.url, in_turn=True).start()
        self.fronts[generation].begin_again()
        shop.mode = Mode()
        shop.generation = generation
        shop.replace_store(Store(clock=self.clock.shop_time))
        shop.faults.clear()
        shop.key, shop.read_key = "practice-full-key", "practice-read-key"
        shop.clear_requests()
        shop.failures.clear()
        shop._last_pages.clear()
        return shop

    def do(self, act: Callable[[], Any], *, watched: bool = False) -> Any:
        """An act in a separate process, as far as sessions and transactions go; ``watched`` is what may be struck."""

        def go() -> Any:
            with self.app.app_context():
                try:
                    if not watched:
                        return act()
                    with self.boundaries.watched():
                        return act()
                finally:
                    db.session.remove()

        return contextvars.Context().run(go)

    def take_job(self) -> str | None:
        """Do the next job on the queue; answers with its name, None where there is none."""
        for name in ("checks", "messages", "files", "sync"):
            job_id = self.redis.lpop(f"rq:queue:{name}")
            if job_id is None:
                continue
            job = Job.fetch(job_id.decode(), connection=self.redis, serializer=JSONSerializer)
            try:
                self.do(lambda job=job: import_attribute(job.func_name)(*job.args, **job.kwargs), watched=True)
            except Crash:
                # RQ would find out in a minute or more; who needs the slot sooner has to know it from the database.
                raise
            except BaseException:
                self._ended(job)
                raise
            self._ended(job)
            return f"{job.func_name.split('.')[1]} {job.kwargs}"
        return None

    def _ended(self, job: Job) -> None:
        """What RQ's worker does when a job has ended, well or not."""
        if job.has_rate_limit:
            RateLimitRegistry(job.rate_limit_key, self.redis).release_and_enqueue(job.id)
        # It may be gone with a queue that was flushed.
        with suppress(InvalidJobOperation):
            job.delete(remove_from_queue=False)

    def _empty_database(self) -> None:
        if self.server:
            self.server.execute("DROP DATABASE IF EXISTS faults WITH (FORCE)")
            self.server.execute(f"CREATE DATABASE faults TEMPLATE {TEMPLATE} STRATEGY file_copy")
        else:
            self._copy_database(self.template)

    def _copy_database(self, source: Path) -> None:
        for suffix in ("-wal", "-shm"):
            self.database.with_name(self.database.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(source, self.database)

    def _let_go(self) -> None:
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()

    def close(self) -> None:
        for front in self.fronts.values():
            front.stop()
        for shop in self.shops.values():
            shop.stop()
        self._let_go()
        self.redis.close()


@contextmanager
def opened(kind: str) -> Iterator[House]:
    """A house on SQLite or PostgreSQL, with the clock and the boundaries in place; everything is ended afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cartlink-faults-")))
        url = stack.enter_context(valkey_server())
        server = None
        if kind == "postgresql":
            server = PostgresServer()
            stack.callback(server.stop)
        house = House(kind, folder, url, server)
        stack.callback(house.close)
        _import_everything()
        stack.enter_context(clocks.on(house.clock))
        stack.enter_context(hooked(house.boundaries))
        for handler in logging.getLogger().handlers:
            handler.setLevel(logging.CRITICAL)
        logging.getLogger().addHandler(house.ear)
        stack.callback(logging.getLogger().removeHandler, house.ear)
        # A shop's thread and the worker take turns at every request: the usual five milliseconds would be most of the time.
        before = sys.getswitchinterval()
        sys.setswitchinterval(0.0002)
        stack.callback(sys.setswitchinterval, before)
        state = random.getstate()
        stack.callback(random.setstate, state)
        yield house


def _import_everything() -> None:
    """All modules are there before the clock is put into them."""
    for package in (jobs, services, channels):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
