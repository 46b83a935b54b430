"""docs/api.md says what each operation needs, and the pages' scopes are those that operations use."""

from __future__ import annotations

import re

from api.operations import OPERATIONS
from models.user import ROLES
from services.accounts.tokens import SCOPES
from tests.support.processes import ROOT

TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_table_has_every_operation_with_its_scope_and_role():
    table = set(re.findall(r"^\| `([A-Z]+ [^`]+)` \| `?([a-z:–-]+)`? \| ([a-z–]+) \|$", TEXT, re.MULTILINE))
    assert table == {
        (
            f"{made.method} {made.path.replace('<int:', '{').replace('>', '}')}",
            made.scope or "–",
            made.role if made.scope else "–",
        )
        for made in OPERATIONS.values()
    }


def test_every_scope_is_of_use_and_good_for_the_role_that_its_operations_need():
    used = {made.scope for made in OPERATIONS.values()} - {None}
    assert used | {"customers:read"} == set(SCOPES)
    for scope in used:
        # What needs a stronger role is refused to others; at least one operation is for the role that gets the scope.
        roles = [ROLES.index(made.role) for made in OPERATIONS.values() if made.scope == scope]
        assert max(roles) == ROLES.index(SCOPES[scope].role), scope
    for made in OPERATIONS.values():
        assert made.scope is None or made.method == "GET" or made.scope.endswith(":write"), made.name
