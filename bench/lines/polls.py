"""Quiet shops: what one interval of them costs, and how many one worker process holds.

*quiet_shop_ratio*: processor time of one interval against a bare poller. The interval includes a full page of one shop in twelve, as an
hour has twelve intervals, and moving the idle stock on. The bare poller sends one GET a shop with ``requests``, on as many threads,
and writes one UPDATE for every 100 shops. Both sides open a new connection over TLS for each request and read the list of authorities
once.

*quiet_shop_ms*: the same processor time for one shop, without the handshake, which the details show apart; the worse of SQLite and PostgreSQL.

*quiet_shops_held*: with 20,000 shops stored, how many of them one worker process polls a second, times the seconds of an interval. The
shops are simulated in another process, which needs as much of the machine's time.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from sqlalchemy import func, insert, select, text, update

from bench.authority import certificates
from bench.frame import Measured
from bench.pairs import alternate, in_child, ratio, samples
from bench.place import Place, connect, do, let_go
from extensions import db, writing
from models import Flow, FlowKind, Integration, Shop, SyncRun
from models.types import utcnow
from services.runs import lifecycle
from services.shops.flows import INTERVALS
from services.sync import polls, schedule

INTERVAL = INTERVALS[FlowKind.ORDERS]
PAGES = 3600 // INTERVAL
"""In how many intervals a shop has one full page."""
QUESTION = (
    "/admin.php?target=RESTAPI&_key={key}&_path=order&_cnd%5BorderBy%5D%5B0%5D%5B0%5D=o.lastRenewDate&_cnd%5BorderBy%5D%5B0%5D%5B1%5D=o.order_id"
    "&_cnd%5BorderBy%5D%5B1%5D%5B0%5D=desc&_cnd%5BorderBy%5D%5B1%5D%5B1%5D=desc&_cnd%5Blimit%5D%5B0%5D=0&_cnd%5Blimit%5D%5B1%5D={count}"
)


def measure_ratio(place: Place) -> Measured:
    return _ratio(place, "sqlite")


def measure_ratio_postgresql(place: Place) -> Measured:
    return _ratio(place, "postgresql")


def measure_milliseconds(place: Place) -> Measured:
    found = {kind: _costs(place, kind) for kind in ("sqlite", "postgresql")}
    handshake = min(in_child(_shake_hands, _quiet(place).port, _quiet(place).authority) for _ in range(3))
    apart = {kind: min(costs.ours) / costs.shops * 1000 for kind, costs in found.items()}
    worst = max(apart.values())
    return Measured(
        worst - handshake,
        {"with_handshake_ms": apart, "handshake_ms": handshake, "shops_a_core_by_that": {kind: INTERVAL * 1000 / ms for kind, ms in apart.items()}},
    )  # fmt: skip


def measure_held(place: Place) -> Measured:
    held = {kind: _held(place, kind) for kind in ("sqlite", "postgresql")}
    return Measured(min(found["held"] for found in held.values()), held)


@dataclass(frozen=True, slots=True)
class _Costs:
    shops: int
    ours: list[float]
    bare: list[float]


def _ratio(place: Place, kind: str) -> Measured:
    costs = _costs(place, kind)
    per_shop = {"ours_ms_a_shop": round(min(costs.ours) / costs.shops * 1000, 3), "shops": costs.shops}
    return Measured(ratio(costs.ours, costs.bare), {**samples(costs.ours, costs.bare), **per_shop})


def _costs(place: Place, kind: str) -> _Costs:
    return place.once(f"quiet shops {kind}", lambda: _measure(place, kind))


def _measure(place: Place, kind: str) -> _Costs:
    count, times = place.full_or_quick(600, 120), place.full_or_quick(5, 2)
    quiet = _quiet(place)
    with _installed(place, kind, count):
        url = quiet.url + QUESTION.format(key=quiet.key, count=5)

        def ours() -> float:
            _make_due()
            let_go()
            return in_child(_poll, count)

        mine, bare = alternate(ours, lambda: in_child(_ask, url, count, quiet.authority), times)
    return _Costs(count, mine, bare)


def _held(place: Place, kind: str) -> dict[str, Any]:
    count, seconds = place.full_or_quick(20_000, 1_000), place.full_or_quick(15, 3)
    with _installed(place, kind, count):
        _make_due()
        let_go()
        polled, took, spent = in_child(_poll_for, seconds)
    return {
        "held": polled / took * INTERVAL, "stored": count, "polled": polled, "seconds": round(took, 2),
        "processor_ms_a_poll": round(spent / max(1, polled) * 1000, 3),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Quiet:
    """The simulated shops."""

    url: str
    key: str
    authority: str

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443


def _quiet(place: Place) -> _Quiet:
    return place.once("the quiet shops", lambda: _start_quiet(place))


def _start_quiet(place: Place) -> _Quiet:
    shop, folder = place.shop(products=10, orders=100), place.new_folder()
    files = folder / "poll.json", folder / "page.json"
    for path, question in zip(files, (QUESTION.format(key=shop.key, count=5), QUESTION.format(key=shop.key, count=100) + "&_schema=complex"), strict=True):  # fmt: skip
        path.write_bytes(shop.session.get(shop.url + question, timeout=30).content)
    authority, certificate, key = certificates(folder)
    process = place.processes.start(
        [sys.executable, "-m", "bench.quiet_shops", "--poll", str(files[0]), "--page", str(files[1]), "--certificate", str(certificate),
         "--key", str(key)]
    )  # fmt: skip
    process.wait_for("Quiet shops ready at", 30)
    # Read by the first connection over TLS that the channel opens.
    os.environ["SSL_CERT_FILE"] = str(authority)
    return _Quiet(process.output().split("Quiet shops ready at ", 1)[1].split()[0], shop.key, str(authority))


@contextmanager
def _installed(place: Place, kind: str, count: int) -> Iterator[None]:
    """An installation with so many integrations of quiet shops, each polled before."""
    quiet, shop = _quiet(place), place.shop(products=10, orders=100)
    with place.on(kind, REQUESTS_PER_MINUTE="100000", ORDER_PAGE_SIZE="100"):
        integration_id = connect(shop)
        polls.plan(do(integration_id, "orders"))
        with writing() as session:
            session.execute(update(Integration).values(endpoint=quiet.url, push_gate="open"))
            session.execute(update(Shop).values(listings_read_at=utcnow()))
        _poll_first()
        polls.plan(_found_nothing(integration_id))
        _make_due(pages=1)
        if [each for batch in polls.poll(False, lambda: True) for each in batch]:
            raise RuntimeError("The simulated shop does not say what its practice shop said.")
        _copy(count)
        db.session.execute(text("ANALYZE"))
        db.session.commit()
        yield


def _poll_first() -> None:
    """The first poll has nothing to compare with, so it makes the flow due."""
    _make_due(pages=0)
    list(polls.poll(False, lambda: True))


def _found_nothing(integration_id: int) -> SyncRun:
    """What a run says that found nothing: the simulated shop answers only to polls."""
    with writing() as session:
        later = utcnow() + polls.READ_EVERY
        session.execute(update(Flow).where(Flow.kind == FlowKind.ORDERS).values(due_at=later))
    run_id = lifecycle.create_run(integration_id, "orders", "bench")
    with writing() as session:
        session.execute(update(SyncRun).where(SyncRun.id == run_id).values(state="finished", outcome="done"))
    return lifecycle.find_run(run_id)


def _copy(count: int) -> None:
    """More integrations like the first one."""
    shop, first = db.session.scalars(select(Shop)).one(), db.session.scalars(select(Integration)).one()
    flows = db.session.scalars(select(Flow)).all()
    columns = {model: [each.key for each in model.__table__.columns if each.key != "id"] for model in (Shop, Integration, Flow)}

    def row(of: Any, **other: Any) -> dict[str, Any]:
        return {name: getattr(of, name) for name in columns[type(of)]} | other

    shops, integrations, copies = [], [], []
    for number in range(2, count + 1):
        shops.append(row(shop, id=number, address=f"shop-{number}.example"))
        integrations.append(row(first, id=number, shop_id=number, name=f"Shop {number}", name_key=f"shop {number}"))
        copies += [row(flow, integration_id=number) for flow in flows]
    with writing() as session:
        for model, rows in ((Shop, shops), (Integration, integrations), (Flow, copies)):
            for start in range(0, len(rows), 5_000):
                session.execute(insert(model), rows[start : start + 5_000])


def _make_due(pages: int = PAGES) -> None:
    """All are due for a poll, one in ``pages`` for a full page, none of them if it is 0; and all stock is."""
    now = utcnow()
    orders = Flow.kind == FlowKind.ORDERS
    with writing() as session:
        session.execute(
            update(Flow).where(orders).values(poll_due_at=now, due_at=now + polls.RUN_EVERY, page_due_at=now + polls.READ_EVERY, slow=False)
        )  # fmt: skip
        if pages:
            session.execute(update(Flow).where(orders, Flow.integration_id % pages == 0).values(page_due_at=now))
        session.execute(update(Flow).where(Flow.kind == FlowKind.STOCK).values(due_at=now))


def _poll(count: int) -> float:
    began = time.process_time()
    idle = schedule.skip_idle_stock()
    for changed in polls.poll(False, lambda: True):
        if changed:
            raise RuntimeError(f"{len(changed)} quiet shops were taken for changed ones.")
    spent = time.process_time() - began
    if (idle, _moved_on()) != (count, count):
        raise RuntimeError(f"{idle} stock flows and {_moved_on()} of {count} orders flows were moved on.")
    return spent


def _moved_on() -> int:
    query = select(func.count()).select_from(Flow).where(Flow.kind == FlowKind.ORDERS, Flow.poll_due_at > utcnow())
    return db.session.scalar(query) or 0


def _poll_for(seconds: float) -> tuple[int, float, float]:
    """How many shops were polled, in how many seconds, and the processor time."""
    began, spent = time.monotonic(), time.process_time()
    for changed in polls.poll(False, lambda: time.monotonic() < began + seconds):
        if changed:
            raise RuntimeError(f"{len(changed)} quiet shops were taken for changed ones.")
    return _moved_on(), time.monotonic() - began, time.process_time() - spent


class _Bare(HTTPAdapter):
    """Reads the list of authorities once, where ``requests`` does so for each connection."""

    def __init__(self, context: ssl.SSLContext):
        self.context = context
        super().__init__(pool_maxsize=polls.THREADS)

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        super().init_poolmanager(*sizes, **options, ssl_context=self.context)

    def cert_verify(self, *ignored: Any) -> None:
        """The context does."""


def _ask(url: str, count: int, authority: str) -> float:
    began = time.process_time()
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _Bare(ssl.create_default_context(cafile=authority)))

    def ask(_: int) -> int:
        return len(session.get(url, timeout=30, headers={"Connection": "close"}).json())

    with ThreadPoolExecutor(polls.THREADS) as pool:
        rows = list(pool.map(ask, range(count)))
    with db.engine.connect() as connection:
        for start in range(0, count, 100):
            named = {"first": start, "last": start + 99}
            connection.execute(text("UPDATE flow SET slow = slow WHERE id BETWEEN :first AND :last"), named)
        connection.commit()
    if set(rows) != {5}:
        raise RuntimeError(f"The shop answered with {set(rows)} rows.")
    return time.process_time() - began


def _shake_hands(port: int, authority: str, count: int = 200) -> float:
    """Milliseconds of the processor for a new connection over TLS and its end."""
    context = ssl.create_default_context(cafile=authority)
    began = time.process_time()
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname="localhost"):
            pass
    return (time.process_time() - began) / count * 1000
