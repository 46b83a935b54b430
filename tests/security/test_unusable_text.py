"""NUL characters, lone surrogates, and bytes that are not UTF-8: refused once, with a sentence, before a route sees them."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from flask import Flask

from services.accounts import users
from tests.support.signed_in import FreshClient
from tests.support.urls import every_address, example_values

SENTENCE = "characters that cannot be used"
GOOD = "plum kettle orbit seven"


def test_in_every_address(app: Flask, client: FreshClient) -> None:
    """In the query and in the last part of every page, as GET and as a field of every form."""
    for address in every_address(app, example_values(app)):
        for path in (f"{address.path}?q=a%00b", f"{address.path}%00"):
            answer = client.open(path, method=address.method)
            assert (answer.status_code, SENTENCE in answer.text) == (400, True), path
        if address.method == "POST":
            answer = client.post(address.path, data={"name": "a\0b", "sku": "a\0b", "q": "\0"})
            assert (answer.status_code, SENTENCE in answer.text) == (400, True), address.path


@pytest.mark.parametrize(
    "given",
    [
        {"data": {"name": "a\0b", "password": GOOD}},
        {"data": {"name": "Ann", "password": "\0"}},
        {"data": {"na\0me": "Ann"}},
        {"data": {"name": "Ann", "file": (io.BytesIO(b"x"), "x\0.csv")}},
        {"data": json.dumps({"name": ["a\0b"]}), "content_type": "application/json"},
        {"data": '{"name": {"deep": "\\ud800"}}', "content_type": "application/json"},
        {"headers": {"Cookie": 'cartlink-browser="a\\000b"'}, "data": {"name": "Ann", "password": GOOD}},
        {"query_string": "next=%ed%a0%80"},
        {"query_string": "next=%ff"},
        {"environ_overrides": {"PATH_INFO": "/\xff"}},
        {"path": "/no%00where"},
    ],
)
def test_at_the_sign_in(app: Flask, given: dict[str, Any]) -> None:
    users.create_user("Ann", "owner", "test", password=GOOD)
    given = dict(given)
    answer = app.test_client(use_cookies=False).post(given.pop("path", "/sign-in"), **given)
    assert answer.status_code == 400
    assert SENTENCE in answer.text


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "number", ["2147483648", "9223372036854775808", "9" * 5000, "²"], ids=("32 bits", "64 bits", "long", "square")
)
@pytest.mark.sampled(2)
def test_a_number_beyond_what_a_column_holds(app: Flask, client: FreshClient, number: str) -> None:
    for address in every_address(app, {}):
        if address.method == "GET":
            names = (
                "page",
                "shop",
                "integration",
                "run",
                "before",
                "after",
                "days",
                "low",
                "age",
                "incident",
                "item",
                "listing",
            )
            assert client.get(address.path, query_string=dict.fromkeys(names, number)).status_code < 500, address.path
    form = {
        "number": "1",
        "shop": number,
        "integration": number,
        "since": "2026-01-01",
        f"line-{number}": number,
        "order": number,
    }
    for path in ("/orders/find", "/orders/find/bring-in", "/orders/find/older", "/orders/find/older/fetch", "/reports/reconciliation",
                 "/orders/selected", "/listings/selected"):  # fmt: skip
        assert client.post(path, data=form).status_code < 500, path
