"""Files, functions and routes stay short. A function that is not says in its docstring why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("api", "bench", "blueprints", "channels", "cli", "jobs", "local_run", "models", "practice_shop", "services", "tools")
MOST_LINES = 400
MOST_OF_A_FUNCTION = 60
MOST_OF_A_ROUTE = 15
MOST_PARAMETERS = 6
METHODS = {"get", "post", "route"}


def files() -> Iterator[tuple[str, str]]:
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    yield from ((path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in (*inside, *ROOT.glob("*.py")))


def too_large(place: str, text: str) -> Iterator[str]:
    """What is too large in a file, as sentences."""
    if (lines := len(text.splitlines())) > MOST_LINES:
        yield f"{place} has {lines} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (f"{place}: {node.name} has {what}" for what in _too_large(node))


def _too_large(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    why = ast.get_docstring(function) or ""
    lines, body = (function.end_lineno or 0) - function.lineno + 1, _lines(function.body[bool(why) :])
    parameters = _parameters(function.args)
    if lines > MOST_OF_A_FUNCTION and "lines" not in why:
        yield f"{lines} lines, and its docstring does not say why there are so many lines"
    if parameters > MOST_PARAMETERS and "parameters" not in why:
        yield f"{parameters} parameters, and its docstring does not say why there are so many parameters"
    if _is_route(function) and body > MOST_OF_A_ROUTE:
        yield f"{body} lines, too many for a route: it reads input, calls a service and answers"


def _lines(body: list[ast.stmt]) -> int:
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _parameters(given: ast.arguments) -> int:
    named = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg) if each]
    return len([name for name in named if name not in ("self", "cls")])


def _is_route(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    called = (each.func for each in function.decorator_list if isinstance(each, ast.Call))
    return any(isinstance(each, ast.Attribute) and each.attr in METHODS for each in called)


def test_files_functions_and_routes_are_short():
    assert [sentence for place, text in files() for sentence in too_large(place, text)] == []


def test_tests_have_short_files():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in (ROOT / "tests").rglob("*.py")
    }
    assert {place: lines for place, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_attribute_has_a_constructed_name():
    """``getattr(flow, f"{kind}_due_at")`` is found by no search for ``orders_due_at``."""
    found = [
        place for place, text in files() for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr")
        and isinstance(node.args[1], ast.JoinedStr | ast.BinOp)
    ]  # fmt: skip
    assert found == ["practice_shop/control.py"], "control.py finds what to do by the method and path of a request"


def test_what_is_too_large_is_found():
    many = "\n".join(f"    a = {number}" for number in range(16))
    assert list(too_large("x.py", "#\n" * 401)) == ["x.py has 401 lines"]
    assert [each.split(",")[0] for each in too_large("x.py", f'@bp.get("/")\ndef page():\n    """Text."""\n{many}\n')] == [
        "x.py: page has 16 lines"
    ]
    taking = "def f(self, a, b, c, d, e, *, g, **more):\n    "
    assert len(list(too_large("x.py", taking + "pass"))) == 1
    assert list(too_large("x.py", taking + '"""It has many parameters, because each is a column."""')) == []
    long = "def f():\n" + "    pass\n" * 60
    assert list(too_large("x.py", long)) == ["x.py: f has 61 lines, and its docstring does not say why there are so many lines"]
    assert list(too_large("x.py", long.replace("pass", '"""The lines of a table."""', 1))) == []
