"""Cartlink's version stands in one place, and people can see it."""

from __future__ import annotations

import subprocess
import tomllib

from config import VERSION
from tests.support.processes import ROOT


def test_the_version_is_defined_once():
    found = subprocess.run(
        ["git", "grep", "-lF", f'"{VERSION}"', "--", "*.py", "*.toml", "*.html"], cwd=ROOT, capture_output=True, text=True
    )
    assert found.stdout.split() == ["config.py"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project and project["dynamic"] == ["version"]


def test_pages_show_it_at_their_foot(client):
    foot = client.get("/orders").get_data(as_text=True).partition("<footer")[2]
    assert foot.partition("</footer>")[0].partition(">")[2].startswith(f"Cartlink {VERSION} ·")


def test_a_command_prints_it(app):
    assert app.test_cli_runner().invoke(args=["version"]).output == f"Cartlink {VERSION}\n"
