"""An operation that will go says so in each answer, in the document and in the reference."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from msgspec import Struct

from api import openapi, operations, reference
from api.deprecation import Deprecation
from api.operations import OPERATIONS, Call, Operation
from tests.api.conftest import the_document

SINCE, SUNSET = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 12, 1, 12, tzinfo=UTC)


class Old(Struct):
    text: str


def get_old(call: Call) -> Old:
    return Old("still here")


OLD = Operation(
    "get_old", "GET", "/old-things", "Get what is old", get_old, scope="reports:read", answers={200: Old},
    deprecated=Deprecation(SINCE, SUNSET, "Use `GET /token`."),
)  # fmt: skip


@pytest.fixture
def old(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A deprecated operation, which the document and the reference know while the test lasts."""
    made = (the_document, reference.document, reference.resources, reference._type)
    monkeypatch.setitem(OPERATIONS, OLD.name, OLD)
    app.add_url_rule("/api/v1/old-things", "api.get_old", lambda: operations.dispatch(OLD, {}))
    for each in made:
        each.cache_clear()
    yield
    for each in made:
        each.cache_clear()


def test_each_answer_says_since_when_and_until_when(app, old, erp):
    for answer in (erp.ask("GET", "/old-things"), app.test_client().get("/api/v1/old-things")):
        assert answer.headers["Deprecation"] == "@1796083200"
        assert answer.headers["Sunset"] == "Wed, 01 Dec 2027 12:00:00 GMT"
        assert '</settings/api/old-things#get_old>; rel="deprecation"; type="text/html"' in answer.headers.getlist("Link")
    assert erp.get("/old-things") == {"text": "still here"}
    assert not {"Deprecation", "Sunset"} & set(erp.ask("GET", "/token").headers.keys())


def test_the_document_and_the_reference_say_what_to_use_instead(client, old):
    described = openapi.document()["paths"]["/old-things"]["get"]
    assert described["deprecated"] is True
    assert described["description"].startswith("Deprecated since 2026-12-01, works until 2027-12-01. Use `GET /token`.")
    assert all({"Deprecation", "Sunset"} <= described["responses"][status]["headers"].keys() for status in ("200", "401", "503"))
    assert "Use <code>GET /token</code>." in client.get("/settings/api/old-things").text


def test_nobody_has_less_than_half_a_year():
    with pytest.raises(ValueError):
        Deprecation(SINCE, datetime(2027, 1, 1, tzinfo=UTC), "Use something else.")
