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
DRAWN = 8


def run(folder: Path, address: str, token: str, *options: str) -> None:
    """Run it with a token. What it found fails the test."""
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


@pytest.mark.sampled(1)
def test_it_finds_nothing_on_some_operations(app: Flask, serve: Serve, planted: dict[str, Any], tmp_path: Path):
    drawn = random.Random(os.environ["SAMPLE_SEED"]).sample(sorted(OPERATIONS), DRAWN)
    chosen = [part for name in drawn for part in ("--include-operation-id", name)]
    run(tmp_path, serve().address, program(app).token, "--phases", "coverage,fuzzing", "--max-examples", "5", *chosen)


@pytest.mark.deep
def test_it_finds_nothing_on_the_whole_document(app: Flask, serve: Serve, planted: dict[str, Any], tmp_path: Path):
    run(tmp_path, serve().address, program(app).token, "--max-examples", "30")
