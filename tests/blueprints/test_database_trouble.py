"""What a page says where the database cannot answer: a sentence and what to do, and no error of Cartlink's."""

from __future__ import annotations

import io
import sqlite3

import psycopg
import pytest
from flask import Flask, Response
from redis import Redis
from redis.exceptions import ResponseError
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

import blueprints
import jobs
from blueprints import downloads
from blueprints.downloads import download
from errors import QueueAway
from extensions import db, reading
from services.common import database_trouble
from tests.support.signed_in import FreshClient

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000000000) SELECT count(*) FROM n"


@pytest.mark.both_databases
def test_a_list_that_takes_too_long(app: Flask, client: FreshClient, monkeypatch: pytest.MonkeyPatch) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr(blueprints, "READ_SECONDS", 0.3)

    @app.get("/endless")
    def endless() -> str:
        return str(db.session.scalar(text(ENDLESS)))

    answer = client.get("/endless")
    assert answer.status_code == 503
    assert "takes too long" in answer.text
    assert "shorter time" in answer.text
    assert "SELECT" not in answer.text
    assert client.get("/orders").status_code == 200


@pytest.mark.both_databases
def test_a_file_may_take_longer_than_a_page(app: Flask, client: FreshClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first statement of a file puts as many rows in order as there are."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr(blueprints, "READ_SECONDS", 0.3)

    def count() -> str:
        with reading():
            return str(db.session.scalar(text(ENDLESS.replace("2000000000", "4000000"))))

    app.add_url_rule("/page", "page", count)
    app.add_url_rule("/file", "file", download(lambda: Response(count())))
    assert client.get("/page").status_code == 503
    assert client.get("/file").text == "4000000"


def test_a_file_that_cannot_be_begun_is_no_download_under_way(
    app: Flask, client: FreshClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database may be away when its time for a statement is set. The next try is not refused because of this one."""
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def away(seconds: float) -> None:
        raise OperationalError("SET", {}, Exception("gone"))

    app.add_url_rule("/file", "file", download(lambda: Response("rows")))
    with monkeypatch.context() as patched:
        patched.setattr(downloads, "extend_reading", away)
        assert client.get("/file").status_code >= 500
    assert client.get("/file").text == "rows"


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        (sqlite3.OperationalError("database or disk is full"), database_trouble.DISK_FULL),
        (psycopg.errors.DiskFull("could not extend file"), database_trouble.DISK_FULL),
        (sqlite3.DatabaseError("database disk image is malformed"), database_trouble.DAMAGED),
        (sqlite3.DatabaseError("file is not a database"), database_trouble.DAMAGED),
        (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), database_trouble.TOO_SLOW),
        (psycopg.errors.AdminShutdown("terminating connection"), "The database does not answer."),
        (sqlite3.OperationalError("unable to open database file"), "The database does not answer."),
        (sqlite3.OperationalError("database is locked"), "The database is busy."),
    ],
)
def test_each_trouble_has_its_sentence(cause: Exception, sentence: str) -> None:
    trouble = database_trouble.named(OperationalError("SELECT 1", {}, cause))
    assert trouble is not None
    assert trouble.message == sentence


def test_what_is_a_fault_of_cartlink_has_none() -> None:
    assert database_trouble.named(OperationalError("SELECT 1", {}, sqlite3.OperationalError("no such table: x"))) is None


def test_a_disk_that_is_full(app: Flask, client: FreshClient) -> None:
    """SQLite gets no page more than it has, which is what a full disk does to it."""
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @event.listens_for(db.engine, "begin")
    def no_more(connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    content = b"sku,quantity\n" + b"A,1\n" * 100_000
    answer = client.post("/stock/files", data={"file": (io.BytesIO(content), "stock.csv")})
    assert answer.status_code == 503
    assert database_trouble.DISK_FULL in answer.text
    assert client.get("/orders").status_code == 200


def test_a_disk_that_takes_no_more_is_not_ready(app: Flask, client: FreshClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_trouble, "disk_is_full", lambda engine: True)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "disk is full" in answer.text


def test_a_queue_that_cannot_keep_what_it_has(app: Flask, client: FreshClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Valkey answers every write, and PING, with MISCONF when its disk is full."""

    def refuse(*args: object, **options: object) -> None:
        raise ResponseError("MISCONF Errors writing to the AOF file: No space left on device")

    monkeypatch.setattr(Redis, "execute_command", refuse)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "The disk of the queue is full" in answer.text
    monkeypatch.setattr(jobs, "queue", refuse)
    with pytest.raises(QueueAway, match="The disk of the queue is full"):
        jobs.enqueue("checks", "x", away="The queue does not answer.")
