"""What ``.ci/run`` makes of failed tests: a few get a second try, alone, and are named."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import ROOT

NEEDED = ("chromium", "nginx", "systemd-analyze")


def outcome(folder: Path, failed: list[str], second: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a copy of ``.ci/run`` where ``make test`` leaves these tests failed and their second try ends with ``second``."""
    cache = folder / ".pytest_cache/v/cache"
    lines = "\n".join(f'  "{name}": true,' for name in failed)
    programs = {
        "bin/make": f"mkdir -p {cache}\ncat > {cache}/lastfailed <<END\n{{\n{lines}\n}}\nEND\nexit 2" if failed else "exit 0",
        ".venv/bin/python": f'echo "again: $*"\nexit {second}',
        **{f"bin/{name}": "exit 0" for name in NEEDED},
    }
    for name, text in programs.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", folder / ".ci/run")
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run([folder / ".ci/run"], env=environment, capture_output=True, text=True, timeout=60)


def test_no_failure_needs_no_second_try(tmp_path: Path) -> None:
    ran = outcome(tmp_path, [])
    assert ran.returncode == 0
    assert "again" not in ran.stdout


def test_what_passes_alone_is_named(tmp_path: Path) -> None:
    ran = outcome(tmp_path, ["tests/jobs/test_a.py::test_b[sqlite]"])
    assert ran.returncode == 0
    assert "again: -m pytest --last-failed" in ran.stdout
    assert "tests/jobs/test_a.py::test_b[sqlite]" in ran.stdout.splitlines()[-1]


def test_what_fails_again_fails(tmp_path: Path) -> None:
    assert outcome(tmp_path, ["tests/jobs/test_a.py::test_b"], second=1).returncode == 1


@pytest.mark.parametrize("number", [4, 40])
def test_many_failures_are_no_accident(tmp_path: Path, number: int) -> None:
    ran = outcome(tmp_path, [f"tests/test_a.py::test_{at}" for at in range(number)])
    assert ran.returncode == 1
    assert "again" not in ran.stdout
