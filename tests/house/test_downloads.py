"""Downloads at the real page server: one for each person, two in all, and none for a reader who has gone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests
from flask import Flask, Response
from flask.testing import FlaskClient
from sqlalchemy import insert, select

from blueprints import access, downloads, files, in_progress
from extensions import db, writing
from models import Order
from services.accounts import users
from services.common.gates import SEARCHES
from tests.support.processes import wait_until
from tests.support.rows import make_integration, make_order
from tests.support.served import Served, Visitor
from tests.support.signed_in import FreshClient, user_called
from tests.support.urls import page_rules

GOOD = "plum kettle orbit seven"
ORDERS = 20_000


def many_orders() -> None:
    order = make_order(make_integration(), "1", [])
    with writing() as session:
        row = dict(session.execute(select(Order.__table__).where(Order.id == order.id)).mappings().one())
        del row["id"]
        rows = [{**row, "external_id": f"many-{number}", "number": f"{number} {'x' * 60}"} for number in range(ORDERS)]
        session.execute(insert(Order.__table__), rows)


@pytest.fixture
def served(app: Flask, serve: Callable[..., Served]) -> Served:
    for name in ("Ann", "Bob", "Cem"):
        users.create_user(name, "viewer", "test", password=GOOD)
    many_orders()
    db.session.rollback()
    return serve()


@pytest.fixture
def person(served: Served, visit: Callable[[Served], Visitor]) -> Callable[[str], Visitor]:
    def sign_in(name: str) -> Visitor:
        visitor = visit(served)
        visitor.send("/sign-in", "password", name=name, password=GOOD)
        return visitor

    return sign_in


@pytest.fixture
def begin(served: Served) -> Iterator[Callable[[Visitor], socket.socket]]:
    """``begin(visitor)`` asks for all orders and reads the head of the answer only."""
    with ExitStack() as stack:

        def ask(visitor: Visitor) -> socket.socket:
            reader = stack.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(60)
            reader.connect(("127.0.0.1", served.port))
            cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in visitor.session.cookies)
            reader.sendall(f"GET /orders/orders.csv HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n\r\n".encode())
            assert reader.recv(64).startswith(b"HTTP/1.1 200 ")
            return reader

        yield ask


def code_of(visitor: Visitor, path: str = "/orders/orders.csv") -> int:
    with visitor.session.get(visitor.served.address + path, stream=True, timeout=60) as answer:
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) > 0
            assert "download" in answer.text
        return answer.status_code


def test_one_for_each_person_two_in_all_and_none_for_a_reader_who_has_gone(served, person, begin):
    ann, bob, cem = person("Ann"), person("Bob"), person("Cem")
    reader = begin(ann)
    assert code_of(ann) == 429
    assert code_of(ann, "/reports/sales.csv") == 429
    other = begin(bob)
    assert code_of(cem) == 429
    assert requests.get(f"{served.address}/healthz", timeout=30).elapsed.total_seconds() < 8
    # A reader who goes gives the place back, long before the file would have been whole.
    reader.close()
    wait_until(lambda: code_of(cem) == 200, 10, "a place for Cem")
    other.close()
    wait_until(lambda: code_of(ann) == 200, 10, "a place for Ann")
    # The answer that said 200 was left unread: its place comes back a moment later.
    wait_until(lambda: (whole := ann.session.get(f"{served.address}/orders/orders.csv", timeout=60)).status_code == 200
               and whole.text.count("\r\n") == ORDERS + 2, 60, "Ann's whole file")  # fmt: skip
    assert code_of(ann) == 200
    assert "Traceback" not in served.started.output()


def test_one_person_who_searches_leaves_threads_for_others(served, person):
    """Sixteen searches at once held all eight threads, and every other page waited for them."""
    ann = person("Ann")
    ann.get("/orders")

    def search(number: int) -> requests.Response:
        return requests.get(f"{served.address}/orders?q=zzzz{number}", cookies=ann.session.cookies, timeout=60)

    answers: list[requests.Response] = []

    def some_are_refused() -> bool:
        with ThreadPoolExecutor(16) as pool:
            answers.extend(pool.map(search, range(16)))
        return any(answer.status_code == 429 for answer in answers)

    wait_until(some_are_refused, 60, "searches that come while others run")
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert (
        "Two requests of yours that read many rows are still running." in refused.text and int(refused.headers["Retry-After"]) > 0
    )
    assert ann.get("/orders?q=zzzz").status_code == 200


def test_reports_and_every_kind_of_search_are_limited_as_well(app: Flask, client: FreshClient) -> None:
    with SEARCHES.place(user_called("owner")), SEARCHES.place(user_called("owner")):
        for path in (
            "/reports",
            "/reports/skus?days=365",
            "/users?search=x",
            "/stock?q=x",
            "/orders?sort=total",
            "/orders?page=41",
            "/orders/held",
            "/orders/print",
            "/listings/match",
            "/settings/sales-channels/1/preview",
            "/activity/1/undo",
        ):
            assert client.get(path).status_code == 429, path
        assert client.get("/stock").status_code == 200
    assert client.get("/reports").status_code == 200


def test_every_address_of_a_file_is_limited(app: Flask) -> None:
    named = {rule.endpoint: rule.rule.rpartition("/")[2] for rule in page_rules(app)}
    endings = (".csv", ".json", ".zip", "rows-with-problems", "download")
    files = {endpoint for endpoint, name in named.items() if name.endswith(endings) or name.startswith("file.")}
    views = {f"{app.view_functions[name].__module__}.{app.view_functions[name].__name__}" for name in files}
    assert views
    assert views == downloads.marked


def test_a_file_lets_pages_go_first_and_gets_on_beside_a_slow_one(
    app: Flask, client: FreshClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files beside a page took the interpreter in turn, and the page waited for both at each answer of the database."""
    made: list[int] = []
    asked, go_on = threading.Event(), threading.Event()

    def pieces() -> Generator[bytes]:
        for number in range(3):
            made.append(number)
            yield b"x"

    @downloads.download
    def file() -> Response:
        return files.sent_file("x.txt", "text/plain", pieces())

    def slow_page() -> str:
        asked.set()
        assert go_on.wait(60)
        return "ready"

    app.add_url_rule("/sign-in/file", "file", file)
    app.add_url_rule("/sign-in/slow-page", "slow_page", slow_page)
    for name in ("file", "slow_page"):
        monkeypatch.setitem(access.ROLES, name, access.ANYONE)
    with ThreadPoolExecutor(2) as threads:
        page = threads.submit(lambda: FlaskClient(app).get("/sign-in/slow-page").text)
        assert asked.wait(60)
        monkeypatch.setattr(in_progress, "LONGEST_WAIT", 0.01)
        assert threads.submit(lambda: FlaskClient(app).get("/sign-in/file").text).result(60) == "xxx"
        assert not page.done()
        made.clear()
        monkeypatch.setattr(in_progress, "LONGEST_WAIT", 60)
        download = threads.submit(lambda: FlaskClient(app).get("/sign-in/file").text)
        wait_until(lambda: made == [0], 30, "the first piece")
        assert not download.done()
        go_on.set()
        assert (page.result(60), download.result(60), made) == ("ready", "xxx", [0, 1, 2])
