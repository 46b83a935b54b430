"""The blocks of docs/api.md lead to a shipped order, as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import textwrap
import time

import pytest
from flask import Flask
from sqlalchemy import select

from extensions import db
from models import Order, Shipment, SyncRun
from practice_shop import PracticeShop
from services.accounts import tokens
from services.events import deliveries, endpoints, replays, sequencer
from services.sync import execution
from tests.support.processes import ROOT, wait_until
from tests.support.rows import make_item
from tests.support.shops import connect, do, products
from tests.support.signed_in import user_called

TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    return textwrap.dedent(re.search(rf"^ *```{language}\n(.*?)^ *```", TEXT, re.MULTILINE | re.DOTALL)[1])


def scopes() -> list[str]:
    return re.findall(r"--scope ([a-z:-]+)", TEXT.partition("## Your first shipped order")[2].partition("## Requests")[0])


@pytest.fixture
def environment_of_blocks(app: Flask, serve) -> dict[str, str]:
    token = tokens.create_token(user_called("ann"), "First try", scopes(), "test").token
    return {**os.environ, "CARTLINK_URL": serve().address, "CARTLINK_TOKEN": token, "NO_PROXY": "*"}


def test_the_blocks_ship_an_order(shop: PracticeShop, app: Flask, environment_of_blocks: dict[str, str]):
    shop.store.place_order(lines=[(products(shop)["CUP"], 1)])
    integration_id = connect(shop)
    for kind in ("stock", "orders"):
        do(integration_id, kind)
    if shutil.which("curl"):
        looked = subprocess.run(
            ["bash", "-ec", block("bash")], env=environment_of_blocks, capture_output=True, text=True, timeout=180
        )
        assert looked.returncode == 0, looked.stdout + looked.stderr
        assert '"state":"ready"' in looked.stdout
    command = [sys.executable, "-c", block("python")]
    with subprocess.Popen(
        command, env=environment_of_blocks, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as script:
        do_next_shipments()
        said, _ = script.communicate(timeout=180)
    assert script.returncode == 0, said
    assert "is shipped with JJD000390007882823" in said and "the shop's update is done" in said
    db.session.rollback()
    assert db.session.scalar(select(Order.state)) == "shipped"
    assert db.session.scalar(select(Shipment.actor)) == "api:First try"


def do_next_shipments() -> None:
    """What a worker does: wait for the run that shipping has started, and do it."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        db.session.rollback()
        run_id = db.session.scalar(select(SyncRun.id).where(SyncRun.kind == "shipments", SyncRun.state == "queued"))
        db.session.rollback()
        if run_id is not None:
            execution.perform(run_id)
            return
        time.sleep(0.2)
    raise AssertionError("shipping has started no run")


def test_the_receiver_of_events_prints_what_arrives(app: Flask):
    made = re.search(r"^### Events by webhook\n.*?^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    endpoint = endpoints.create_endpoint(
        "Receiver", endpoints.check_address(f"http://127.0.0.1:{port}/"), ["stock_item.created"], "user:ann"
    )
    environment = {**os.environ, "WEBHOOK_SECRET": endpoint.secret, "WEBHOOK_PORT": str(port)}
    command = [sys.executable, "-c", made[1]]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as script:
        try:
            wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 60)
            make_item("LAMP", 3)
            sequencer.give_positions()
            assert deliveries.work(endpoint.endpoint_id, 5) == 1
            assert replays.last_deliveries(endpoint.endpoint_id)[0].state == "done"
            assert script.stdout.readline().startswith("stock_item.created 1 ")
        finally:
            script.kill()
