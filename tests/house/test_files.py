"""The files around the code: they fit the code, and say nothing that is not so."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import jobs
from local_run.parts import ORDER, PATIENCE, read_procfile

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_procfile_has_every_part_and_its_workers_every_queue():
    parts = read_procfile(ROOT / "Procfile")
    assert {"web", "worker", "syncs", "ticks", "scheduler", "release"} == set(parts)
    served = {name: shlex.split(parts[name])[2:] for name in ("worker", "syncs", "ticks")}
    assert served["ticks"] == ["ticks"]
    assert sorted([*served["worker"], *served["ticks"]]) == sorted(jobs.QUEUES)
    # One of the workers takes nothing that people start: a check of a slow shop takes minutes, and a sync would wait for its end.
    assert served["syncs"] == ["sync", "messages"]


def test_the_development_procfile_adds_the_queue_and_the_practice_shop():
    production, development = read_procfile(ROOT / "Procfile"), read_procfile(ROOT / "Procfile.dev")
    assert set(development) == {*production, "queue", "shop"} - {"release"}
    assert set(development) == set(ORDER) == set(PATIENCE)
    for name in ("worker", "syncs", "ticks", "scheduler"):
        assert production[name] == development[name]


def test_every_requirement_is_pinned_with_its_hashes_and_names_no_host():
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text(encoding="utf-8")
        entries = re.split(r"\n(?=[a-z0-9])", text.strip())
        for entry in entries:
            assert re.match(r"[a-z0-9.-]+(\[[a-z,]+\])?==[0-9][^ ]*( ;| \\)", entry), entry.splitlines()[0]
            assert "--hash=sha256:" in entry, entry.splitlines()[0]
        assert "://" not in text


def test_what_is_installed_is_what_is_pinned():
    for name in ("requirements.txt", "requirements-dev.txt"):
        for package, pinned, marker in re.findall(
            r"^([a-z0-9.-]+)==(\S+)( ;)?", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE
        ):
            try:
                assert version(package) == pinned, package
            except PackageNotFoundError:
                assert marker, f"{package} is pinned, and not installed"


def test_make_says_what_there_is():
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    for target in ("run", "test", "check", "bench", "deep", "help"):
        assert re.search(rf"^make {target} +\S", done.stdout, re.MULTILINE), target


@pytest.mark.parametrize(
    ("pythons", "sentence"),
    [
        ({}, "Cartlink needs Python 3.11 or later, and there is none on this machine"),
        ({"python3": "exit 1"}, "Cartlink needs Python 3.11 or later, and there is none on this machine"),
        (
            {"python3.13": 'case "$2" in *ensurepip*) exit 1;; esac'},
            "python3.13 cannot make virtual environments: install its venv",
        ),
    ],
)
def test_without_a_usable_python_there_is_one_clear_sentence(tmp_path, pythons, sentence):
    for name, body in pythons.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "tools" / "make-venv.sh")], cwd=tmp_path, env={"PATH": str(tmp_path)}, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / ".venv").exists()


def test_an_old_python_is_passed_over_for_a_newer_one(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    new = tmp_path / "python3.12"
    # Without pip, which takes three seconds to unpack and has nothing to do with the choice.
    new.write_text(f'#!/bin/sh\n[ "$1" != -m ] || set -- "$@" --without-pip\nexec {sys.executable} "$@"\n')
    for program in (old, new):
        program.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "tools" / "make-venv.sh")], cwd=tmp_path, env={"PATH": f"{tmp_path}:/nowhere"},
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".venv" / "bin" / "python").exists()
