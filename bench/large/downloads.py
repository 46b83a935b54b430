"""Files and whole lists, which have as many rows as the installation: what counts is their memory, and rows in a second, not their time.

Each is read in its own process, piece by piece, and nothing of it is kept. Its memory is the highest resident mark (Linux) less what the
process had before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask

from bench.large.place import SMALL, Kept
from bench.pairs import in_child
from extensions import db
from services.orders import queries
from tests.support.signed_in import sign_in

MIB = 1024
"""Kilobytes, which /proc counts in."""
MORE_MEMORY = 20.0
"""MiB that a file of the large installation may take more than one of the small installation."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What one download took: rows, seconds of the processor (of the database as well, on SQLite), MiB above what the process had."""

    rows: int
    seconds: float
    memory: float

    @property
    def rows_in_a_second(self) -> float:
        return self.rows / self.seconds


@dataclass(frozen=True, slots=True)
class Pair:
    """One download of the small installation and of the large one."""

    name: str
    small: Downloaded
    large: Downloaded

    @property
    def good(self) -> bool:
        return self.large.memory <= self.small.memory + MORE_MEMORY


def timed_downloads(kept: Kept, names: Sequence[str]) -> Iterator[Pair]:
    for name in names:
        found = []
        for orders in (SMALL, kept.orders):
            with kept.opened(orders) as app:
                db.session.remove()
                db.engine.dispose()
                found.append(Context().run(in_child, _download, app, name, seconds=1800))
        yield Pair(name, *found)


def _download(app: Flask, name: str) -> Downloaded:
    make = DOWNLOADS[name]
    # Everything it uses is imported and connected once, before it counts.
    next(make(app), None)
    Path("/proc/self/clear_refs").write_text("5")
    before, started, rows = _memory("VmRSS"), time.process_time(), 0
    for piece in make(app):
        rows += piece.count(b"\n")
    return Downloaded(rows, time.process_time() - started, (_memory("VmHWM") - before) / MIB)


def _memory(name: str) -> int:
    return int(Path("/proc/self/status").read_text().split(f"{name}:", 1)[1].split()[0])


def _page(path: str) -> Callable[[Flask], Iterator[bytes]]:
    """The pieces of a file that a page offers."""

    def pieces(app: Flask) -> Iterator[bytes]:
        client = app.test_client()
        sign_in(client, "owner", sees_customers=True)
        answer: Any = client.get(path, buffered=False)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
        try:
            yield from answer.iter_encoded()
        finally:
            answer.close()

    return pieces


def _orders_as_json(app: Flask) -> Iterator[bytes]:
    """As ``flask orders list --json`` writes them."""
    with app.app_context():
        for batch in queries.iter_orders():
            yield b"".join(msgspec.json.encode(each) + b"\n" for each in batch)


DOWNLOADS: dict[str, Callable[[Flask], Iterator[bytes]]] = {
    "orders as CSV": _page("/orders/orders.csv"), "lines as CSV": _page("/orders/export/file.csv?by=line"),
    "orders as JSON": _orders_as_json, "listings as CSV": _page("/listings/listings.csv"), "stock as CSV": _page("/stock/stock.csv"),
    "SKUs, a year, as CSV": _page("/reports/skus.csv?days=365"), "sales, a year, as CSV": _page("/reports/sales.csv?days=365"),
}  # fmt: skip
