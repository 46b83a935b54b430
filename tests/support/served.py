"""Cartlink behind its real page server, and a browser that speaks to it over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import pytest
import requests

from tests.blueprints.pages import form_data
from tests.support.processes import Processes, Started
from tests.support.workers import fork

APPLICATION = "app:create_app()"
SERVER = ("-m", "gunicorn", "--config", "gunicorn.conf.py", "--bind", "127.0.0.1:0")
"""The system gives it a free port, so that no two servers can be given the same one."""


class Served:
    """``address`` is where it is, once it listens; ``started`` the page server."""

    def __init__(self, started: Started):
        self.started = started

    @cached_property
    def port(self) -> int:
        self.started.wait_for("Booting worker")
        return int(re.findall(r"Listening at: http://127\.0\.0\.1:(\d+)", self.started.output())[0])

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Serve = Callable[..., Served]


@pytest.fixture
def serve(processes: Processes, environment: dict[str, str]) -> Serve:
    """``serve(BEHIND_HTTPS="yes")`` starts gunicorn on the test's installation and answers when it listens. ``application`` is what it
    serves, by default Cartlink as it is."""

    def start(wait: bool = True, application: str = APPLICATION, **variables: str) -> Served:
        started = fork(processes, [*SERVER, application], {**environment, **variables})
        if wait:
            started.wait_for("Booting worker")
        return Served(started)

    return start


class Visitor:
    """A browser without JavaScript that keeps cookies and every page it has been shown, in ``seen``."""

    def __init__(self, served: Served):
        self.served = served
        self.session = requests.Session()
        self.session.trust_env = False
        self.seen: list[str] = []

    def get(self, path: str, **headers: str) -> requests.Response:
        return self._note(self.session.get(self.served.address + path, headers=headers, timeout=60))

    def send(self, path: str, holding: str, *, to: str = "", **values: Any) -> requests.Response:
        """Fill in and send the form of a page that holds a field named ``holding``."""
        data = form_data(self.get(path).text, holding, **values)
        return self._note(self.session.post(self.served.address + (to or path), data=data, timeout=60))

    def press(self, path: str, to: str, **values: Any) -> requests.Response:
        """Send a form without fields from a page, with the page's token."""
        token = form_data(self.get(path).text, "csrf_token")["csrf_token"]
        return self._note(self.session.post(self.served.address + to, data={**values, "csrf_token": token}, timeout=60))

    def _note(self, answer: requests.Response) -> requests.Response:
        for one in (*answer.history, answer):
            headers = {name: value for name, value in one.headers.items() if name != "Set-Cookie"}
            self.seen.append(f"{one.url}\n{headers}\n{one.text}")
        return answer

    def close(self) -> None:
        self.session.close()


@pytest.fixture
def visit() -> Iterator[Callable[[Served], Visitor]]:
    """``visit(served)`` opens a new browser."""
    opened: list[Visitor] = []

    def open_one(served: Served) -> Visitor:
        opened.append(Visitor(served))
        return opened[-1]

    yield open_one
    for visitor in opened:
        visitor.close()
