"""The OpenAPI document: it has every route, and what it says of answers and requests is so.

Each answer in the tests of this folder is checked against it, too (tests/api/conftest.py)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator

from api import decoding
from api.examples import example_of
from api.openapi import VARIABLE
from api.operations import OPERATIONS, Operation
from api.problems import Problem
from services.accounts.tokens import SCOPES
from tests.api.conftest import Program, the_document, validator
from tests.api.prepared import PREPARED

UNRECORDED = {"create_integration", "evaluate_order", "mark_order_seen", "accept_order", "enable_integration"}
"""Acts that change nothing here, so they record nothing; a shop is recorded once it is connected. tests/api/test_acts.py does them where they do."""


def values_for(erp: Program, planted: dict[str, Any], made: Operation) -> dict[str, Any]:
    """What the example of an operation needs to succeed: an order that is ready, a version, a state (tests/api/prepared.py)."""
    ready = next(order["id"] for order in erp.items("/orders?state=ready"))
    values = {**planted, "order_id": ready, "sku": "SKU"}
    if made.conditional:
        values["version"] = erp.get(VARIABLE.sub(r"{\1}", made.path).format(**values))["version"]
    if made.name in PREPARED:
        PREPARED[made.name](values)
    return values


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    return {
        found["operationId"]: (method, path, found)
        for path, methods in the_document()["paths"].items()
        for method, found in methods.items()
    }


def test_every_route_is_in_the_document(app: Flask):
    routes = {
        (method, VARIABLE.sub(r"{\1}", rule.rule.removeprefix("/api/v1")))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in (rule.methods or set()) - {"HEAD"}
    }
    assert routes - {("GET", "/openapi.json")} == {(method.upper(), path) for method, path, _ in operations().values()}
    assert set(operations()) == set(OPERATIONS)


def test_it_is_open_to_everyone_and_sound(app: Flask):
    answer = app.test_client().get("/api/v1/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    document, text = answer.json, json.dumps(answer.json)
    assert document == the_document()
    assert document["openapi"] == "3.1.0"
    for name, schema in document["components"]["schemas"].items():
        assert re.fullmatch(r"\w+", name), f"{name}: two types have this name, and generators take no dots"
        Draft202012Validator.check_schema(schema)
    for place in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        found: Any = document
        for name in place.split("/"):
            found = found[name]
    assert "Z" + "$" not in text and r"\\Z" not in text


def test_every_operation_says_what_it_needs():
    for method, path, found in operations().values():
        assert found["summary"] and found["description"], path
        names = {parameter["name"] for parameter in found["parameters"] if parameter["in"] == "header"}
        assert ("Idempotency-Key" in names) is (method == "post"), path
        needed = {parameter["name"] for parameter in found["parameters"] if parameter["required"]}
        assert ("If-Match" in needed) is (method in ("patch", "delete")), path
        assert ("If-Match" in names) is ("412" in found["responses"]), path
        assert found.get("x-scope", "stock:read") in SCOPES
        assert {parameter["name"] for parameter in found["parameters"] if parameter["in"] == "path"} == set(
            re.findall(r"\{(\w+)\}", path)
        )


def test_people_read_the_words_of_the_pages():
    """A page says *Check again* and *Stock history*. Addresses and keys of scopes stay as programs know them."""
    texts = [scope.sentence for scope in SCOPES.values()]
    texts += [text for text in _texts(the_document()) if not text.startswith("/")]
    for word in (r"\bledger\b", r"\bevaluat"):
        assert [text for text in texts if re.search(word, text, re.IGNORECASE)] == []


def _texts(part: Any) -> Iterator[str]:
    """Titles, summaries and descriptions."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name in ("title", "summary", "description") and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(part, list):
        for each in part:
            yield from _texts(each)


def test_links_lead_from_what_was_read_to_its_change_and_from_what_was_made_to_it():
    known = operations()
    leads: set[str] = set()
    for method, path, found in known.values():
        for answer in found["responses"].values():
            for name, link in answer.get("links", {}).items():
                needed = {each["name"] for each in known[name][2]["parameters"] if each["required"]}
                assert link["operationId"] == name and link["parameters"].keys() == needed, (path, name)
                leads.add(name)
                schema = answer["content"]["application/json"]["schema"]
                properties = the_document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
                assert {"get": "version", "post": "id"}[method] in properties, (path, name)
    changes = {name for name, (method, _, _) in known.items() if method in ("patch", "delete")}
    assert leads >= changes | {"get_run", "get_connection"}


@pytest.mark.parametrize("made", OPERATIONS.values(), ids=lambda made: made.name)
@pytest.mark.sampled(30)
def test_every_operation_answers_as_documented(app: Flask, erp: Program, planted: dict[str, Any], made: Operation):
    """With a body that the document takes, it succeeds; without an entry it is refused. The client checks the answers."""
    example = example_of(made, values_for(erp, planted, made))
    body = example.body
    if made.body is not None:
        schema = operations()[made.name][2]["requestBody"]["content"]["application/json"]["schema"]
        assert list(validator(schema).iter_errors(body)) == []
        for wrong in ({**body, "more": 1}, [], None):
            assert list(validator(schema).iter_errors(wrong)) != []
            with pytest.raises(Problem):
                decoding.decode_body(json.dumps(wrong).encode(), made.body)
    headers = {"If-Match": f'"{example.version}"'} if example.version else {}
    sent: dict[str, Any] = {"json": body, "headers": headers}
    if example.file:
        sent = {"data": example.file, "content_type": example.media_type, "headers": headers}
    answer = erp.ask(made.method, example.address, **sent)
    assert answer.status_code in made.answers, answer.text
    assert (made.method == "GET" or made.name in UNRECORDED) or "audit_entry" in erp.changed, made.name
    path = example.address.partition("?")[0]
    missing = erp.ask(made.method, path + "?nothing=1", **sent)
    assert missing.status_code == 400
