"""A supplier's feed of 100,000 rows of which 1 % has changed: fetched, compared and applied.

*Ours* is the whole of ``services.feeds.runs.work`` on a queued run, as a worker does it: claim, lease and heartbeat, the fetch through the address
guard, each cell read with the assigned columns, codes compared by their keys, what differs staged, the safety limits, offers and the on
hand of fed stock items changed in one transaction with the ledger, and their listings made due. All codes are linked to fed stock items.

*Theirs* is a bare script: ``requests`` fetches the same file from the same server, Python's csv module reads it, its rows are compared with a
dictionary of what is stored, and what differs is updated in the same table by one statement for many rows. It checks nothing, keeps no
history, and knows no stock.

Both run in forked children, in turn, each on offers of one feed. Opening the database and the connection is part of the time."""

from __future__ import annotations

import csv
import io
import random
import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from flask import Flask
from sqlalchemy import func, insert, select

from bench.frame import Measured
from bench.pairs import FORK, alternate, in_child, ratio, samples
from bench.place import Place, let_go
from extensions import db, reading, writing
from models import Feed, Offer, StockItem
from models.sku_key import sku_key
from models.types import utcnow
from services.feeds import runs, suppliers

ROWS, CHANGED = 100_000, 100
"""One in CHANGED rows differs from the file before."""
TIMES = 7
COLUMNS = {"columns": {"sku": "Code", "quantity": "Stock"}, "options": {}}
HEADINGS = ("Code", "Name", "Stock", "Price")


def measure_ratio(place: Place) -> Measured:
    """Our time against that of the bare script."""
    found = place.once("feeds", lambda: _measure(place))
    return Measured(ratio(found["ours"], found["theirs"]), {**samples(found["ours"], found["theirs"]), "rows": found["rows"]})


def measure_memory(place: Place) -> Measured:
    """The memory that a run takes beyond what its process has anyway, in MiB."""
    found = place.once("feeds", lambda: _measure(place))
    return Measured(max(found["memory"]), {"rows": found["rows"], "samples": found["memory"]})


def _measure(place: Place) -> dict[str, Any]:
    number, times = place.full_or_quick(ROWS, 5_000), place.full_or_quick(TIMES, 1)
    files = list(_files(number, times + 1, place.seed))
    memory: list[float] = []
    with _server(files) as address, place.installation() as app:
        ours_id, theirs_id = (_feed(address, name, files[0]) for name in ("ours", "theirs"))
        turn = {"ours": 0, "theirs": 0}

        def ours() -> float:
            turn["ours"] += 1
            _point(ours_id, f"{address}/{turn['ours']}.csv")
            seconds, taken = in_child(_run, app, ours_id)
            memory.append(taken)
            return seconds

        def theirs() -> float:
            turn["theirs"] += 1
            return in_child(_bare, str(db.engine.url.database), theirs_id, f"{address}/{turn['theirs']}.csv")

        mine, peer = alternate(ours, theirs, times)
        _compare(ours_id, theirs_id)
    return {"ours": mine, "theirs": peer, "memory": memory, "rows": number}


def _files(rows: int, number: int, seed: int) -> Iterator[list[tuple[str, str, int, str]]]:
    drawn = random.Random(seed)
    stock = [
        (f"SUP-{row:06}", f"Product {row}, blue", drawn.randrange(1, 200), f"{drawn.randrange(1, 90)}.95") for row in range(rows)
    ]
    for _ in range(number):
        yield list(stock)
        for row in drawn.sample(range(rows), rows // CHANGED):
            code, name, quantity, price = stock[row]
            stock[row] = (code, name, quantity + 1, price)


@contextmanager
def _server(files: list[list[tuple[str, str, int, str]]]) -> Iterator[str]:
    """A server in a separate process that has each file as ``/0.csv`` and so on."""
    bodies = [_csv(file) for file in files]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            """Nothing on the terminal."""

        def do_GET(self) -> None:
            body = bodies[int(self.path.strip("/").partition(".")[0])]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    process = FORK.Process(target=server.serve_forever, daemon=True)
    process.start()
    server.socket.close()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        process.terminate()
        process.join(5)


def _csv(rows: list[tuple[str, str, int, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADINGS)
    writer.writerows(rows)
    return text.getvalue().encode()


def _feed(address: str, name: str, rows: list[tuple[str, str, int, str]]) -> int:
    """A feed that has read the first file, with its offers linked to fed stock items."""
    supplier_id = suppliers.create_supplier(name, None, "bench")
    feed_id = suppliers.create_feed(
        supplier_id, "bench", name=name, address=f"{address}/0.csv", headings=list(HEADINGS), columns=COLUMNS
    )
    now = utcnow()
    with writing() as session:
        feed = session.get_one(Feed, feed_id)
        feed.approved_at = feed.succeeded_at = now
        feed.read_at = now + timedelta(seconds=1)  # none of the items has moved since
        feed.rows = len(rows)
        before = session.scalar(select(func.count()).select_from(StockItem)) or 0
        items = [
            {"id": before + place, "sku": f"{name}-{code}", "sku_key": sku_key(f"{name}-{code}"), "name": "", "on_hand": quantity, "reserved": 0,
             "buffer": 0, "updated_at": now, "fed": True, "fed_rule": "sum"}
            for place, (code, _, quantity, _) in enumerate(rows, 1)
        ]  # fmt: skip
        session.execute(insert(StockItem.__table__), items)
        offers = [
            {"feed_id": feed_id, "code": code, "code_key": sku_key(code), "stock_item_id": before + place, "linked_by": "hand", "units": 1,
             "quantity": quantity, "seen_at": now, "changed_at": now, "missed": 0, "ignored": False}
            for place, (code, _, quantity, _) in enumerate(rows, 1)
        ]  # fmt: skip
        session.execute(insert(Offer.__table__), offers)
    return feed_id


def _point(feed_id: int, url: str) -> None:
    """Have the feed fetch another file, without what a change by a person leads to."""
    with writing() as session:
        session.get_one(Feed, feed_id).address = url
    let_go()


def _run(app: Flask, feed_id: int) -> tuple[float, float]:
    """Seconds, and MiB of memory."""
    run_id = runs.start(feed_id, "bench")
    let_go()
    before = _resident()
    started = time.perf_counter()
    runs.work(run_id)
    seconds = time.perf_counter() - started
    run = runs.get_run(run_id)
    if run.state != "done":
        raise RuntimeError(f"The run did not end well: {run.state} {run.problems} {run.error}")
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1024 / 1024


def _bare(database: str, feed_id: int, url: str) -> float:
    started = time.perf_counter()
    connection = sqlite3.connect(database)
    known = dict(connection.execute("SELECT code, quantity FROM offer WHERE feed_id = ?", (feed_id,)))
    text = io.StringIO(requests.get(url, timeout=60).content.decode(), newline="")
    reader = csv.reader(text)
    next(reader)
    changed = [(int(quantity), feed_id, code) for code, _, quantity, _ in reader if known.get(code) != int(quantity)]
    with connection:
        connection.executemany("UPDATE offer SET quantity = ? WHERE feed_id = ? AND code_key = lower(?)", changed)
    connection.close()
    return time.perf_counter() - started


def _compare(one: int, other: int) -> None:
    """Raises RuntimeError if the two sides have stored different offers."""
    if _stored(one) != _stored(other):
        raise RuntimeError("The bare script stored other offers.")


def _stored(feed_id: int) -> dict[str, int]:
    with reading() as session:
        return dict(session.execute(select(Offer.code, Offer.quantity).where(Offer.feed_id == feed_id)).all())
