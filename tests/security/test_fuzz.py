"""Requests of every kind over the whole URL map, as everybody: no fault of ours, and nothing changed by who may not."""

from __future__ import annotations

import io
import random
import string
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from blueprints.access import ANYONE, OWNER, ROLES, SIGNED_IN
from extensions import db
from models.user import ROLES as USER_ROLES
from services.accounts import users
from tests.blueprints.pages import elements
from tests.support.hostile import WORDS
from tests.support.signed_in import FreshClient, sign_in, user_called
from tests.support.urls import all_that_is_stored, every_address, example_values

WHOLE = 5_000
SAMPLE = 450
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE")
WHO = (None, *USER_ROLES)
NUMBERS = (
    "0",
    "-1",
    "1.5",
    "1e9",
    "9" * 9,
    "2147483647",
    "2147483648",
    "9" * 19,
    "9" * 40,
    "0x10",
    "１２",
    "NaN",
    "true",
    "null",
    " 1 ",
    "+1",
)
PLACES = (
    "..",
    "../../etc/passwd",
    "%00",
    "%2e%2e",
    "\u202e",
    "a b",
    "é",
    "店",
    "'",
    '"',
    "<x>",
    ";",
    "\\",
    "x" * 300,
    "%",
    "%zz",
    "{}",
    "..%2f",
    "-",
)
FIELDS = (
    "name", "password", "code", "next", "back", "page", "search", "status", "sort", "kind", "integration", "outcome", "before", "after",
    "enabled", "state", "run", "endpoint", "api_key", "use_tax", "since", "since_date", "work", "processed_status", "safety_limit_percent",
    "orders_every", "action", "use", "history", "role", "sees_customers", "two_step", "zone", "keep", "days", "number", "current",
    "csrf_token", "orders", "stock", "with_variants", "surcharge_name", "q", "shop", "age", "order", "act", "carrier", "tracking",
    "line-1", "line-2", "sku", "item", "units", "on_hand", "buffer", "was", "low", "unknown", "whose", "listing", "result", "all", "what",
    "email", "url", "topics", "secret",
)  # fmt: skip
IDS = ("1", "2", "3", "4", "5")
KNOWN = {
    "order": IDS, "listing": IDS, "integration": IDS, "shop": IDS, "run": IDS, "line-1": ("1", "0"), "line-2": ("1", "2"),
    "act": ("ship", "read_again", "evaluate", "mark_seen", "push", "do_not_push", "take_shop_stock"), "sku": ("SKU", "UNKNOWN", "LOOSE"),
    "item": ("SKU",), "units": IDS, "on_hand": ("0", "7", "123456789"), "was": ("10", "7"), "buffer": ("0", "1"), "unknown": ("add", "skip"),
    "whose": ("ours", "theirs"), "number": ("1001", "1002", "#1003"), "code": ("unknown_sku", "sums", "address"), "what": ("changes", "unknown"),
    "state": ("open", "on_hold", "not_sent", "conflict", "kit"), "sort": ("customer", "oldest", "total"), "since": ("2026-01-01", "1900-01-01"),
    "result": ("sent", "failed"), "age": ("7", "older"), "low": ("5",), "days": ("7", "30"), "enabled": ("yes", "no"),
}  # fmt: skip
"""What these fields may well be, so that a good part of the requests gets past the first look at it."""
CSVS = (
    b"sku,quantity\nSKU,5\nNEW,6\n", b"number,carrier,tracking\n1002,Courier,T1\n1001,Courier,T2\n", b"", b"\x00\xff\xfe", b"sku\n" * 2000,
    b"number\n=1+1\n" + b"x" * 70_000, b"sku,quantity\nSKU,99999999999999999999\n", "sku;quantity\nSKU;5\n".encode("utf-16"), b'"' * 500,
    b"sku,quantity\n" + b"A,1\n" * 20_000,
)  # fmt: skip
HEADERS = {
    "HX-Request": ("true", "false", "1", ""), "HX-Target": ("runs", "live", "check", "list", "integration-1", "<x>", "x" * 500),
    "HX-Current-URL": ("http://localhost/activity", "http://evil.example/", "nonsense", "http://[", "javascript:x"),
    "HX-History-Restore-Request": ("true", "x"), "HX-Boosted": ("true",), "Referer": ("http://localhost/", "http://[", "evil", ""),
    "X-Poll": ("1",), "Accept-Encoding": ("gzip", "br", "gzip;q=0", ""), "Range": ("bytes=0-1", "nonsense"), "Accept": ("text/csv", "*/*;q=x"),
    "If-None-Match": ('"x"', "nonsense"), "Authorization": ("Basic x", "Bearer x", "é", ""), "Host": ("evil.example", "a" * 300, "localhost:99999"),
    "X-Forwarded-For": ("1.2.3.4", "nonsense"), "Cookie": ("cartlink=x", "remember_token=1|x", "zone=../../etc", "zone=" + "x" * 300),
    "Content-Type": ("text/plain", "application/json", "multipart/form-data", "multipart/form-data; boundary=", "x", "application/x-www-form-urlencoded; charset=utf-7"),
    "X-HTTP-Method-Override": ("DELETE",),
}  # fmt: skip


