"""Nothing stays that nothing uses: functions of the services and below, templates, and classes of the styles."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "api",
    "bench",
    "blueprints",
    "channels",
    "cli",
    "jobs",
    "local_run",
    "migrations",
    "models",
    "services",
    "templates",
    "tools",
)
FUNCTIONS_OF = ("channels", "jobs", "models", "services")
BUILT = ("change-", "htmx-", "pill-", "sheet-", "shop-", "tone-")
"""How classes begin whose names templates, charts or htmx put together."""
BUILT_TEMPLATES = {"onboarding/xcart/_key_help.html"}


def texts() -> dict[Path, str]:
    inside = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".html"))
    return {path: path.read_text(encoding="utf-8") for path in (*inside, *ROOT.glob("*.py"), ROOT / "pyproject.toml")}


def test_each_function_is_used_by_more_than_tests() -> None:
    found = texts()
    used = Counter(word for text in found.values() for word in re.findall(r"\w+", text))
    unused = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, text in found.items() if path.relative_to(ROOT).parts[0] in FUNCTIONS_OF
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.decorator_list and used[node.name] == 1
    ]  # fmt: skip
    assert not unused


def test_each_template_is_used() -> None:
    found = "\n".join(texts().values())
    paths = {path.relative_to(ROOT / "templates").as_posix() for path in (ROOT / "templates").rglob("*.html")}
    assert {path for path in paths if path not in found} == BUILT_TEMPLATES


def test_each_class_of_the_styles_is_used() -> None:
    styles = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "static").glob("*.css"))
    named = set(re.findall(r"\.(-?[a-zA-Z_][\w-]*)", re.sub(r"url\([^)]*\)|/\*.*?\*/", "", styles, flags=re.DOTALL)))
    written = "\n".join((*texts().values(), *(path.read_text(encoding="utf-8") for path in (ROOT / "static").glob("*.js"))))
    words = set(re.findall(r"[\w-]+", written))
    assert not {name for name in named - words if not name.startswith(BUILT)}
