"""``flask doctor``: a sound installation is called so, and each thing that is wrong is named with what fixes it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import flask_migrate
import pytest
from redis import Redis
from rq.cron_scheduler_registry import get_registry_key
from sqlalchemy import text

import jobs
from extensions import db as database
from jobs import doctor as queue_doctor
from jobs import metrics as queue_metrics
from local_run.queue import server_program
from models import Flow, SyncRun, captured
from models.types import utcnow
from services.common import installation
from services.listings import views as listing_views
from services.operations import backup, doctor
from services.security import vault
from tests.support.checkout import free_port
from tests.support.processes import wait_until
from tests.support.rows import make_integration, make_listing
from tests.support.signed_in import user_called
from tests.support.valkey import answers
from tests.support.workers import processes_environment

SOUND = {"public_url": "https://cartlink.example", "behind_https": True, "trusted_proxies": 1, "secret_key": "s" * 32}


def look(app, look_at, **changes) -> dict[str, tuple[str, str]]:
    """What a look finds under changed settings: level and words by name, the worst where there are several."""
    before = app.config["CARTLINK"]
    app.config["CARTLINK"] = replace(before, **changes)
    try:
        found: dict[str, tuple[str, str]] = {}
        for each in look_at():
            if found.get(each.name, ("ok", ""))[0] == "ok" or each.level == "bad":
                found[each.name] = (each.level, f"{each.sentence} {each.advice}")
        return found
    finally:
        app.config["CARTLINK"] = before


@pytest.mark.parametrize(
    ("changes", "name", "level", "said"),
    [
        ({}, "https", "ok", "by https to cartlink.example"),
        ({"trusted_proxies": 0}, "https", "bad", "TRUSTED_PROXIES"),
        ({"public_url": "http://cartlink.example"}, "https", "bad", "https://"),
        ({"behind_https": False, "public_url": "http://cartlink.example"}, "https", "bad", "in the clear"),
        ({"behind_https": False, "public_url": "http://127.0.0.1:8000"}, "https", "ok", "this machine alone"),
        ({"behind_https": False, "public_url": ""}, "https", "warn", "PUBLIC_URL"),
        ({"secret_key": "short"}, "settings", "bad", "SECRET_KEY"),
        ({"allow_private_endpoints": ("all",)}, "end points", "warn", "ALLOW_PRIVATE_ENDPOINTS"),
        ({"allow_private_endpoints": ("10.0.0.1",)}, "end points", "ok", "10.0.0.1"),
    ],
)
def test_settings(app, changes, name, level, said):
    found = look(app, doctor.look_at_settings, **{**SOUND, **changes})[name]
    assert found[0] == level
    assert said in found[1]


def test_files_that_others_could_read_and_a_disk_that_is_full(app, tmp_path, monkeypatch):
    place = tmp_path / "place"
    ring = place / "keyring"
    assert look(app, doctor.look_at_files, instance=place)["instance"][0] == "warn"
    place.mkdir(mode=0o700)
    ring.touch(mode=0o600)
    changes = {"instance": place, "secret_keys_file": str(ring)}
    assert look(app, doctor.look_at_files, **changes)["files"][0] == "ok"
    ring.chmod(0o640)
    assert f"chmod 600 {ring}" in look(app, doctor.look_at_files, **changes)["files"][1]
    ring.chmod(0o600)
    place.chmod(0o755)
    assert look(app, doctor.look_at_files, **changes)["files"][0] == "bad"
    usage = shutil.disk_usage(place)
    for free, level in ((1000, "bad"), (2**30, "warn"), (usage.total // 2, "ok")):
        monkeypatch.setattr(
            shutil, "disk_usage", lambda folder, free=free: usage._replace(total=2**40, free=free if free < 2**31 else 2**39)
        )
        assert look(app, doctor.look_at_files, **changes)["disk"][0] == level


@pytest.mark.both_databases
def test_a_sound_database_and_what_may_be_wrong_with_it(app, database_kind, tmp_path):
    user_id = user_called("ann", "owner")
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE \"user\" SET password_hash = 'x' WHERE id = :id"), {"id": user_id})
    if database_kind == "sqlite":
        backup.create(tmp_path / "backup")
    integration = make_integration(endpoint="https://shop.example", orders_due_at=None, stock_due_at=None, listings_due_at=None)
    found = look(app, doctor.look_at_database)
    # The embedded server of the tests does without syncing to disk, and the doctor sees it.
    assert {name for name, (level, _) in found.items() if level != "ok"} == (
        {"database"} if database_kind == "postgresql" else set()
    )
    now = utcnow()
    with database.engine.begin() as connection:
        connection.execute(
            text("UPDATE integration SET endpoint = 'http://shop.example'"),
        )
        connection.execute(Flow.__table__.update().where(Flow.kind == "orders").values(due_at=now - timedelta(hours=2)))
        connection.execute(text("UPDATE \"user\" SET password_hash = ''"))
    for state, lease, level in (("queued", None, "warn"), ("running", now - timedelta(hours=1), "bad")):
        database.session.rollback()
        with database.engine.begin() as connection:
            connection.execute(SyncRun.__table__.delete())
            connection.execute(
                SyncRun.__table__.insert().values(
                    integration_id=integration.id,
                    kind="stock",
                    state=state,
                    actor="x",
                    lease_until=lease,
                    created_at=now - timedelta(hours=1),
                )
            )
        assert look(app, doctor.look_at_database)["runs"][0] == level
    found = look(app, doctor.look_at_database)
    assert found["due"][0] == "bad"
    assert "orders" in found["due"][1]
    assert (found["users"][0], found["shops"][0]) == ("warn", "warn")


def test_a_backup_that_is_missing_or_old(app):
    assert look(app, doctor.look_at_database)["backup"][0] == "warn"
    installation.change_setting(backup.BACKED_UP_AT, (utcnow() - timedelta(days=9)).isoformat(), "test")
    assert "9 days ago" in look(app, doctor.look_at_database)["backup"][1]
    installation.change_setting(backup.BACKED_UP_AT, utcnow().isoformat(), "test")
    assert look(app, doctor.look_at_database)["backup"][0] == "ok"


def test_a_keyring_that_does_not_belong_here_an_old_schema_and_no_database(app, tmp_path, monkeypatch):
    make_integration()
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE integration SET key_encrypted = 'nonsense'"))
    assert look(app, doctor.look_at_database)["keyring"][0] == "bad"
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0200'"))
    found = look(app, doctor.look_at_database)
    assert found["schema"][0] == "bad"
    assert "db upgrade" in found["schema"][1]
    assert "keyring" not in found
    database.session.remove()
    database.engine.dispose()
    path = Path(app.config["CARTLINK"].database_url.removeprefix("sqlite:///"))
    path.unlink()
    path.mkdir()
    assert look(app, doctor.look_at_database)["database"][0] == "bad"


@pytest.mark.parametrize(("seconds", "level"), [(0, "ok"), (5, "warn"), (-5, "warn"), (90, "bad"), (-90, "bad")])
def test_clocks_that_differ(seconds, level):
    assert doctor.skew_finding("queue", timedelta(seconds=seconds)).level == level


def test_a_queue_with_nobody_at_work_and_then_with_everybody(app, redis_url, worker, scheduler):
    found = look(app, queue_doctor.look_at_queue)
    assert (found["queue"][0], found["queue's file"][0], found["queue's memory"][0], found["clock"][0]) == ("ok",) * 4
    assert found["workers"][0] == found["scheduler"][0] == "bad"
    assert "python worker.py" in found["workers"][1]
    all_of_it = worker(*jobs.QUEUES)
    wait_until(
        lambda: "no separate worker" in look(app, queue_doctor.look_at_queue)["workers"][1], 20, "the worker's registration"
    )
    worker("ticks")
    scheduler(TICK_SECONDS="1")
    wait_until(lambda: look(app, queue_doctor.look_at_queue)["scheduler"][0] == "ok", 20, "a tick")
    wait_until(lambda: {level for level, _ in look(app, queue_doctor.look_at_queue).values()} == {"ok"}, 60, "nothing to find")
    all_of_it.kill()
    with Redis.from_url(redis_url) as queue:
        for each in queue_metrics.read_queue().workers:
            queue.hset(f"rq:worker:{each.name}", "last_heartbeat", "2026-01-01T00:00:00.000000Z")
    assert "silent" in look(app, queue_doctor.look_at_queue)["workers"][1]


def test_a_scheduler_whose_ticks_nobody_does(app, redis_url):
    with Redis.from_url(redis_url) as queue:
        queue.zadd(get_registry_key(), {"one": utcnow().timestamp()})
    assert "There has been no tick" in look(app, queue_doctor.look_at_queue)["scheduler"][1]


def test_a_queue_that_is_away(app, tmp_path, monkeypatch):
    away = Redis(unix_socket_path=f"{tmp_path}/no.sock")
    monkeypatch.setitem(app.extensions, "cartlink.redis", away)
    found = look(app, queue_doctor.look_at_queue)
    assert list(found) == ["queue"]
    assert "check REDIS_URL" in found["queue"][1]


def test_a_queue_that_throws_jobs_away_and_keeps_no_file(app, processes, tmp_path, monkeypatch):
    port = free_port()
    processes.start(
        [str(server_program()), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--maxmemory", "50mb",
         "--maxmemory-policy", "allkeys-lru", "--dir", str(tmp_path)], env=dict(os.environ)
    )  # fmt: skip
    url = f"redis://127.0.0.1:{port}"
    wait_until(lambda: answers(url), 20, "the server")
    monkeypatch.setitem(app.extensions, "cartlink.redis", Redis.from_url(url))
    found = look(app, queue_doctor.look_at_queue)
    assert (found["queue's memory"][0], found["queue's file"][0]) == ("bad", "warn")
    assert "noeviction" in found["queue's memory"][1]
    assert "appendonly yes" in found["queue's file"][1]


def test_jobs_that_ended_badly_or_pile_up(app, monkeypatch):
    queue = jobs.queue("sync")
    job = queue.enqueue("jobs.orders.run", kwargs={"run_id": 1}, job_id="bad")
    queue.failed_job_registry.add(job, ttl=60)
    assert look(app, queue_doctor.look_at_queue)["jobs"][0] == "warn"
    queue.failed_job_registry.remove(job)
    assert look(app, queue_doctor.look_at_queue)["jobs"][0] == "ok"
    monkeypatch.setattr(queue_doctor, "DEEP", 0)
    assert "Start more workers" in look(app, queue_doctor.look_at_queue)["jobs"][1]


def test_a_mail_server_that_is_not_there(app):
    assert look(app, doctor.look_at_mail)["mail"][0] == "warn"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        changes = {
            "smtp_host": "127.0.0.1",
            "smtp_port": nobody.getsockname()[1],
            "smtp_security": "NONE",
            "smtp_from": "a@b.example",
        }
        found = look(app, doctor.look_at_mail, **changes)["mail"]
    assert found[0] == "bad"
    assert "SMTP_HOST" in found[1]


def test_the_command_says_line_by_line_and_ends_with_1_where_something_is_bad(app, commands):
    result = commands.call("doctor")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert all(line.split()[0] in ("ok", "warn", "bad") for line in lines[:-1])
    assert lines[-1].endswith("bad.")
    assert "bad   scheduler: No scheduler is running, so no run starts automatically. Start one: python worker.py cron" in lines
    rows = [json.loads(line) for line in commands.call("doctor", "--json").stdout.splitlines()]
    assert {"level", "name", "sentence", "advice"} == set(rows[0])
    for secret in (app.config["CARTLINK"].secret_key, *vault.keyring().keys):
        assert secret not in result.output


class TestADamagedFile:
    """Bytes overwritten in the middle of the database, as a failing disk or a copy while it was written leaves them."""

    @pytest.fixture
    def damaged(self, app, config) -> Path:
        path = Path(config.database_url.removeprefix("sqlite:///"))
        database.session.remove()
        database.engine.dispose()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'user_session'").fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
        with path.open("r+b") as file:
            file.seek((root - 1) * size)
            file.write(b"\xff" * size)
        return path

    def test_doctor_finds_it(self, app, damaged):
        found = [each for each in doctor.look_at_database() if each.name == "damage"]
        assert [each.level for each in found] == ["bad"]
        assert "backup restore" in found[0].advice

    def test_a_page_says_so(self, app, client, damaged):
        app.config["PROPAGATE_EXCEPTIONS"] = False
        answer = client.get("/orders")
        assert answer.status_code == 503
        assert "damaged" in answer.text and "backup restore" in answer.text

    def test_make_run_names_the_way_back(self, app, environment, damaged, processes):
        started = processes.start([sys.executable, "-m", "local_run.migrate"], env=processes_environment(environment))
        assert started.exit_code() == 1
        assert "backup restore" in started.output()
        assert "Traceback" not in started.output()


@pytest.mark.both_databases
@pytest.mark.parametrize("lost", ["TRIGGER parts_listing_added", "TRIGGER parts_stock_item_changed", "TABLE listing_parts"])
def test_an_index_of_parts_that_was_lost_is_named_and_made_again(app, lost):
    make_listing(make_integration(), "CUP-BLUE", 1)
    with database.engine.begin() as connection:
        of_table = lost.replace("TRIGGER parts_", " ON ").rpartition("_")[0]
        connection.exec_driver_sql(
            f"DROP {lost}{of_table if connection.dialect.name == 'postgresql' and 'TRIGGER' in lost else ''}"
        )
        if lost.endswith("added"):
            connection.exec_driver_sql("UPDATE listing SET searched = 'tea-red\n'")
    sentence = "The index that stock items and listings are searched by is missing or changed. Run `flask db upgrade`."
    assert look(app, doctor.look_at_database)["search"] == ("bad", sentence)
    database.session.remove()
    database.engine.dispose()
    flask_migrate.upgrade()
    assert look(app, doctor.look_at_database)["search"][0] == "ok"
    found = listing_views.list_page(listing_views.Wanted(search="a-red" if lost.endswith("added") else "p-blu"))
    assert [row.sku for row in found.rows] == ["CUP-BLUE"]


@pytest.mark.both_databases
@pytest.mark.parametrize("how", ["dropped", "changed"])
def test_triggers_that_capture_no_changes_are_named_and_put_back(app, how):
    with database.engine.begin() as connection:
        name, (table, _) = next(iter(captured.present(connection).items()))
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
            if how == "changed":
                connection.exec_driver_sql(f'CREATE TRIGGER {name} AFTER INSERT ON "{table}" BEGIN SELECT 1; END')
        elif how == "dropped":
            connection.exec_driver_sql(f'DROP TRIGGER {name} ON "{table}"')
        else:
            connection.exec_driver_sql(f'ALTER TABLE "{table}" DISABLE TRIGGER {name}')
    assert look(app, doctor.look_at_database)["events"] == (
        "bad", f"Triggers that capture changes for events are missing or changed: {name}. Run `flask db upgrade`.",
    )  # fmt: skip
    database.session.remove()
    database.engine.dispose()
    flask_migrate.upgrade()
    assert look(app, doctor.look_at_database)["events"][0] == "ok"
