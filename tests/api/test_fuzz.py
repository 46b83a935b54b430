"""Requests that nobody would send: each gets an answer that the document has, and never a fault of ours (tests/api/conftest.py checks)."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from flask import Flask

from api.examples import body_of
from api.openapi import VARIABLE
from api.operations import OPERATIONS, Operation
from tests.api.conftest import Program

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 1.5, float("nan"), float("inf"), "", " ", "0", "\0", "\ud800", "a" * 300, "ä\u202e",
    "1e9", "../..", [], {}, [[]], {"a": None}, [None] * 3,
)  # fmt: skip
ODD_QUERIES = (
    "limit=0", "limit=250", "limit=1e3", "limit=null", "cursor=", "cursor=%00", "cursor=e30.x", "expand=,", "expand=changes,changes", "sku=%2F",
    "sku=" + "a" * 300, "search=%25", "search=%ff", "integration=0", "integration=99999999999", "placed_from=9999-12-31T23:59:59-14:00",
    "changed_since=0001-01-01T00:00:00Z", "placed_to=2026-11-26", "state=&state=", "available_max=-1", "days=366", "days=0", "=", "&&", "a[b]=1",
)  # fmt: skip
ODD_HEADERS: tuple[dict[str, str], ...] = (
    {}, {"If-Match": "*"}, {"If-Match": '"'}, {"If-Match": 'W/"x"'}, {"If-None-Match": "*"}, {"If-None-Match": ","}, {"Idempotency-Key": ""},
    {"Accept": "text/html"}, {"Content-Type": "text/plain"}, {"Cookie": "cartlink=x"}, {"HX-Request": "true"}, {"X-Request-Id": "x"},
)  # fmt: skip
ROUNDS = 40


def mutated(value: Any, chance: random.Random) -> Any:
    """A body with something odd in one place."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(list(value))
        return {**value, name: mutated(value[name], chance)} | ({"more": 1} if chance.random() < 0.1 else {})
    if isinstance(value, list) and value and chance.random() < 0.8:
        return [mutated(value[0], chance), *value[1:]] * chance.choice((1, 1, 2))
    return chance.choice(ODD)


@pytest.mark.config(requests_per_minute=100_000)
@pytest.mark.parametrize("made", OPERATIONS.values(), ids=lambda made: made.name)
@pytest.mark.sampled(12)
def test_odd_requests_get_documented_answers(app: Flask, erp: Program, planted: dict[str, Any], made: Operation):
    chance = random.Random(made.name)
    for turn in range(ROUNDS):
        values = {
            name: chance.choice((value, 0, 999_999)) if isinstance(value, int) else value for name, value in planted.items()
        }
        path = VARIABLE.sub(r"{\1}", made.path).format(**(planted if turn % 4 else values))
        query = "&".join(chance.sample(ODD_QUERIES, chance.choice((0, 0, 1, 2))))
        options: dict[str, Any] = {"headers": chance.choice(ODD_HEADERS) if turn % 3 else {}}
        if made.body is not None:
            body = body_of(made, {**planted, "sku": "SKU"})
            options["data"] = json.dumps(mutated(body, chance)).encode("utf-8", "surrogatepass")
            if "Content-Type" not in options["headers"]:
                options["content_type"] = "application/json"
        if made.media_types:
            options["data"] = chance.choice(
                (b"", b"sku,quantity\nSKU,1\n", b"{", b'{"sku": "SKU", "quantity": 1}', b"\xff\x00", b"sku;quantity\n" * 9)
            )
            options["headers"] = {}
            options["content_type"] = chance.choice((*made.media_types, "application/json"))
        answer = erp.ask(made.method, f"{path}?{query}", **options)
        assert answer.status_code != 500, (path, query, options, answer.text)
