"""What machines ask: alive, ready, metrics. Who may ask, what the answers show, and that it costs little."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from sqlalchemy import event, text

from app import create_app
from config import load
from extensions import writing
from jobs import schedule
from models import Integration, SyncRun
from models.types import utcnow
from services.operations import metrics, schema
from tests.conftest import settings
from tests.support.processes import ROOT
from tests.support.rows import make_integration, make_item, make_order
from tests.support.shops import connect, do


def stranger(app):
    """Somebody without a session."""
    return app.test_client()


def sample(answer, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(answer.text):
        for each in family.samples:
            if each.name == name and labels.items() <= each.labels.items():
                return each.value
    return None


def ended_run(integration: Integration, kind: str = "orders", *, ago: float = 120, **values) -> None:
    with writing() as session:
        end = utcnow() - timedelta(seconds=ago)
        given = {"outcome": "done", "counts": {}, "requests": 1, "started_at": end - timedelta(seconds=2)} | values
        session.add(
            SyncRun(integration_id=integration.id, kind=kind, actor="schedule", state="finished", finished_at=end, **given)
        )


@pytest.fixture
def nothing_there(tmp_path):
    """An application whose database and queue are both away."""
    app = create_app(load(settings(tmp_path, f"sqlite:///{tmp_path}/no/such/folder.sqlite", f"unix://{tmp_path}/no.sock")))
    with app.app_context():
        yield app


def test_health_asks_nobody(nothing_there):
    answer = stranger(nothing_there).get("/healthz")
    assert (answer.status_code, answer.text) == (200, "alive\n")


def test_readiness_names_what_is_away_and_tells_nothing_of_the_inside(nothing_there, tmp_path):
    answer = stranger(nothing_there).get("/readyz")
    assert answer.status_code == 503
    assert answer.text.splitlines() == [
        "database: It does not answer. Start it, or check DATABASE_URL.",
        "queue: It does not answer. Start it, or check REDIS_URL.",
    ]
    assert str(tmp_path) not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_program_is_ready_with_its_own_schema_and_with_no_other(app, db):
    assert stranger(app).get("/readyz").status_code == 200
    for revision, said in (
        ("0200", "It is of an older version"),
        ("9999", "It is of another version"),
        (None, "There are no tables"),
    ):
        with db.engine.begin() as connection:
            connection.execute(text("DELETE FROM alembic_version"))
            if revision:
                connection.execute(text(f"INSERT INTO alembic_version VALUES ('{revision}')"))
        answer = stranger(app).get("/readyz")
        assert answer.status_code == 503
        assert f"schema: {said}" in answer.text
        assert "database: ready" in answer.text
    assert schema.standing_of(schema.head()).place == schema.SAME


@pytest.mark.both_databases
def test_a_queue_that_is_away_is_named(app, environment, tmp_path):
    away = create_app(load({**environment, "REDIS_URL": f"unix://{tmp_path}/no.sock"}))
    answer = stranger(away).get("/readyz")
    assert (answer.status_code, answer.text.splitlines()[-1]) == (503, "queue: It does not answer. Start it, or check REDIS_URL.")
    metrics_without = stranger(away).get("/metrics")
    assert sample(metrics_without, "cartlink_up", part="queue") == 0
    assert sample(metrics_without, "cartlink_up", part="database") == 1


@pytest.mark.both_databases
def test_the_metrics_say_what_runs_did(app, db, shop, monkeypatch):
    monkeypatch.setattr(metrics, "LATE", timedelta(0))
    shop.store.place_order(lines=[(next(iter(shop.store.products)), 2)])
    integration_id = connect(shop)
    for kind in ("listings", "orders", "stock"):
        do(integration_id, kind)
    schedule.tick()
    answer = stranger(app).get("/metrics")
    assert answer.status_code == 200
    assert sample(answer, "cartlink_runs_total", kind="listings", outcome="done") == 1
    assert sample(answer, "cartlink_run_rows_total", kind="orders", what="new") == 1
    assert sample(answer, "cartlink_run_seconds_count", kind="stock") == 1
    assert sample(answer, "cartlink_run_seconds_bucket", kind="stock", le="+Inf") == 1
    requests = sum(run.requests for run in db.session.query(SyncRun))
    assert sample(answer, "cartlink_shop_requests_total", integration=str(integration_id)) == requests > 0
    assert sample(answer, "cartlink_queue_jobs", queue="sync") is not None
    assert sample(answer, "cartlink_last_tick_seconds") < 60
    assert sample(answer, "cartlink_workers", queue="sync") == 0
    assert "Shop" not in answer.text


@pytest.mark.both_databases
def test_each_run_is_counted_once_and_its_sum_outlives_it(app, db):
    integration = make_integration()
    ended_run(integration, requests=3)
    ended_run(integration, "stock", outcome="failed", error_code="timeout")
    ended_run(integration, ago=5)
    assert (metrics.roll_up(), metrics.roll_up()) == (2, 0)
    with writing() as session:
        session.query(SyncRun).filter_by(outcome="failed").delete()
    ended_run(integration, ago=60, requests=4)
    assert metrics.roll_up() == 1
    found = metrics.read_metrics()
    assert found.runs == {("orders", "done"): 2, ("stock", "failed"): 1}
    assert found.errors == {("stock", "timeout"): 1}
    assert found.requests == {str(integration.id): 8}
    assert found.within[("orders", 5)] == 2
    assert found.seconds["orders"] == pytest.approx(4, abs=0.1)


def test_a_long_history_is_caught_up_with_in_batches(app, monkeypatch):
    monkeypatch.setattr(metrics, "BATCH", 2)
    monkeypatch.setattr(metrics, "BATCHES", 2)
    integration = make_integration()
    for _ in range(7):
        # Several ended in the same moment: none is passed over, none counted twice.
        with writing() as session:
            end = utcnow().replace(second=0, microsecond=0) - timedelta(hours=1)
            session.add(
                SyncRun(
                    integration_id=integration.id, kind="orders", actor="x", state="finished", outcome="done", finished_at=end
                )
            )
    assert [metrics.roll_up() for _ in range(3)] == [4, 3, 0]
    assert metrics.read_metrics().runs == {("orders", "done"): 7}


def test_integrations_beyond_the_first_thousand_share_a_figure(app, monkeypatch):
    monkeypatch.setattr(metrics, "MOST_SHOPS", 2)
    made = [make_integration(f"Shop {number}") for number in range(4)]
    for number, integration in enumerate(made):
        ended_run(integration, requests=10 + number)
    metrics.roll_up()
    assert metrics.read_metrics().requests == {str(made[0].id): 10, str(made[1].id): 11, "others": 25}


def test_what_waits_is_a_metric(app):
    integration = make_integration(orders_due_at=utcnow() - timedelta(minutes=5), stock_due_at=None, listings_due_at=None)
    make_order(integration, "1", [(make_item("CUP"), 1)], state="on_hold")
    answer = stranger(app).get("/metrics")
    assert sample(answer, "cartlink_waiting", what="held_orders") == 1
    assert 299 < sample(answer, "cartlink_oldest_due_seconds", kind="orders") < 330
    assert sample(answer, "cartlink_oldest_due_seconds", kind="stock") is None


def test_reading_the_metrics_scans_no_table_that_grows(app, db):
    """Whatever has to be read of tables that grow with time goes through an index."""
    seen: list[tuple[str, object]] = []

    def note(connection, cursor, statement, parameters, context, many):
        seen.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    metrics.read_metrics()
    metrics.roll_up()
    event.remove(db.engine, "before_cursor_execute", note)
    plans = []
    with db.engine.connect() as connection:
        for statement, parameters in seen:
            if statement.startswith("SELECT"):
                plans += [
                    (row[-1], statement) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                ]
    assert plans
    scans = [(plan, statement) for plan, statement in plans if plan.startswith("SCAN") and " USING " not in plan]
    assert scans == []


def test_every_figure_is_explained_and_none_that_is_not_there(app):
    integration = make_integration(orders_due_at=utcnow() - timedelta(minutes=5))
    ended_run(integration, outcome="failed", error_code="timeout", counts={"new": 1})
    schedule.tick()
    shown = {family.name for family in text_string_to_metric_families(stranger(app).get("/metrics").text)}
    documentation = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    named = {name.removesuffix("_total") for name in re.findall(r"`?(cartlink_[a-z_]+)", documentation)}
    assert shown - {"cartlink_info"} == named


TOKEN = "a token of some length"


@pytest.mark.config(metrics_token=TOKEN)
def test_with_a_token_only_who_sends_it_reads_the_metrics(app):
    assert stranger(app).get("/metrics").status_code == 401
    for header in ("Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer ", "Bearer ü"):
        assert stranger(app).get("/metrics", headers={"Authorization": header}).status_code == 401
    good = stranger(app).get(
        "/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, environ_base={"REMOTE_ADDR": "203.0.113.9"}
    )
    assert good.status_code == 200


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("203.0.113.9", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ("127.0.0.1", {"Via": "1.1 proxy"}, 403),
        ("127.0.0.1", {"Host": "[::1]:8000"}, 200),
        ("127.0.0.1", {"Host": "rebound.example:8000"}, 403),
    ],
)
def test_without_a_token_only_this_machine_reads_them(app, address, headers, status):
    answer = stranger(app).get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == status


@pytest.mark.config(behind_https=True)
def test_behind_an_unknown_proxy_nobody_is_taken_for_this_machine(app):
    assert stranger(app).get("/metrics").status_code == 403


@pytest.mark.config(behind_https=True, trusted_proxies=1)
def test_a_proxy_of_ours_tells_strangers_from_this_machine(app):
    assert stranger(app).get("/metrics").status_code == 200
    assert stranger(app).get("/metrics", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 403
    assert stranger(app).get("/metrics", headers={"X-Forwarded-For": "127.0.0.1, 203.0.113.9"}).status_code == 403


def test_machines_are_not_counted_as_people(app, redis_url):
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = stranger(app).get(path)
        assert "Set-Cookie" not in answer.headers
    with Redis.from_url(redis_url) as queue:
        assert not [key for key in queue.scan_iter() if b"reading" in key]
