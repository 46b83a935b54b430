"""What stands in the log: whose run a line is about, and no secret."""

from __future__ import annotations

import json
import logging
import threading
from contextvars import copy_context

import pytest

import logs
from config import load
from jobs import start_run
from models import SyncRun
from practice_shop import PracticeShop
from tests.support.processes import wait_until
from tests.support.shops import connect


def line(formatter: logging.Formatter, message: str, *args: object, exc_info: object = None) -> str:
    return formatter.format(logging.LogRecord("cartlink", logging.WARNING, "file.py", 1, message, args, exc_info))


def test_a_line_says_what_it_is_about_in_threads_as_well():
    form = logs.JsonFormatter()
    with logs.about(run=7, integration=3):
        with logs.about(run=8, job=None):
            assert json.loads(line(form, "inner"))["run"] == 8
        found = json.loads(line(form, "outer %s", "word"))
        assert (found["run"], found["integration"], found["message"], found["level"]) == (7, 3, "outer word", "WARNING")
        assert line(logs.TextFormatter(), "outer").endswith("outer [run=7 integration=3]")
        logged: list[str] = []
        thread = threading.Thread(target=copy_context().run, args=(lambda: logged.append(line(form, "thread")),))
        thread.start()
        thread.join()
        assert json.loads(logged[0])["run"] == 7
    assert "run" not in json.loads(line(form, "after"))


@pytest.mark.parametrize("form", [logs.TextFormatter(), logs.JsonFormatter()])
def test_no_secret_is_logged_whether_known_or_only_looking_like_one(form):
    logs.hide("a-known-api-key", "a-known-api-key-that-is-longer", "")
    try:
        raise RuntimeError("with a-known-api-key inside")
    except RuntimeError as error:
        text = line(
            form, "%s?_key=guess&x=1 a-known-api-key-that-is-longer Bearer abc.def postgresql://ann:pa-ss@host:5432/db %s",
            "http://shop:8081/admin", "gAAAAABnZm9vYmFyYmF6Zm9vYmFyYmF6", exc_info=(RuntimeError, error, error.__traceback__),
        )  # fmt: skip
    for secret in ("guess", "a-known-api-key", "longer", "abc.def", "pa-ss", "gAAAA"):
        assert secret not in text
    assert "http://shop:8081/admin" in text
    assert "RuntimeError" in text
    assert "postgresql://ann:***@host:5432/db" in text


def test_an_exception_is_one_line_of_json():
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        text = line(logs.JsonFormatter(), "went\nwrong", exc_info=(ValueError, error, error.__traceback__))
    assert "\n" not in text
    assert "second" in json.loads(text)["exception"]


def test_the_secrets_of_the_settings_are_known(tmp_path):
    given = {
        "CARTLINK_INSTANCE": str(tmp_path), "SECRET_KEY": "sign-with-this", "SECRET_KEYS": "key-one,key-two",
        "DATABASE_URL": "postgresql://ann:word-of-ann@host/db", "REDIS_URL": "redis://:word-of-queue@host/0",
        "METRICS_TOKEN": "a-token-of-sixteen",
    }  # fmt: skip
    assert set(load(given).secrets()) == {
        "sign-with-this", "key-one", "key-two", "word-of-ann", "word-of-queue", "a-token-of-sixteen",
    }  # fmt: skip


def test_every_line_of_a_job_is_json_with_its_run_and_integration(app, db, worker):
    """A whole download by a real worker: nothing but objects, and each says whose."""
    with PracticeShop(products=5, orders=150, days=5, seed=3) as shop:
        integration_id = connect(shop)
        started = worker("sync", wait=False, LOG_FORMAT="json", LOG_LEVEL="DEBUG")
        run = start_run(integration_id, "orders", "test")
        wait_until(lambda: db.session.rollback() or db.session.get(SyncRun, run.id).state == "finished", 60, "the run")
        started.stop()
        rows = [json.loads(text) for text in started.output().splitlines()]
        horses = {row["process"] for row in rows} - {started.pid}
        of_jobs = [row for row in rows if row["process"] in horses]
        assert of_jobs
        assert [row for row in of_jobs if "job" not in row or "run" not in row or "integration" not in row] == []
        assert {row["integration"] for row in of_jobs} == {integration_id}
        assert any(row.get("run") == run.id and row["process"] == started.pid for row in rows)
        assert shop.key not in started.output()


def test_a_request_has_an_id_in_its_answer_and_on_its_lines(client):
    seen: list[object] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(json.loads(logs.JsonFormatter().format(record)))
    logging.getLogger("cartlink.security").addHandler(handler)
    try:
        answer = client.post(
            "/sign-in", data={"name": "nobody", "password": "wrong"}, headers={"X-Request-Id": "from-a-stranger"}
        )
        again = client.get("/sign-in")
    finally:
        logging.getLogger("cartlink.security").removeHandler(handler)
    assert answer.headers["X-Request-Id"] not in ("", "from-a-stranger", again.headers["X-Request-Id"])
    assert seen
    assert all(row["request"] == answer.headers["X-Request-Id"] for row in seen)


@pytest.mark.config(trusted_proxies=1)
def test_the_id_a_proxy_of_ours_has_given_is_kept_where_it_is_one(client):
    assert client.get("/sign-in", headers={"X-Request-Id": "proxy-123456"}).headers["X-Request-Id"] == "proxy-123456"
    assert client.get("/sign-in", headers={"X-Request-Id": "bad id {}"}).headers["X-Request-Id"] != "bad id {}"
