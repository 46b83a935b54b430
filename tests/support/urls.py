"""Every address of the application, filled with things that exist; and all that is stored, to see whether it was changed."""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from extensions import db
from models import AuditEntry, Draft
from models.types import utcnow
from services.onboarding import drafts, feed_setup
from services.security import vault
from tests.blueprints.rows import add_incident, add_integration, add_run
from tests.support.planted import plant
from tests.support.signed_in import user_called

NOT_ACTS = {"user_session", "user_code"}
"""Tables that change by asking."""


@dataclass(frozen=True, slots=True)
class Address:
    endpoint: str
    method: str
    path: str


def example_values(app: Flask, actor: str = "user:owner") -> dict[str, Any]:
    """Something for every variable part of an address: ids of rows made for it, names that are known. What means different
    things in different rooms carries the blueprint's name before it."""
    integration_id = add_integration("Example shop", endpoint="http://127.0.0.1:9", key_encrypted=vault.encrypt("a key"))
    planted = plant(integration_id)
    incident_id, notification_id = add_incident(integration_id, user_called("owner"))
    return {
        **planted, "incident_id": incident_id, "notification_id": notification_id,
        "integration_id": integration_id, "run_id": add_run(integration_id, state="running", started_at=utcnow()),
        "user_id": user_called("Somebody else", "manager"), "session_id": 1,
        "feed_setup.token": feed_setup.begin(planted["supplier_id"], actor),
        "token": drafts.create("add", "xcart", actor, {"name": "A new shop"}), "kind": "xcart", "version": "x", "name": "app.css", "resource": "orders",
    }  # fmt: skip


def page_rules(app: Flask) -> Iterator[Rule]:
    """The rules of pages. Those of the API have tests of their own (tests/api)."""
    return (rule for rule in app.url_map.iter_rules() if not rule.rule.startswith("/api/"))


def every_address(app: Flask, values: dict[str, Any]) -> Iterator[Address]:
    """Each rule with each of its methods, and with each word where it takes one of several. A variable part nobody has an
    example of gets 1 or ``x``."""
    adapter = app.url_map.bind("localhost")
    for rule in sorted(page_rules(app), key=lambda rule: (rule.rule, rule.endpoint)):
        fixed = rule.defaults or {}
        names = sorted(rule.arguments - fixed.keys())
        for chosen in itertools.product(*(_values(rule, name, values) for name in names)):
            path = adapter.build(rule.endpoint, {**fixed, **dict(zip(names, chosen, strict=True))})
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield Address(rule.endpoint, method, path)


def _values(rule: Rule, name: str, values: dict[str, Any]) -> list[Any]:
    choices = getattr(rule._converters[name], "items", None)
    if choices:
        return sorted(choices)
    for known in (f"{rule.endpoint.partition('.')[0]}.{name}", name):
        if known in values:
            return [values[known]]
    return [1] if rule._converters[name].__class__.__name__ == "RowId" else ["x"]


def shown(answer: TestResponse) -> str:
    """What somebody who opens an answer can read: its text, and of an Excel workbook all that is packed in it."""
    if not answer.data.startswith(b"PK"):
        return answer.text
    with zipfile.ZipFile(io.BytesIO(answer.data)) as packed:
        return "\n".join(packed.read(name).decode("utf-8", "replace") for name in packed.namelist())


def all_that_is_stored() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that only acts change."""
    db.session.rollback()
    found = {}
    for table in db.metadata.sorted_tables:
        if table.name not in NOT_ACTS:
            columns = [column for column in table.columns if table is not Draft.__table__ or column.name != "expires_at"]
            rows = select(*columns)
            if table is AuditEntry.__table__:
                rows = rows.where(AuditEntry.kind != "user.signed_in")
            found[table.name] = sorted(tuple(map(str, row)) for row in db.session.execute(rows))
    db.session.rollback()
    return found
