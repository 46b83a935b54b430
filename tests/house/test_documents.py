"""The functions and files that docs/architecture.md and CONTRIBUTING.md name exist."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.support.processes import ROOT

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LIVES = ("The life of an order", "The life of a quantity")
NAMED = re.compile(r"`([\w./-]+\.py): ([\w.]+)`")
"""A function, class or constant in a file: `services/orders/store.py: store_orders`, `services/runs/lifecycle.py: Lease.page`."""
SUFFIXES = (".py", ".md", ".html", ".toml", ".jsonl", ".txt", ".in", ".css", ".js")


def section(title: str) -> str:
    _, heading, text = ARCHITECTURE.partition(f"\n## {title}\n")
    assert heading, f"There is no section {title!r}."
    return text.partition("\n## ")[0]


def steps(title: str) -> list[str]:
    """The numbered steps of a section, each with its further lines."""
    return re.findall(r"^\d+\. .*(?:\n +.*)*", section(title), re.MULTILINE)


@cache
def names_in(path: str) -> frozenset[str]:
    """What a file defines at its top level, and what its classes define as ``Class.name``."""
    file = ROOT / path
    return frozenset(_names(ast.parse(file.read_text(encoding="utf-8")).body)) if file.is_file() else frozenset()


def _names(body: list[ast.stmt], before: str = "") -> list[str]:
    found = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(before + node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [before + target.id for target in targets if isinstance(target, ast.Name)]
        if isinstance(node, ast.ClassDef):
            found += _names(node.body, f"{before}{node.name}.")
    return found


def missing_names(text: str) -> list[str]:
    return [f"{path}: {name}" for path, name in NAMED.findall(text) if name not in names_in(path)]


def paths_in(text: str) -> set[str]:
    """The files and folders that a text names in backticks, as links, and as arguments of a command."""
    found = set(re.findall(r"\]\(([^)#:]+)\)", text))
    for quoted in re.findall(r"`([^`\n]+)`", text):
        for word in re.split(r"[\s\"'=]+", quoted):
            path = word.rstrip(":").partition("::")[0]
            if re.fullmatch(r"[\w./-]+", path) and ("/" in path or path.endswith(SUFFIXES)):
                found.add(path)
    return found


@pytest.mark.parametrize("title", LIVES)
def test_a_life_has_ten_steps_and_each_names_who_does_it(title: str) -> None:
    assert len(steps(title)) == 10
    assert [step.partition("\n")[0] for step in steps(title) if not NAMED.search(step)] == []


@pytest.mark.parametrize("text", [ARCHITECTURE, CONTRIBUTING], ids=["architecture", "contributing"])
def test_every_function_that_is_named_exists(text: str) -> None:
    assert NAMED.search(text)
    assert missing_names(text) == []


def test_every_path_in_the_contributing_guide_exists() -> None:
    paths = paths_in(CONTRIBUTING)
    assert len(paths) > 50
    # What is made on the first run is not in the repository.
    made = {".venv", "instance/"}
    assert sorted(path for path in paths - made if not (ROOT / path).exists()) == []


def test_a_name_or_a_path_that_does_not_exist_is_found() -> None:
    assert missing_names("`app.py: create_app`, `app.py: nothing`, `nothing.py: create_app`, `errors.py: ChannelError.nothing`") == [
        "app.py: nothing", "nothing.py: create_app", "errors.py: ChannelError.nothing",
    ]  # fmt: skip
    assert paths_in('[x](docs/a.md), `cli/`, `make test ARGS="tests/a -k b"`, `a/b.py: c`, `on`, `x.py`') == {
        "docs/a.md", "cli/", "tests/a", "a/b.py", "x.py",
    }  # fmt: skip
