"""A program that uses the API with a token."""

from __future__ import annotations

import itertools
import json
from functools import lru_cache
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator, FormatChecker
from sqlalchemy import select
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.test import TestResponse

from api import openapi
from api.openapi import VARIABLE
from api.operations import OPERATIONS
from extensions import db, writing
from models import Integration, Link, RunItem
from services.accounts import tokens
from services.accounts.tokens import SCOPES
from services.events import sequencer
from services.onboarding import drafts
from services.security import vault
from services.shipping import carriers
from tests.blueprints.rows import add_incident, add_integration, add_run
from tests.support.planted import plant
from tests.support.signed_in import FreshClient, user_called

PROBLEM = "application/problem+json"
_keys = itertools.count()


class Program:
    """Sends requests as a program with one token does; a POST gets a new Idempotency-Key unless it brings one."""

    def __init__(self, app: Flask, token: str):
        self.app, self.token = app, token
        self.changed: set[str] = set()

    def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> TestResponse:
        client: FreshClient = self.app.test_client(use_cookies=False)
        sent = {"Authorization": f"Bearer {self.token}"}
        if method == "POST":
            sent["Idempotency-Key"] = f"key-{next(_keys)}"
        address = path if path.startswith("/api") else f"/api/v1{path}"
        answer = client.open(address, method=method, headers=sent | (headers or {}), **options)
        self.changed = client.changed
        assert_documented(self.app, method, address, answer)
        return answer

    def get(self, path: str, **options: Any) -> Any:
        answer = self.ask("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self.ask("POST", path, json=json, **options)

    def items(self, path: str) -> list[Any]:
        return self.get(path)["items"]


def program(app: Flask, *scopes: str, user: str = "Olive", role: str = "owner", sees_customers: bool = False) -> Program:
    user_id = user_called(user, role, sees_customers)
    allowed = tokens.allowed_scopes(role, sees_customers)
    issued = tokens.create_token(user_id, f"ERP {next(_keys)}", scopes or sorted(allowed), "test")
    return Program(app, issued.token)


@pytest.fixture
def erp(app: Flask) -> Program:
    """One that may do everything."""
    assert tokens.allowed_scopes("owner", False) == set(SCOPES)
    return program(app)


@pytest.fixture
def planted(app: Flask) -> dict[str, Any]:
    integration_id = add_integration("Example shop", endpoint="http://127.0.0.1:9", key_encrypted=vault.encrypt("a key"))
    values = plant(integration_id)
    run_id = add_run(integration_id)
    with writing() as session:
        session.add(RunItem(run_id=run_id, result="sent", external_id="1", sku="SKU", now=1, wanted=2, stored=2))
    incident_id = add_incident(integration_id)[0]
    sequencer.give_positions()
    with writing() as session:
        session.add(
            RunItem(run_id=run_id, listing_id=values["listing_id"], result="preview", external_id="1", sku="SKU", now=9, wanted=0)
        )
        session.get_one(Integration, integration_id).waiting_run_id = run_id
    asked = drafts.create("connect", "xcart", "api:ERP", {"name": "New", "endpoint": "http://127.0.0.1:9", "api_key": "a key"})
    connection_id, _ = drafts.ask_check(asked, "api:ERP")
    link_id = db.session.scalar(select(Link.id).where(Link.listing_id == values["listing_id"]))
    return {
        **values,
        "link_id": link_id,
        "feed_run_id": values["feed_run.run_id"],
        "carrier_id": carriers.list_carriers()[0].id,
        "connection_id": connection_id,
        "import_id": values["stock_files.file_id"],
        "integration_id": integration_id,
        "run_id": run_id,
        "incident_id": incident_id,
    }


@lru_cache(maxsize=1)
def the_document() -> dict[str, Any]:
    return json.loads(json.dumps(openapi.document()))


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """One that knows the document's components."""
    return Draft202012Validator({**schema, "components": the_document()["components"]}, format_checker=FormatChecker())


def assert_documented(app: Flask, method: str, address: str, answer: TestResponse) -> None:
    """Each answer of an operation is one that the document has: its status, its media type and its body."""
    try:
        endpoint, _ = app.url_map.bind("localhost").match(address.partition("?")[0], method=method)
    except (HTTPException, RequestRedirect):
        return
    made = OPERATIONS[endpoint.partition(".")[2]]
    path = VARIABLE.sub(r"{\1}", made.path)
    documented = the_document()["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in documented, (made.name, answer.status_code, answer.text)
    found = documented[str(answer.status_code)]
    if "content" not in found:
        assert answer.data == b""
        return
    assert answer.mimetype in found["content"], made.name
    faults = sorted(validator(found["content"][answer.mimetype]["schema"]).iter_errors(answer.json), key=str)
    assert not faults, (made.name, faults[0].message)
    assert answer.status_code not in (201, 202) or answer.headers["Location"].startswith("/api/v1/")


def problem(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The problem details of an answer that has to be one."""
    assert (answer.status_code, answer.json and answer.json.get("code")) == (status, code), answer.text
    assert answer.mimetype == PROBLEM
    assert answer.json["type"] == f"urn:cartlink:problem:{code}"
    assert answer.json["status"] == status
    assert answer.json["request_id"]
    assert answer.json["title"] and answer.json["detail"]
    return answer.json
