"""What an act of a page or a command leads to: which kinds of the audit trail its code can record, and whether it deletes rows that somebody
made. Read from the source by names, so what is called through a variable is not seen."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from services.security.audit import Kind

ROOT = Path(__file__).parents[2]
FOLDERS = ("blueprints", "cli", "jobs", "services")
DELETES = "a row"
TAKES = "cancelled disabled dropped ended erased muted off out removed renewed retired revoked rotated stopped undone voided"
KEEPS = """accepted added again approved assigned changed confirmed connected created enabled entered fed held ignored imported in issued linked
on own reauthorised released renamed repeated replaced replayed resumed retried saved seen sent settled shipped started tagged tested threshold
unlinked up uploaded"""
ENDING, GOING_ON = frozenset(TAKES.split()), frozenset(KEEPS.split())
"""How the names of kinds of the audit trail end: those that take something away or stop it, and those that do not. A new word has to be put
into one of the two."""


@dataclass(frozen=True, slots=True)
class _Source:
    """The functions of a module by name, and what its names are imported from."""

    functions: dict[str, ast.FunctionDef]
    imported: dict[str, str]


@cache
def _sources() -> dict[str, _Source]:
    found = {}
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found[name] = _Source(
            {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)},
            {
                each.asname or each.name: f"{line.module}.{each.name}"
                for line in ast.walk(tree) if isinstance(line, ast.ImportFrom) and line.module for each in line.names
            },
        )  # fmt: skip
    return found


@cache
def _named(place: str) -> Kind | None:
    """The kind of the audit trail that a name of a module stands for."""
    module, _, name = place.rpartition(".")
    found = getattr(import_module(module), name, None) if module in _sources() else None
    return found if isinstance(found, Kind) else None


@cache
def _step(place: str) -> tuple[frozenset[str], frozenset[str]]:
    """What one function does by itself, and what it calls."""
    module, _, name = place.rpartition(".")
    source = _sources()[module]
    does, calls = set(), set()
    for each in ast.walk(source.functions[name]):
        if isinstance(each, ast.Attribute) and each.attr == "delete" and ast.unparse(each.value) in ("session", "db.session"):
            does.add(DELETES)
        if isinstance(each, ast.Name):
            target = source.imported.get(each.id, f"{module}.{each.id}")
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id in source.imported:
            target = f"{source.imported[each.value.id]}.{each.attr}"
        else:
            continue
        if kind := _named(target):
            does.add(kind.name)
        elif target.rpartition(".")[2] in getattr(_sources().get(target.rpartition(".")[0]), "functions", {}):
            calls.add(target)
    return frozenset(does), frozenset(calls)


def last_word(kind: str) -> str:
    return kind.replace(".", "_").rpartition("_")[2]


def takes_away(view: Callable[..., Any]) -> bool:
    """Whether a function can take something away that somebody has made, or stop it."""
    return any(each == DELETES or last_word(each) in ENDING for each in reach(view))


def reach(view: Callable[..., Any]) -> set[str]:
    """The names of kinds of the audit trail that a function can record, and DELETES. Nothing for functions inside others."""
    begin = inspect.unwrap(view)
    if begin.__name__ not in getattr(_sources().get(begin.__module__), "functions", {}):
        return set()
    todo, seen, found = [f"{begin.__module__}.{begin.__name__}"], set[str](), set[str]()
    while todo:
        place = todo.pop()
        if place not in seen:
            seen.add(place)
            does, calls = _step(place)
            found |= does
            todo += calls
    return found
