"""A client that openapi-python-client makes from the document works: generators take all of it, and a seller's day runs through it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from practice_shop import PracticeShop
from tests.api import sellers_day
from tests.api.conftest import program, the_document
from tests.support.served import Serve
from tests.support.shops import connect, do, products
from tests.support.workers import Start

pytestmark = pytest.mark.deep


def generate(folder: Path) -> str:
    """Make the package ``cartlink_client`` in a folder. What the generator says."""
    document, settings = folder / "openapi.json", folder / "settings.json"
    document.write_text(json.dumps(the_document()), encoding="utf-8")
    settings.write_text(json.dumps({"post_hooks": []}), encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--path", str(document), "--meta", "none",
        "--output-path", str(folder / "cartlink_client"), "--config", str(settings), "--fail-on-warning",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_generator_has_nothing_to_say_about_the_document(tmp_path: Path):
    assert not re.search("warning|unable|skipping", generate(tmp_path), re.IGNORECASE)
    made = {path.stem for path in (tmp_path / "cartlink_client" / "api").glob("*/*.py")} - {"__init__"}
    assert made == {found["operationId"] for methods in the_document()["paths"].values() for found in methods.values()}


@pytest.mark.both_databases
def test_a_sellers_day_runs_through_it(
    shop: PracticeShop, app: Flask, serve: Serve, worker: Start, scheduler: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    generate(tmp_path)
    integration_id = connect(shop)
    do(integration_id, "stock")
    shop.store.place_order(lines=[(products(shop)["CUP"], 2)])
    do(integration_id, "orders")
    address, token = serve().address, program(app).token
    # Ticks come first and fill a worker of a slow machine.
    worker("ticks")
    worker("messages", "checks", "files", "sync")
    scheduler(TICK_SECONDS="3")
    environment = {**os.environ, "CARTLINK_URL": address, "CARTLINK_TOKEN": token, "NO_PROXY": "*", "SELLERS_DAY_SECONDS": "600"}
    command = [sys.executable, "-m", sellers_day.__name__, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "came by webhook" in done.stdout
    assert len(shop.store.tracking(1)) == 2