class Fuzz:
    """Draws requests from a seed. ``dice`` decides everything, so a seed draws the same ones again."""

    def __init__(self, app: Flask, seed: int):
        self.app = app
        self.dice = random.Random(seed)
        self.values = example_values(app)
        self.templates = list({(address.endpoint, address.path) for address in every_address(app, self.values)})
        self.templates.sort()

    def word(self) -> str:
        kind = self.dice.random()
        if kind < 0.3:
            return self.dice.choice(NUMBERS)
        if kind < 0.6:
            return self.dice.choice([word for word in WORDS if "\ud83d" not in word])
        if kind < 0.7:
            return "yes" if self.dice.random() < 0.5 else "no"
        if kind < 0.8:
            return self.dice.choice(("x" * 5000, "é" * 2000, "\x00", "\r\nX-Injected: 1", "%s%n", "' OR 1=1 --", "../" * 20))
        return "".join(self.dice.choices(string.printable + "äß店\u202e\u0000\U0001f600", k=self.dice.randrange(40)))

    def fields(self) -> list[tuple[str, str]]:
        """Some fields, some of them more than once; often by names the forms know."""
        names = [
            self.dice.choice(FIELDS) if self.dice.random() < 0.9 else self.word()[:50] for _ in range(self.dice.randrange(7))
        ]
        return [(name, self.value(name)) for name in names for _ in range(self.dice.choice((1, 1, 1, 2, 30)))]

    def value(self, name: str) -> str:
        return self.dice.choice(KNOWN[name]) if name in KNOWN and self.dice.random() < 0.6 else self.word()

    def path(self, path: str) -> str:
        """An address as it is, or with one of its parts replaced."""
        if self.dice.random() < 0.8:
            return path
        parts = path.split("/")
        parts[self.dice.randrange(1, len(parts)) if len(parts) > 1 else 0] = self.dice.choice((*NUMBERS, *PLACES))
        return "/".join(parts) or "/"

    def request(self) -> dict[str, Any]:
        """The arguments of one request."""
        endpoint, path = self.dice.choice(self.templates)
        methods = self.app.url_map._rules_by_endpoint[endpoint][0].methods or {"GET"}
        usual = "POST" if "POST" in methods and self.dice.random() < 0.6 else "GET" if "GET" in methods else "POST"
        method = usual if self.dice.random() < 0.9 else self.dice.choice(METHODS)
        headers = [
            (name, self.dice.choice(HEADERS[name]))
            for name in self.dice.sample(sorted(HEADERS), self.dice.choice((0, 0, 1, 2, 4)))
        ]
        given: dict[str, Any] = {
            "path": self.path(path), "method": method, "query_string": _encoded(self.fields() if self.dice.random() < 0.4 else []),
            "headers": [(name, value.encode("utf-8", "replace").decode("latin-1")) for name, value in headers],
        }  # fmt: skip
        if method in ("POST", "PUT", "PATCH"):
            given.update(self.body(is_upload=endpoint.endswith(".upload")))
        return given

    def body(self, is_upload: bool) -> dict[str, Any]:
        kind = 0.75 if is_upload and self.dice.random() < 0.7 else self.dice.random()
        if kind < 0.7:
            return {"data": _encoded(self.fields()), "content_type": "application/x-www-form-urlencoded"}
        if kind < 0.8:
            content = self.dice.choice((b"\x89PNG", *CSVS))
            return {
                "data": dict(self.fields())
                | {"file": (io.BytesIO(content), self.dice.choice(("x.png", "x.csv", "../x", "\u202e")))}
            }
        if kind < 0.9:
            return {
                "data": self.dice.randbytes(self.dice.randrange(300)),
                "content_type": self.dice.choice(HEADERS["Content-Type"]),
            }
        if kind < 0.95:
            return {"json": {name: [value] for name, value in self.fields()}}
        return {
            "data": _encoded([(self.dice.choice(FIELDS), "x" * 3_000_000)]),
            "content_type": "application/x-www-form-urlencoded",
        }


