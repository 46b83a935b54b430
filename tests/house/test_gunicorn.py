"""The page server as it runs for real: what it refuses, whom it believes, and what it writes down."""

from __future__ import annotations

import http.client
from urllib.parse import urlencode

import pytest
from cryptography.fernet import Fernet

from extensions import db
from models import UserSession
from services.accounts import users
from services.security import vault
from tests.blueprints.pages import form_data
from tests.support.rows import make_integration
from tests.support.served import Served

GOOD = "plum kettle orbit seven"


def ask(served: Served, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""):
    """A request exactly as it is written here; answers with the response, its body read into ``text``."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
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


def sign_in(served: Served, headers: dict[str, str]):
    """Send the form of the sign-in page as a browser does, with the token of the page."""
    page = ask(served, "GET", "/sign-in", headers)
    sent = form_data(page.text, "password", name="Ann", password=GOOD)
    more = {
        "Cookie": page.headers["Set-Cookie"].split(";")[0], "Content-Type": "application/x-www-form-urlencoded",
        "Referer": f"https://127.0.0.1:{served.port}/",
    }  # fmt: skip
    return ask(served, "POST", "/sign-in", {**headers, **more}, urlencode(sent, doseq=True).encode())


@pytest.fixture(autouse=True)
def ann(app) -> int:
    return users.create_user("Ann", "owner", "test", password=GOOD)


def address_of_session() -> str:
    db.session.rollback()
    return db.session.query(UserSession).one().address


def test_headers_of_a_stranger_are_not_believed_and_large_ones_not_read(serve):
    served = serve()
    claims = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Real-IP": "203.0.113.9",
    }
    answer = sign_in(served, claims)
    assert answer.status == 303
    assert answer.headers["Location"] == "/"
    assert "Strict-Transport-Security" not in answer.headers
    assert address_of_session() == "127.0.0.1"

    assert ask(served, "GET", "/sign-in", {"X-Large": "x" * 9000}).status == 431
    assert ask(served, "GET", "/sign-in", {f"X-{number}": "x" for number in range(80)}).status == 431
    assert ask(served, "GET", "/" + "x" * 5000).status == 414
    assert ask(served, "GET", "/sign-in").status == 200

    assert ask(served, "GET", "/no%0aFAKE%0d%1b[31mthing?code=SECRET-CODE").status == 404
    ask(served, "GET", "/set-password?code=SECRET-CODE")
    log = served.started.output()
    assert "\nFAKE" not in log
    assert "\x1b" not in log
    assert "SECRET-CODE" not in log
    assert GOOD not in log


def test_headers_of_as_many_proxies_as_there_are_count(serve):
    served = serve(TRUSTED_PROXIES="1", BEHIND_HTTPS="yes")
    claimed = {"X-Forwarded-For": "198.51.100.99, 203.0.113.9", "X-Forwarded-Proto": "https"}
    answer = sign_in(served, claimed)
    assert answer.status == 303
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert all(cookie.startswith("__Host-cartlink") for cookie in answer.headers.get_all("Set-Cookie"))
    assert address_of_session() == "203.0.113.9"
    served.started.wait_for('203.0.113.9 "POST /sign-in" 303')


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"SECRET_KEYS": ""}, "There is no keyring: set SECRET_KEYS_FILE or SECRET_KEYS."),
        ({"SECRET_KEYS": "nonsense"}, "A key in the keyring is not a Fernet key"),
        ({"SECRET_KEYS": Fernet.generate_key().decode()}, "The keyring does not belong to this database"),
    ],
)
@pytest.mark.sampled(1)
def test_without_the_right_keyring_it_says_so_and_ends(serve, variables, sentence):
    make_integration(key="a key that was encrypted with the right keyring")
    assert vault.encrypt("x")
    served = serve(wait=False, **variables)
    assert served.started.exit_code() != 0
    assert sentence in served.started.output()
    assert "Traceback" not in served.started.output()
