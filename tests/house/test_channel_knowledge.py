"""What only one kind of shop knows stands in its channel: its name and its status codes occur in no code above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels import CHANNELS, facts_of

ROOT = Path(__file__).parents[2]
ABOVE = ("api", "models", "services", "jobs", "blueprints")
OTHERWISE = {("services/orders/search.py", "A"), ("services/common/text.py", "R")}
"""Texts that mean something else: PostgreSQL gives words of a search a weight from A to D, and Unicode calls right to left R."""
KNOWN = sorted(str(path.relative_to(ROOT)) for folder in ABOVE for path in (ROOT / folder).rglob("*.py"))


def texts(tree: ast.Module) -> Iterator[ast.Constant]:
    """The texts of a module that are neither documentation nor the name of a type variable."""
    passed = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    passed |= {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("TypeVar", "ParamSpec")
        for each in node.args
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node


@pytest.mark.parametrize("kind", CHANNELS)
def test_no_code_above_the_channels_names_a_kind_or_its_statuses(kind: str):
    codes = {code for named in facts_of(kind).statuses.values() for code in named}
    found = [
        f"{place}:{text.lineno}: {text.value!r}"
        for place in KNOWN
        for text in texts(ast.parse((ROOT / place).read_text(encoding="utf-8")))
        if (text.value in codes or text.value == kind or CHANNELS[kind].label in text.value)
        and (place, text.value) not in OTHERWISE
    ]
    assert found == []


def test_the_search_finds_such_a_text():
    tree = ast.parse('"""X-Cart"""\nP = TypeVar("P")\ndef f(order):\n    """NBA"""\n    return order.status == "NBA"\n')
    assert [text.value for text in texts(tree)] == ["NBA"]


@pytest.mark.parametrize("kind", CHANNELS)
def test_a_template_names_a_kind_only_in_its_own_folder(kind: str):
    label = CHANNELS[kind].label
    templates = (ROOT / "templates").rglob("*.html")
    assert [str(each) for each in templates if label in each.read_text(encoding="utf-8") and each.parent.name != kind] == []
