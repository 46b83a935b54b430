"""A supplier's real server, and a feed that fetches from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from extensions import db, reading
from models import FeedRun, Offer, StockItem
from services.feeds import runs, suppliers
from tests.support.remote_files import File, WebServer, web_server

Rows = Mapping[str, object]


def csv_of(rows: Rows, headings: str = "sku,quantity") -> bytes:
    return "\n".join([headings, *(f"{code},{quantity}" for code, quantity in rows.items()), ""]).encode()


@dataclass
class Feed:
    """A feed with its server. ``serve`` says what the file holds; ``fetch`` does one run and returns its state."""

    id: int
    web: WebServer
    path: str

    def serve(self, rows: Rows | bytes, **more: Any) -> None:
        self.web.files[self.path] = File(rows if isinstance(rows, bytes) else csv_of(rows), **more)

    def fetch(self, rows: Rows | bytes | None = None) -> str:
        if rows is not None:
            self.serve(rows)
        self.run_id = runs.start(self.id, "user:ann")
        runs.work(self.run_id)
        return self.run().state

    def approve(self, *, make_fed: bool = False) -> str:
        runs.approve(self.run_id, "user:ann", make_fed=make_fed)
        runs.work(self.run_id)
        return self.run().state

    def begin(self, rows: Rows) -> None:
        """The first run, approved: all items that it names become fed."""
        assert self.fetch(rows) == "waiting"
        assert self.approve(make_fed=True) == "done"

    def run(self) -> FeedRun:
        return runs.get_run(self.run_id)

    def row(self):
        return suppliers.get_feed(self.id)

    def offers(self) -> dict[str, int]:
        with reading() as session:
            found = session.execute(select(Offer.code, Offer.quantity).where(Offer.feed_id == self.id).order_by(Offer.id))
            return dict(found.all())

    def change(self, **values: Any) -> None:
        suppliers.change_feed(self.id, "user:ann", **values)


@pytest.fixture(scope="session")
def supplier_server() -> Iterator[WebServer]:
    with web_server() as web:
        yield web


@pytest.fixture
def make_feed(app, supplier_server) -> Callable[..., Feed]:
    """Makes a feed with one file on the supplier's server; the first one belongs to the supplier Acme."""
    made: list[Feed] = []

    def make(**values: Any) -> Feed:
        supplier_server.files = {} if not made else supplier_server.files
        supplier_id = suppliers.create_supplier(f"Acme {len(made) + 1}" if made else "Acme", None, "user:ann")
        path = f"/stock-{len(made)}.csv"
        wanted = {"name": "Stock", "address": supplier_server.url(path), **values}
        made.append(Feed(suppliers.create_feed(supplier_id, "user:ann", **wanted), supplier_server, path))
        return made[-1]

    return make


@pytest.fixture
def feed(make_feed) -> Feed:
    return make_feed()


@pytest.fixture
def on_hand(app) -> Callable[[str], int]:
    def look(sku: str) -> int:
        with reading():
            return db.session.scalars(select(StockItem).where(StockItem.sku == sku)).one().on_hand

    return look
