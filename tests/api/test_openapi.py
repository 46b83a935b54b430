"""The OpenAPI document: it has every route, and what it says of answers and requests is so.

Each answer in the tests of this folder is checked against it, too (tests/api/conftest.py)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from sqlalchemy import update

from api import decoding
from api.openapi import VARIABLE
from api.operations import OPERATIONS, Operation
from api.problems import Problem
from channels import event_calls
from extensions import writing
from models import EventEndpoint, RunItem, SyncRun
from models.types import utcnow
from services.accounts.tokens import SCOPES
from tests.api.conftest import Program, the_document, validator

SECRET = event_calls.new_secret()
BODIES = {
    "accept_order": {"code": "sums"},
    "create_shipment": {"carrier": "DHL", "tracking_number": "T1"},
    "create_shipments": {"rows": [{"order_id": "{ready_id}", "tracking_number": "T1"}]},
    "change_tracking": {"carrier": "DHL", "tracking_number": "T9"},
    "create_stock_item": {"sku": "NEW", "on_hand": 1},
    "change_stock_item": {"on_hand": 20},
    "adjust_stock_item": {"delta": 1, "reason": "found"},
    "change_stock_items": {"rows": [{"sku": "SKU", "set": 30, "expected": 10}], "atomic": True},
    "create_event_endpoint": {"name": "ERP", "url": "https://example.com/", "secret": SECRET, "types": ["order.created"]},
    "change_event_endpoint": {"types": ["order.created"]},
    "rotate_event_endpoint_secret": {"secret": SECRET},
    "resume_event_endpoint": {},
    "test_event_endpoint": {},
    "replay_events": {"after": "0"},
    "create_links": {"listing_id": "{listing_id}", "parts": [{"sku": "SKU", "units": 2}]},
    "change_settings": {"use_tax": True, "stock_buffer": 1, "stock_cap": None},
    "undo_stock_update": {"where": "both"},
    "start_run": {"integration_id": "{integration_id}", "kind": "listings"},
}
"""A body for each operation that takes one."""


UNRECORDED = {"evaluate_order", "mark_order_seen", "accept_order", "enable_integration"}
"""Acts that change nothing here, so they record nothing. tests/api/test_acts.py does them where they do."""


def filled(body: Any, values: dict[str, Any]) -> Any:
    """A body with the ids of planted rows."""
    text = json.dumps(body)
    for name in ("ready_id", "integration_id", "listing_id"):
        text = text.replace(f"{{{name}}}", str(values[name]))
    return json.loads(text)


def make_undoable(run_id: int, listing_id: int) -> None:
    """Make the planted run a stock update that has sent something."""
    with writing() as session:
        session.execute(update(SyncRun).where(SyncRun.id == run_id).values(kind="stock", state="finished", finished_at=utcnow()))
        session.execute(update(RunItem).where(RunItem.run_id == run_id).values(listing_id=listing_id))


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
    assert answer.json == the_document()
    assert answer.json["openapi"] == "3.1.0"
    for schema in answer.json["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for place in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(answer.json)):
        found: Any = answer.json
        for name in place.split("/"):
            found = found[name]
    assert "Z" + "$" not in json.dumps(answer.json) and r"\\Z" not in json.dumps(answer.json)


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


@pytest.mark.parametrize("made", OPERATIONS.values(), ids=lambda made: made.name)
def test_every_operation_answers_as_documented(app: Flask, erp: Program, planted: dict[str, Any], made: Operation):
    """With a body that the document takes, it succeeds; without an entry it is refused. The client checks the answers."""
    ready = next(order["id"] for order in erp.items("/orders?state=ready"))
    values = {**planted, "order_id": ready, "ready_id": ready}
    path = VARIABLE.sub(r"{\1}", made.path).format(**values)
    body = filled(BODIES.get(made.name), values)
    headers = {}
    if made.body is not None:
        schema = operations()[made.name][2]["requestBody"]["content"]["application/json"]["schema"]
        assert list(validator(schema).iter_errors(body)) == []
        for wrong in ({**body, "more": 1}, [], None):
            assert list(validator(schema).iter_errors(wrong)) != []
            with pytest.raises(Problem):
                decoding.decode_body(json.dumps(wrong).encode(), made.body)
    if made.conditional:
        headers["If-Match"] = f'"{erp.get(path)["version"]}"'
    if made.name in ("preview_undo", "undo_stock_update"):
        make_undoable(values["run_id"], values["listing_id"])
    if made.name == "resume_event_endpoint":
        with writing() as session:
            session.execute(update(EventEndpoint).values(paused_at=utcnow()))
    answer = erp.ask(made.method, path, json=body, headers=headers)
    assert answer.status_code in made.answers, answer.text
    assert (made.method == "GET" or made.name in UNRECORDED) or "audit_entry" in erp.changed, made.name
    missing = erp.ask(made.method, path + "?nothing=1", json=body, headers=headers)
    assert missing.status_code == 400
