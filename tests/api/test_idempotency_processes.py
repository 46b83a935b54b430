"""``Idempotency-Key`` with real page servers: two of them at once, and one that is killed between effect and answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import func, select

from extensions import db
from models import IdempotencyKey, StockEntry, StockItem
from tests.api.conftest import program
from tests.api.killed import BEFORE_ANSWER, BEFORE_COMMIT
from tests.support.processes import wait_until
from tests.support.rows import make_item
from tests.support.served import Serve

pytestmark = [pytest.mark.both_databases, pytest.mark.sampled(1)]
Send = Callable[..., requests.Response]


def stored() -> tuple[int, int, int]:
    """What is on hand, entries of the ledger, and keys."""
    db.session.rollback()
    counts = [db.session.scalar(select(func.count()).select_from(table)) for table in (StockEntry, IdempotencyKey)]
    return db.session.scalar(select(StockItem.on_hand)), *counts


def answered(send: Send, key: str) -> requests.Response:
    """Send as a program does that gets no answer, or 409 while the first request is in progress: again, with the same key."""

    def again() -> requests.Response | None:
        try:
            answer = send(key)
        except requests.RequestException:
            return None
        return answer if answer.status_code == 200 else None

    return wait_until(again, 60, "an answer")


def test_one_key_has_one_effect_whatever_happens_to_the_page_server(app: Flask, serve: Serve):
    served = serve(application="tests.api.killed:create_app()", WEB_CONCURRENCY="2")
    address = f"{served.address}/api/v1/stock-items/{make_item('A', 5).id}/adjustments"
    token = program(app).token

    def send(key: str, **headers: str) -> requests.Response:
        sent = {"Authorization": f"Bearer {token}", "Idempotency-Key": key, **headers}
        with requests.Session() as session:
            session.trust_env = False
            return session.post(address, json={"delta": 1, "reason": "found"}, headers=sent, timeout=180)

    assert answered(send, "first").json()["on_hand"] == 6
    assert stored() == (6, 1, 1)

    with pytest.raises(requests.RequestException):
        send("killed-before", **{"X-Kill": BEFORE_COMMIT})
    assert stored() == (6, 1, 1)
    answer = answered(send, "killed-before")
    assert (answer.json()["on_hand"], answer.headers.get("Idempotency-Replayed")) == (7, None)

    with pytest.raises(requests.RequestException):
        send("killed-after", **{"X-Kill": BEFORE_ANSWER})
    assert stored() == (8, 3, 3)
    answer = answered(send, "killed-after")
    assert (answer.json()["on_hand"], answer.headers["Idempotency-Replayed"]) == (8, "true")
    assert stored() == (8, 3, 3)

    barrier = threading.Barrier(4)

    def at_once(_: int) -> Any:
        barrier.wait(60)
        return answered(send, "at-once")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(at_once, range(4)))
    assert {answer.json()["on_hand"] for answer in answers} == {9}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert stored() == (9, 4, 4)
