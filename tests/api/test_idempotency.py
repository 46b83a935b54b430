"""A request that acts does so once, however often and however fast it is sent."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from api import idempotency, operations
from extensions import db, writing
from models import IdempotencyKey, StockEntry, StockItem
from models.types import utcnow
from services.operations import retention
from services.stock import adjustments
from tests.api.conftest import Program, problem, program
from tests.support.rows import make_item

pytestmark = pytest.mark.both_databases
BODY = {"delta": 1, "reason": "found"}


@pytest.fixture
def path(app: Flask) -> str:
    return f"/stock-items/{make_item('A', 5).id}/adjustments"


def send(erp: Program, path: str, key: str = "k1", body: Any = BODY) -> Any:
    return erp.post(path, body, headers={"Idempotency-Key": key})


def on_hand() -> int:
    db.session.rollback()
    return db.session.scalar(select(StockItem.on_hand))


def keys() -> int:
    return db.session.scalar(select(func.count()).select_from(IdempotencyKey))


def test_the_same_request_again_gets_the_same_answer_and_does_nothing(erp, path):
    first, again = send(erp, path), send(erp, path)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.data == first.data
    assert "Idempotency-Replayed" not in first.headers and again.headers["Idempotency-Replayed"] == "true"
    assert on_hand() == 6 and keys() == 1
    assert send(erp, path, "k2").json["on_hand"] == 7


def test_another_body_under_the_same_key_is_refused(erp, path):
    send(erp, path)
    problem(send(erp, path, body={**BODY, "delta": 2}), 422, "idempotency_key_reused")
    assert on_hand() == 6


def test_keys_belong_to_a_token(app, erp, path):
    send(erp, path)
    assert "Idempotency-Replayed" not in send(program(app), path).headers
    assert on_hand() == 7


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256])
@pytest.mark.one_database
def test_a_key_is_needed(erp, path, key):
    problem(send(erp, path, key), 400, "idempotency_key_invalid")
    assert on_hand() == 5


@pytest.mark.one_database
def test_a_missing_key_is_said_before_a_wrong_version(erp):
    headers = {"Idempotency-Key": "", "If-Match": "no version"}
    problem(erp.ask("POST", "/orders/1/cancel", headers=headers), 400, "idempotency_key_invalid")


def test_a_refusal_is_kept_as_well(erp, path):
    wrong = {"delta": -9, "reason": "lost"}
    first = send(erp, path, body=wrong)
    problem(first, 422, "invalid_input")
    send(erp, path, "k2", {"delta": 9, "reason": "found"})
    again = send(erp, path, body=wrong)
    assert again.data == first.data and again.headers["Idempotency-Replayed"] == "true"
    assert again.mimetype == "application/problem+json"
    assert on_hand() == 14


def test_a_location_is_answered_again(erp):
    first, again = (send(erp, "/stock-items", body={"sku": "B"}) for _ in range(2))
    assert (again.status_code, again.headers["Location"]) == (201, first.headers["Location"])


@pytest.mark.one_database
def test_a_request_that_is_not_understood_takes_no_key(erp, path):
    problem(send(erp, path, body={"delta": "1"}), 400, "invalid_request")
    assert keys() == 0
    assert send(erp, path).status_code == 200


def test_a_fault_of_ours_leaves_neither_an_effect_nor_a_key(app, erp, path, monkeypatch):
    """As where the process is killed before the commit."""
    app.config["PROPAGATE_EXCEPTIONS"] = False

    answer_of = idempotency._answer_of

    def fails(act):
        answer_of(act)
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(idempotency, "_answer_of", fails)
        assert send(erp, path).status_code == 500
    assert on_hand() == 5 and keys() == 0
    assert send(erp, path).json["on_hand"] == 6


def test_an_answer_that_is_lost_is_given_again(app, erp, path, monkeypatch):
    """As where the process is killed after the commit: one effect is left."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with monkeypatch.context() as patched:
        patched.setattr(operations, "respond", lambda reply: 1 / 0)
        assert send(erp, path).status_code == 500
    again = send(erp, path)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert on_hand() == 6


def test_a_key_is_kept_for_seven_days(erp, path):
    send(erp, path)
    with writing() as session:
        session.execute(update(IdempotencyKey).values(created_at=utcnow() - timedelta(days=7, seconds=1)))
    assert "Idempotency-Replayed" not in send(erp, path).headers
    assert on_hand() == 7 and keys() == 1


class Forgetful(set):
    """What is in progress, as another process knows it: nothing."""

    def add(self, value: Any) -> None:
        """Forget it at once."""


@pytest.mark.parametrize("processes", ["one", "two"])
def test_of_two_at_once_one_acts(app, erp, path, monkeypatch, processes, database_kind):
    """While the first is in progress, the second is refused or waits; sent again, it gets the first one's answer."""
    if processes == "two":
        monkeypatch.setattr(idempotency, "_working", Forgetful())
    inside, go_on = threading.Event(), threading.Event()
    adjust = adjustments.adjust

    def slow(*args: Any) -> None:
        adjust(*args)
        inside.set()
        assert go_on.wait(90)

    monkeypatch.setattr(adjustments, "adjust", slow)
    headers = {"Authorization": f"Bearer {erp.token}", "Idempotency-Key": "k1"}
    erp.get("/token")

    def ask() -> Any:
        return FlaskClient(app, app.response_class).post(f"/api/v1{path}", json=BODY, headers=headers)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask)
        assert inside.wait(90)
        second = pool.submit(ask)
        if processes == "two" and database_kind == "sqlite":
            # SQLite has one writer at a time: the second waits for the first.
            threading.Timer(0.3, go_on.set).start()
            assert second.result(90).headers["Idempotency-Replayed"] == "true"
        else:
            refused = second.result(90)
            assert (refused.status_code, refused.json["code"]) == (409, "idempotency_in_progress")
            assert refused.headers["Retry-After"] == "1"
            go_on.set()
        assert first.result(90).status_code == 200
    assert send(erp, path).headers["Idempotency-Replayed"] == "true"
    assert on_hand() == 6
    assert db.session.scalar(select(func.count()).select_from(StockEntry)) == 1


@pytest.mark.one_database
def test_old_keys_are_forgotten_with_what_else_is_old(erp, path):
    send(erp, path)
    send(erp, path, "k2")
    with writing() as session:
        session.execute(update(IdempotencyKey).where(IdempotencyKey.key == "k1").values(created_at=utcnow() - timedelta(days=8)))
    assert retention.forget_old().keys == 1
    assert keys() == 1
