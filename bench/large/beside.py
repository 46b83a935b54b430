"""Pages of the large installation behind the real page server: alone, and while two users download every order and two more are refused.

By the clock, because the downloads and the pages share one process. The machine should have nothing else to do.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from statistics import median

import requests
from flask import Flask

from bench.large.place import Kept
from bench.place import Place, process_environment
from tests.support.served import APPLICATION, SERVER, Served
from tests.support.signed_in import sign_in

PAGES = {
    "orders": "/orders", "search: rare name": "/orders?q=buyer.777", "stock": "/stock", "listings": "/listings",
    "activity": "/activity", "today": "/today", "integrations": "/settings/sales-channels",
}  # fmt: skip
FILE = "/orders/orders.csv"
DOWNLOADING = 2
REFUSED = 2
PIECE = 64 * 1024
BEGIN_SECONDS = 180
"""How long the first bytes of a file may take: ids of all orders are put in order before."""


@dataclass(frozen=True, slots=True)
class Beside:
    """One page: milliseconds alone and beside the downloads, medians."""

    name: str
    alone: float
    beside: float

    @property
    def ratio(self) -> float:
        return self.beside / self.alone


class Downloads:
    """Users who download the same file again and again until ``end``, and others who are refused meanwhile."""

    def __init__(self, address: str, visitors: Sequence[requests.Session]):
        self._address = address
        self._over = threading.Event()
        self._begun = threading.Semaphore(0)
        self.refused = 0
        self.received = 0
        self._threads = [threading.Thread(target=self._read, args=(one,)) for one in visitors[:DOWNLOADING]]
        self._further = [threading.Thread(target=self._try, args=(one,)) for one in visitors[DOWNLOADING:]]

    def begin(self) -> None:
        """Returns when both files arrive and further users ask for theirs. Raises RuntimeError."""
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            if not self._begun.acquire(timeout=BEGIN_SECONDS):
                raise RuntimeError("A download did not begin in time.")
        for thread in self._further:
            thread.start()

    def end(self) -> None:
        self._over.set()
        for thread in (*self._threads, *self._further):
            if thread.ident is not None:
                thread.join(60)

    def _read(self, visitor: requests.Session) -> None:
        first = True
        while not self._over.is_set():
            with visitor.get(self._address + FILE, stream=True, timeout=BEGIN_SECONDS) as answer:
                if answer.status_code != HTTPStatus.OK:
                    time.sleep(0.1)  # the place of the file before is not free yet
                    continue
                for piece in answer.iter_content(PIECE):
                    self.received += len(piece)
                    if first:
                        self._begun.release()
                        first = False
                    if self._over.is_set():
                        return

    def _try(self, visitor: requests.Session) -> None:
        while not self._over.wait(1):
            with visitor.get(self._address + FILE, stream=True, timeout=BEGIN_SECONDS) as answer:
                self.refused += answer.status_code == HTTPStatus.TOO_MANY_REQUESTS


def timed_beside(kept: Kept, times: int) -> tuple[list[Beside], Downloads]:
    """Each page ``times`` times alone and as often beside the downloads."""
    with kept.opened(kept.orders) as app, _served(kept.place, app) as address:
        sessions = [_visitor(app, f"bench {number}") for number in range(1 + DOWNLOADING + REFUSED)]
        alone = _ask(address, sessions[0], times)
        downloads = Downloads(address, sessions[1:])
        try:
            downloads.begin()
            beside = _ask(address, sessions[0], times)
        finally:
            downloads.end()
    return [Beside(name, alone[name], beside[name]) for name in PAGES], downloads


@contextmanager
def _served(place: Place, app: Flask) -> Iterator[str]:
    command = [sys.executable, *SERVER, APPLICATION]
    served = Served(place.processes.start(command, env=process_environment(app, LOG_LEVEL="INFO")))
    try:
        yield served.address
    finally:
        served.started.stop()


def _visitor(app: Flask, name: str) -> requests.Session:
    client = app.test_client()
    sign_in(client, name, sees_customers=True)
    cookie = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    if cookie is None:
        raise RuntimeError("Signing in set no cookie.")
    session = requests.Session()
    session.trust_env = False
    session.headers["Cookie"] = f"{cookie.key}={cookie.value}"
    return session


def _ask(address: str, visitor: requests.Session, times: int) -> dict[str, float]:
    """Milliseconds of each page, the median; the pages in turn, so that all meet the same load."""
    taken: dict[str, list[float]] = {name: [] for name in PAGES}
    for number in range(times + 1):
        for name, path in PAGES.items():
            started = time.perf_counter()
            answer = visitor.get(address + path, timeout=60)
            if answer.status_code != HTTPStatus.OK:
                raise RuntimeError(f"{path} answered {answer.status_code}")
            if number:  # the first round compiles templates and statements
                taken[name].append((time.perf_counter() - started) * 1000)
    return {name: median(each) for name, each in taken.items()}
