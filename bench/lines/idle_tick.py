"""A tick when nothing has happened: one request to the shop (its orders, newest change first), and nothing read whole.

An installation with 10,000 downloaded orders and 50,000 listings; orders and stock are made due, ``jobs.schedule.tick`` starts
the run of the orders and moves the idle stock on, and the jobs work on the runs, as scheduler and workers do. Every statement sent to the database meanwhile is explained
afterwards by SQLite itself (EXPLAIN QUERY PLAN): a step that reads a growing table whole, or all that it has of one shop,
counts, unless it is of an index that holds only rows to be dealt with.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, insert, select

import jobs.schedule
from bench.frame import Measured
from bench.place import Place, connect, do
from extensions import db, reading, writing
from jobs import runs as run_jobs
from models import Integration, Link, Listing, StockItem, SyncRun
from models.types import utcnow

GROWING = ("order", "order_line", "order_change", "listing", "link", "stock_item", "stock_entry", "sync_run", "run_item")
WHOLE = re.compile(
    rf"SCAN ({'|'.join(GROWING)})(_\d+)?( USING .*)?"
    r"|SEARCH (order|listing)(_\d+)? USING .*\(shop_id=\?\)"
    r"|SEARCH sync_run(_\d+)? USING .*\(integration_id=\?\)"
)
"""A step of a plan that reads a growing table whole, or all that it has of one shop."""

SMALL_INDEXES = (
    "ix_listing_push_state",
    "ix_order_suspected",
    "ix_listing_stale",
    "ix_order_reread_due",
    "ix_order_rows_due",
    "uq_sync_run_live",
)
"""They hold what is to be pushed or read again, what a push or a reading had trouble with, or the runs that are not over, and nothing else: reading them whole reads what there
is to do."""

Statement = tuple[str, Sequence[Any]]

CONTROLS: tuple[Statement, ...] = (
    ("SELECT name FROM listing WHERE push_error = ?", ("x",)),
    ("SELECT name FROM listing AS listing_1 WHERE product_id = ? AND push_error = ?", ("1", "x")),
    ('UPDATE "order" SET note = ? WHERE note = ?', ("x", "y")),
)
"""Statements that do read whole tables: they have to be recognised."""


def measure_requests(place: Place) -> Measured:
    found = place.once("idle tick", lambda: _measure(place))
    return Measured(found["requests"]["orders"], {name: found[name] for name in ("requests", "stored")})


def measure_scans(place: Place) -> Measured:
    found = place.once("idle tick", lambda: _measure(place))
    return Measured(len(found["scans"]), {"statements": found["statements"], "scans": found["scans"], "stored": found["stored"]})


def _measure(place: Place) -> dict[str, Any]:
    orders, listings = place.full_or_quick(10_000, 1_000), place.full_or_quick(50_000, 5_000)
    shop = place.shop(products=400, orders=orders)
    with place.installation(REDIS_URL=place.queue) as app:
        integration_id = connect(shop)
        for kind in ("orders", "listings", "stock", "orders", "stock"):
            do(integration_id, kind)
        _add_listings(integration_id, listings)
        jobs.schedule.tick()  # the first one after an installation looks through all stock items once
        _make_due(integration_id)
        shop.forget_requests()
        requests: dict[str, int] = {}
        with _statements() as statements:
            jobs.schedule.tick()
            for run_id, kind in _queued():
                run_jobs.run(run_id)
                requests[kind] = shop.asked().total - sum(requests.values())
        outcomes = dict(db.session.execute(select(SyncRun.kind, SyncRun.outcome).order_by(SyncRun.id)).all())
        if set(requests) != {"orders"} or outcomes["orders"] != "done":
            raise RuntimeError(f"The tick did something else: {requests}, {outcomes}")
        path = app.config["BENCH_ENVIRONMENT"]["DATABASE_URL"].removeprefix("sqlite:///")
        if len(_scans(path, CONTROLS)) != len(CONTROLS):
            raise RuntimeError("A full scan was not recognised; SQLite words its plans in another way.")
        scans = _scans(path, statements)
    stored = {"orders": orders, "listings": listings}
    return {"requests": requests, "statements": len(statements), "scans": scans, "stored": stored}


def _add_listings(integration_id: int, number: int) -> None:
    """Listings with their stock items and links, as if read long ago: the shop need not have them, nobody asks."""
    with writing() as session:
        shop_id = session.get_one(Integration, integration_id).shop_id
        now, first = utcnow(), 1_000_000
        ids = range(first, first + number)
        session.execute(
            insert(StockItem.__table__),
            [
                {"id": row, "sku": f"FILL-{row}", "name": "", "on_hand": 5, "reserved": 0, "buffer": 0, "updated_at": now}
                for row in ids
            ],
        )
        session.execute(
            insert(Listing.__table__),
            [
                {"id": row, "shop_id": shop_id, "external_id": f"product:{row}", "kind": "product", "product_id": str(row),
                 "sku": f"FILL-{row}", "name": "", "quantity": 5, "expected": 5, "pushed": 5, "counted": True, "own_stock": True,
                 "replaced": False, "enabled": True, "do_not_push": False, "push_error": "", "stale": False, "seen_at": now}
                for row in ids
            ],
        )  # fmt: skip
        session.execute(
            insert(Link.__table__),
            [{"listing_id": row, "stock_item_id": row, "units": 1, "made_by": "sku"} for row in ids],
        )


def _make_due(integration_id: int) -> None:
    with writing() as session:
        integration = session.get_one(Integration, integration_id)
        integration.flows["orders"].due_at = integration.flows["stock"].due_at = utcnow()


def _queued() -> list[tuple[int, str]]:
    query = select(SyncRun.id, SyncRun.kind).where(SyncRun.state == "queued").order_by(SyncRun.id)
    with reading() as session:
        return [(run_id, kind) for run_id, kind in session.execute(query)]


@contextmanager
def _statements() -> Iterator[list[Statement]]:
    """What is sent to the database inside, each statement once."""
    sent: dict[str, Sequence[Any]] = {}
    found: list[Statement] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        sent.setdefault(statement, parameters[0] if executemany else parameters)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
        found.extend(sent.items())


def _scans(path: str, statements: Sequence[Statement]) -> list[dict[str, str]]:
    scans = []
    connection = sqlite3.connect(path)
    try:
        for statement, parameters in statements:
            if statement.lstrip().split(None, 1)[0].upper() not in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
                continue
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):
                if WHOLE.fullmatch(row[3]) and not any(name in row[3] for name in SMALL_INDEXES):
                    scans.append({"step": row[3], "statement": statement})
    finally:
        connection.close()
    return scans
