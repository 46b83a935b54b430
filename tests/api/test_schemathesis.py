"""schemathesis, run as anybody would run it, finds nothing on the API that is served: what the document says is so, for good requests and
for bad ones.

tests/api/schemathesis.toml says what it cannot know from the document. `make test` draws a few operations, `make deep` runs all."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from api.operations import OPERATIONS
from tests.api.conftest import program, the_document
from tests.support.processes import ROOT
from tests.support.served import Serve

pytestmark = [pytest.mark.both_databases, pytest.mark.config(requests_per_minute=100_000)]
DRAWN = 4
BOUNDS = {
    "examples": (),
    "coverage": (),
    "fuzzing": ("--max-examples", "30"),
    "stateful": ("--max-examples", "100", "--max-time", "240"),
}
"""What each phase does at most. Examples and coverage end by themselves. Calls that follow on one another are drawn again until the time is up:
one drawing ends early, because what a call answers depends on those before."""


def run(folder: Path, address: str, token: str, *options: str) -> str:
    """Run it with a token, and return what it says. What it found fails the test."""
    document = folder / "openapi.json"
    document.write_text(json.dumps(the_document()), encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("st")), "--config-file", str(ROOT / "tests" / "api" / "schemathesis.toml"), "run",
        str(document), "--url", f"{address}/api/v1", "--header", f"Authorization: Bearer {token}", "--seed", os.environ["SAMPLE_SEED"],
        "--warnings", "off", "--request-timeout", "600", "--suppress-health-check", "all", *options,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    return done.stdout


@pytest.mark.sampled(1)
def test_it_finds_nothing_on_some_resources(app: Flask, serve: Serve, planted: dict[str, Any], tmp_path: Path):
    """All operations of each, so that calls can follow on one another."""
    tags = sorted({made.tag for made in OPERATIONS.values()})
    random.Random(os.environ["SAMPLE_SEED"]).shuffle(tags)
    chosen: list[str] = []
    while sum(made.tag in chosen for made in OPERATIONS.values()) < DRAWN:
        chosen.append(tags.pop())
    only = [part for tag in chosen for part in ("--include-tag", tag)]
    run(tmp_path, serve().address, program(app).token, "--phases", "coverage,fuzzing,stateful", "--max-examples", "5", *only)


@pytest.mark.deep
@pytest.mark.parametrize("phase", BOUNDS)
def test_it_finds_nothing_on_the_whole_document(app: Flask, serve: Serve, planted: dict[str, Any], tmp_path: Path, phase: str):
    said = run(tmp_path, serve().address, program(app).token, "--phases", phase, *BOUNDS[phase])
    assert f"Selected: {len(OPERATIONS)}/{len(OPERATIONS)}" in said
