"""A set-up that many tests begin with, done once and copied: the database, the queue and the shop as they are after it.

Connecting a shop and its first runs take longer than what most tests do then. A copy is used for a minute, so that nothing in it is due
that would not be due after setting up."""

from __future__ import annotations

import copy
import itertools
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import exists, select

from extensions import db
from models import User
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Proxy
from tests.support.databases import PostgresServer

SECONDS = 60
NOT_COPIED = ("lock", "_clock", "url", "_backup")


@dataclass
class Kept:
    made_at: float
    answer: Any
    store: dict[str, Any]
    queue: list[tuple[bytes, int, bytes]]
    """Key, milliseconds it lives on (0: for ever), value."""
    database: Path | str
    """A SQLite file, or the name of a database."""
    port: int
    """Where the shop was, or the proxy in front of it."""


_kept: dict[Any, Kept] = {}
_numbers = itertools.count()


def set_up_once(
    request: pytest.FixtureRequest, app: Flask, shop: PracticeShop, build: Callable[[], Any], proxy: Proxy | None = None
) -> Any:
    """What ``build`` answers with, and everything as it is after it: by calling it, or as a copy of an earlier call for an equal shop.
    ``proxy`` is what Cartlink is connected to, where that is not the shop itself.

    Where a test sets the clock, or has other settings, it is called. It comes first: what was stored before would be lost."""
    assert not db.session.scalar(select(exists().select_from(User))), "somebody has signed in before the set-up"
    db.session.rollback()
    if "clock" in request.fixturenames or list(request.node.iter_markers("config")):
        return build()
    front = proxy or shop
    folder = request.getfixturevalue("tmp_path_factory").getbasetemp()
    server = request.getfixturevalue("postgres") if db.engine.dialect.name == "postgresql" else None
    key = (request.fixturename, request.node.path, server is not None, _description(shop))
    kept = _kept.get(key)
    if kept is not None and time.monotonic() < kept.made_at + SECONDS and _moved(front, kept.port):
        _bring_back(app, shop, server, kept)
        return kept.answer
    answer = build()
    copied = _copy_database(server, folder / f"kept-{next(_numbers)}")
    _kept[key] = Kept(time.monotonic(), answer, _copy_of(shop.store), _queue(app), copied, front.port)
    return answer


def _moved(front: PracticeShop | Proxy, port: int) -> bool:
    """Whether it is now where the other one was, which the database knows the shop by."""
    with suppress(OSError):
        front.move(port)
    return front.port == port


def _description(shop: PracticeShop) -> str:
    """What of a shop decides how a set-up goes."""
    store = shop.store
    goods = [(each.id, each.sku, each.price, each.amount) for each in (*store.products.values(), *store.variants.values())]
    return repr((shop.generation, shop.base_path, shop.mode, goods, len(store.orders), store.newer_api, store.most_amount))


def _copy_of(store: Store) -> dict[str, Any]:
    with store.lock:
        values = copy.deepcopy({name: value for name, value in vars(store).items() if name not in NOT_COPIED})
    return values | ({"_backup": _copy_of(store._backup)} if store._backup else {})


def _store_of(kept: dict[str, Any]) -> Store:
    store = Store()
    vars(store).update(copy.deepcopy({name: value for name, value in kept.items() if name != "_backup"}))
    store._backup = _store_of(kept["_backup"]) if "_backup" in kept else None
    return store


def _let_go() -> None:
    db.session.remove()
    db.engine.dispose()


def _copy_database(server: PostgresServer | None, file: Path) -> Path | str:
    _let_go()
    if server is None:
        with closing(sqlite3.connect(_file())) as now, closing(sqlite3.connect(file)) as copied:
            now.backup(copied)
        return file
    name = file.name.replace("-", "_")
    server.execute(f"CREATE DATABASE {name} TEMPLATE {db.engine.url.database} STRATEGY FILE_COPY")
    return name


def _file() -> Path:
    return Path(str(db.engine.url.database))


def _queue(app: Flask) -> list[tuple[bytes, int, bytes]]:
    with Redis.from_url(app.config["CARTLINK"].redis_url) as queue:
        return [(key, max(0, queue.pttl(key)), value) for key in queue.scan_iter() if (value := queue.dump(key)) is not None]


def _bring_back(app: Flask, shop: PracticeShop, server: PostgresServer | None, kept: Kept) -> None:
    _let_go()
    if server is None:
        for suffix in ("-wal", "-shm"):
            _file().with_name(_file().name + suffix).unlink(missing_ok=True)
        shutil.copyfile(kept.database, _file())
    else:
        name = db.engine.url.database
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name} TEMPLATE {kept.database} STRATEGY FILE_COPY")
    shop.replace_store(_store_of(kept.store))
    shop.clear_requests()
    with Redis.from_url(app.config["CARTLINK"].redis_url) as queue:
        queue.flushall()
        for key, lives_on, value in kept.queue:
            queue.restore(key, lives_on, value)
