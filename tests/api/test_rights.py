"""Every operation of the document, with each scope and each role: who lacks one of them gets 403, and who has both does not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from models.user import ROLES
from services.accounts import users
from services.accounts.tokens import SCOPES
from tests.api.conftest import Program, problem, program, the_document
from tests.support.signed_in import user_called

pytestmark = pytest.mark.config(requests_per_minute=100_000)
OPERATIONS = [
    (method.upper(), path, found) for path, methods in the_document()["paths"].items() for method, found in methods.items()
]
ALL = tuple(sorted(SCOPES))


def ask(erp: Program, method: str, path: str) -> TestResponse:
    """A request that changes nothing: nothing has the id 0, and no body is empty."""
    headers = {"If-Match": '"0"'} if method in ("PATCH", "DELETE") else {}
    return erp.ask(method, re.sub(r"\{\w+\}", "0", path), headers=headers)


def may(found: dict[str, Any], scopes: Sequence[str], role: str) -> bool:
    """Whether the document says that a token may."""
    return "x-scope" not in found or (found["x-scope"] in scopes and ROLES.index(role) <= ROLES.index(found["x-role"]))


def check(erp: Program, scopes: Sequence[str], role: str) -> None:
    """Every operation, by a token with these scopes of a user with this role."""
    for method, path, found in OPERATIONS:
        answer = ask(erp, method, path)
        where = (method, path, scopes, role, answer.text)
        if may(found, scopes, role):
            assert answer.status_code not in (401, 403), where
            continue
        assert answer.status_code == 403, where
        problem(answer, 403, answer.json["code"])
        assert answer.json["code"] == "role_insufficient" or answer.json["scope"] == found["x-scope"], where


def as_role(role: str) -> None:
    user_called("Other owner")
    users.change_role(user_called("Ann"), role, sees_customers=False)


def test_with_all_scopes_the_role_decides(app: Flask):
    erp = program(app, *ALL, user="Ann")
    for role in ROLES:
        as_role(role)
        check(erp, ALL, role)


@pytest.mark.long
@pytest.mark.sampled(1)
@pytest.mark.parametrize("role", ROLES)
def test_a_scope_opens_its_operations_alone(app: Flask, role: str):
    programs = {scope: program(app, scope, user="Ann") for scope in ALL}
    as_role(role)
    for scope, erp in programs.items():
        check(erp, (scope,), role)


def test_no_operation_is_open_without_a_token(app: Flask):
    for method, path, _ in OPERATIONS:
        for headers in ({}, {"Authorization": "Bearer ctl_wrong"}):
            answer = app.test_client().open(f"/api/v1{re.sub(r'{.+?}', '0', path)}", method=method, headers=headers)
            problem(answer, 401, answer.json["code"])