def _encoded(fields: list[tuple[str, str]]) -> str:

    return urlencode([(name.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for name, value in fields])


def may(app: Flask, given: dict[str, Any], who: str | None) -> bool:
    """Whether this person may change anything by this request at all."""
    try:
        endpoint, _ = app.url_map.bind("localhost").match(given["path"], method=given["method"])
    except Exception:
        return False
    needed = ROLES.get(endpoint, OWNER)
    if needed == ANYONE or given["method"] in ("GET", "HEAD", "OPTIONS"):
        return False
    return who is not None and (needed == SIGNED_IN or USER_ROLES.index(who) <= USER_ROLES.index(needed))


@pytest.fixture
def quick(app: Flask) -> Iterator[Flask]:
    """Limits so wide that they stop nothing, and faults of ours as pages."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.config["RATELIMIT_ENABLED"] = True
    users.create_user("Keeper", "owner", "test", password="plum kettle orbit seven")
    yield app


def test_a_question_cannot_name_what_an_address_of_ours_is_made_of(quick: Flask, client: FreshClient) -> None:
    """Flask takes some names for itself where an address is built: they are nothing but unknown fields in a question."""
    question = {
        "endpoint": "x",
        "_external": "1",
        "_scheme": "javascript",
        "_anchor": "PLANTED",
        "_method": "PUT",
        "self": "x",
        "values": "x",
    }
    for address in every_address(quick, example_values(quick)):
        if address.method == "GET":
            answer = client.get(address.path, query_string=question)
            assert answer.status_code < 500, address
            if answer.mimetype == "text/html":
                for item in elements(answer.text):
                    for name in ("href", "action", "hx-get", "hx-post", "src"):
                        assert not (item.get(name) or "").lower().startswith("javascript"), address
                        assert "#PLANTED" not in (item.get(name) or ""), address


@pytest.mark.config(requests_per_minute=100_000)
@pytest.mark.parametrize("seed", [1])
@pytest.mark.both_databases
@pytest.mark.sampled(1)
@pytest.mark.long
def test_a_sample(quick: Flask, seed: int) -> None:
    fuzz(quick, seed, SAMPLE)


@pytest.mark.deep
@pytest.mark.config(requests_per_minute=100_000)
@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.both_databases
def test_all_of_it(quick: Flask, seed: int) -> None:
    fuzz(quick, seed, WHOLE)


def fuzz(app: Flask, seed: int, count: int) -> None:
    """No answer is a fault of ours, none carries a header that was slipped in, and what somebody sends who may not change
    anything changes nothing."""
    drawn = Fuzz(app, seed)
    answers: Counter[tuple[str | None, int]] = Counter()
    for role in USER_ROLES:
        user_called(f"The {role}", role)
    before: dict[str, Any] | None = all_that_is_stored()
    for number in range(count):
        who = drawn.dice.choice(WHO)
        client, refreshed = browser_of(app, who)
        before = None if refreshed else before
        given = drawn.request()
        answer = client.open(**given)
        where = f"request {number} of seed {seed}, as {who}: {given}"
        assert answer.status_code < 500 or is_queue_away(answer), f"{answer.status_code} {where}\n{answer.data[:300]!r}"
        assert "X-Injected" not in answer.headers, where
        assert answer.headers["Content-Security-Policy"], where
        answers[who, answer.status_code] += 1
        if may(app, given, who):
            before = None
        elif before is None or drawn.dice.random() < 0.15:
            after = all_that_is_stored()
            assert before is None or after == before, f"{where} changed {[name for name in after if after[name] != before[name]]}"
            before = after
    assert all_that_is_stored() == before or before is None
    print(
        f"{count} requests: {sum(answers.values())} answered, {dict(sorted(Counter(code for _, code in answers.elements()).items()))}"
    )
    assert {who for who, _ in answers} == set(WHO)


def is_queue_away(answer: TestResponse) -> bool:
    return answer.status_code == 503 and answer.content_encoding is None and "queue" in answer.text


def browser_of(app: Flask, who: str | None) -> tuple[FreshClient, bool]:
    """A fresh browser of somebody with this role, and whether the user had to be let in again after a request before."""
    client = app.test_client()
    if who is None:
        return client, False
    user = users.find_user(f"The {who}")
    user_id, changed = user.id, user.disabled_at is not None or user.role != who
    db.session.rollback()
    if changed:
        users.enable_user(user_id)
        users.change_role(user_id, who, False)
    sign_in(client, f"The {who}", who)
    return client, changed
