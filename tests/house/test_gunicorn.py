"""The page server as it runs for real: what it refuses, whom it believes, and what it writes down."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from cryptography.fernet import Fernet

from extensions import db
from models import UserSession
from services import accounts, vault
from tests.support.checkout import free_port
from tests.support.processes import Processes, Started
from tests.support.rows import make_integration
from tests.support.workers import processes_environment

GOOD = "plum kettle orbit seven"


class Served:
    def __init__(self, started: Started, port: int):
        self.started = started
        self.port = port

    def ask(self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            answer.text = answer.read().decode("utf-8", "replace")
            return answer
        finally:
            connection.close()

    def form(self, target: str, headers: dict[str, str] | None = None, **fields: str):
        """Send a form as a browser does, with the token of its page."""
        page = self.ask("GET", target, headers)
        cookie = page.headers["Set-Cookie"].split(";")[0]
        token = page.text.split('name="csrf_token"')[1].split('value="')[1].split('"')[0]
        more = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded", "Referer": f"https://127.0.0.1:{self.port}/"}
        return self.ask("POST", target, {**(headers or {}), **more}, urlencode({**fields, "csrf_token": token}).encode())


@pytest.fixture
def serve(app, processes: Processes, environment: dict[str, str]) -> Callable[..., Served]:
    accounts.create_user("Ann", "owner", "test", password=GOOD)

    def start(wait: bool = True, **variables: str) -> Served:
        port = free_port()
        command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "--bind", f"127.0.0.1:{port}", "app:create_app()"]
        started = processes.start(command, env=processes_environment({**environment, **variables}))
        if wait:
            started.wait_for("Booting worker")
        return Served(started, port)

    return start


def address_of_session() -> str:
    db.session.rollback()
    return db.session.query(UserSession).one().address


def test_headers_of_a_stranger_are_not_believed_and_large_ones_not_read(serve):
    served = serve()
    claims = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Real-IP": "203.0.113.9"}
    answer = served.form("/sign-in", claims, name="Ann", password=GOOD)
    assert answer.status == 303
    assert answer.headers["Location"] == "/"
    assert "Strict-Transport-Security" not in answer.headers
    assert address_of_session() == "127.0.0.1"

    assert served.ask("GET", "/sign-in", {"X-Large": "x" * 9000}).status == 431
    assert served.ask("GET", "/sign-in", {f"X-{number}": "x" for number in range(80)}).status == 431
    assert served.ask("GET", "/" + "x" * 5000).status == 414
    assert served.ask("GET", "/sign-in").status == 200

    assert served.ask("GET", "/no%0aFAKE%0d%1b[31mthing?code=SECRET-CODE").status == 404
    served.ask("GET", "/set-password?code=SECRET-CODE")
    log = served.started.output()
    assert "\nFAKE" not in log
    assert "\x1b" not in log
    assert "SECRET-CODE" not in log
    assert GOOD not in log


def test_headers_of_as_many_proxies_as_there_are_count(serve):
    served = serve(TRUSTED_PROXIES="1", BEHIND_HTTPS="yes")
    told = {"X-Forwarded-For": "198.51.100.99, 203.0.113.9", "X-Forwarded-Proto": "https"}
    answer = served.form("/sign-in", told, name="Ann", password=GOOD)
    assert answer.status == 303
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["Set-Cookie"].startswith("__Host-cartlink=")
    assert address_of_session() == "203.0.113.9"
    assert '203.0.113.9 "POST /sign-in" 303' in served.started.output()


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"SECRET_KEYS": ""}, "There is no keyring: set SECRET_KEYS_FILE or SECRET_KEYS."),
        ({"SECRET_KEYS": "nonsense"}, "A key in the keyring is not a Fernet key"),
        ({"SECRET_KEYS": Fernet.generate_key().decode()}, "The keyring does not belong to this database"),
    ],
)
def test_without_the_right_keyring_it_says_so_and_ends(serve, environment, variables, sentence):
    make_integration(key="a key that was sealed with the right keyring")
    assert vault.seal("x")
    served = serve(wait=False, **variables)
    assert served.started.process.wait(30) != 0
    assert sentence in served.started.output()
    assert "Traceback" not in served.started.output()
