"""The fixtures themselves: a fresh database each time, a real queue, a real worker, a real browser."""

from __future__ import annotations

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import inspect, text


@pytest.mark.both_databases
def test_each_test_has_a_separate_migrated_database(app, db, database_kind):
    assert db.engine.dialect.name == database_kind
    assert "integration" in inspect(db.engine).get_table_names()
    assert db.session.scalar(text("select count(*) from integration")) == 0


@pytest.mark.config(lease_seconds=2)
def test_settings_can_be_changed_for_a_test(app: Flask, environment):
    assert app.config["CARTLINK"].lease_seconds == 2
    assert environment["LEASE_SECONDS"] == "2"


def test_the_queue_is_real_and_empty(redis_url):
    queue = Redis.from_url(redis_url)
    assert queue.dbsize() == 0
    assert queue.ping()


def test_the_practice_shop_listens(practice):
    assert practice.url.startswith("http://127.0.0.1:")


def test_a_browser_opens_a_page_of_the_application(app, page):
    app.add_url_rule("/who", "who", lambda: "somebody is here")
    page.goto("/who")
    assert "somebody is here" in page.inner_text("body")
