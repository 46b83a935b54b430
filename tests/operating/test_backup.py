"""Backup and restore: taken while everything is written, brought back elsewhere, and refused wherever it would do harm."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import tarfile
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

import jobs
from app import create_app
from config import load
from errors import Conflict, InvalidInput
from extensions import db as database
from jobs import schedule
from models import Integration, Order, SyncRun
from models.types import utcnow
from services.operations import backup
from services.security import keyring, vault
from services.sync import execution
from tests.cli.conftest import FLASK
from tests.conftest import settings
from tests.support import forked
from tests.support.processes import wait_until
from tests.support.rows import make_integration, make_order
from tests.support.shops import connect
from tests.support.workers import processes_environment


@pytest.fixture
def ring(tmp_path) -> Path:
    path = tmp_path / "keyring"
    path.write_text(f"{Fernet.generate_key().decode()}\n")
    return path


@pytest.fixture
def environment(environment, ring):
    """An installation whose keyring is a file."""
    given = {name: value for name, value in environment.items() if name != "SECRET_KEYS"}
    return {**given, "SECRET_KEYS_FILE": str(ring)}


def elsewhere(tmp_path: Path, redis_url: str, name: str = "elsewhere") -> dict[str, str]:
    """The settings of a new machine: nothing is there yet, not even a keyring."""
    place = tmp_path / name
    place.mkdir()
    given = settings(place, f"sqlite:///{place}/cartlink.sqlite", redis_url)
    del given["SECRET_KEYS"]
    return {**given, "SECRET_KEYS_FILE": str(place / "keyring")}


def flask(*args: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = forked.run([*FLASK, *args], processes_environment(environment))
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_backup_made_under_load_is_one_moment_and_goes_on_elsewhere(app, shop, tmp_path, redis_url):
    """Orders are written while it is made. On another machine, with an empty queue, keys are readable and schedules go on."""
    integration_id = connect(shop)
    integration = database.session.get(Integration, integration_id)
    database.session.rollback()
    stop, written = threading.Event(), []

    def write() -> None:
        with app.app_context():
            here = database.session.get(Integration, integration_id)
            for number in range(2000):
                if stop.is_set():
                    return
                make_order(here, str(number), [("SKU", 1)] * 3)
                written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: len(written) > 20, 20, "the first orders")
    archive = tmp_path / "backup.tar.gz"
    before = len(written)
    manifest = backup.create(archive)
    stop.set()
    writer.join(20)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert before <= manifest.counts["order"] <= len(written)
    assert integration.key_last4
    assert not list(tmp_path.glob(".cartlink-backup-*"))

    new = elsewhere(tmp_path, redis_url)
    done = flask("backup", "restore", str(archive), environment=new)
    assert done.returncode == 0, done.stderr
    assert "Restored what was backed up" in done.stdout
    assert stat.S_IMODE(Path(new["SECRET_KEYS_FILE"]).stat().st_mode) == 0o600
    other = create_app(replace(load(new), testing=True))
    with other.app_context():
        orders, lines = (database.session.scalar(text(f'SELECT count(*) FROM "{name}"')) for name in ("order", "order_line"))
        assert (orders, lines) == (manifest.counts["order"], 3 * manifest.counts["order"])
        assert keyring.check_all() >= 1
        assert vault.decrypt(database.session.get(Integration, integration_id).key_encrypted) == shop.key
        schedule.tick()
        due = database.session.query(SyncRun).filter_by(state="queued", kind="orders").one()
        assert jobs.queue("sync").count >= 1
        assert execution.perform(due.id).outcome == "done"
        database.session.remove()
        database.engine.dispose()


def test_what_is_replaced_is_kept_beside_it(app, environment, ring, tmp_path):
    make_integration(key="the key of before")
    archive = tmp_path / "backup.tar.gz"
    backup.create(archive)
    with pytest.raises(InvalidInput, match="is there already"):
        backup.create(archive)
    old_ring = ring.read_text()
    keyring.rotate()
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE integration SET name = 'changed since'"))
    restored = backup.restore(archive, [])
    names = sorted(path.name.split(".replaced-")[0] for path in restored.aside)
    assert names == ["cartlink.sqlite", "keyring"]
    assert ring.read_text() == old_ring
    with app.app_context():
        assert database.session.scalar(text("SELECT name FROM integration")) == "Shop"
        assert keyring.check_all() == 1
    kept = next(path for path in restored.aside if path.name.startswith("cartlink.sqlite"))
    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT name FROM integration").fetchone() == ("changed since",)


def test_it_refuses_while_something_runs(app, commands, worker, tmp_path):
    archive = tmp_path / "backup.tar.gz"
    commands.done("backup", "create", str(archive))
    started = worker("sync")
    assert commands.refused("backup", "restore", str(archive)).startswith("Cartlink is running (worker ")
    assert started.stop() == 0
    # A process that has the database open is noticed, also where the queue knows nothing of it.
    path = app.config["CARTLINK"].database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT count(*) FROM integration").fetchone()
        assert "The database is in use. Stop every part" in commands.refused("backup", "restore", str(archive))
    assert "Restored" in commands.done("backup", "restore", str(archive))


def rewritten(archive: Path, target: Path, **members: bytes) -> Path:
    """The archive with other contents in some of its members, and the manifest's sums as they were."""
    with tarfile.open(archive) as tar, tarfile.open(target, "w:gz") as new:
        for member in tar:
            content = tar.extractfile(member).read()
            content = members.get(member.name.replace(".", "_"), content)
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return target


def test_damaged_foreign_and_newer_archives_change_nothing(app, tmp_path):
    make_integration()
    archive = tmp_path / "backup.tar.gz"
    backup.create(archive)
    cut = tmp_path / "cut"
    cut.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    noise = tmp_path / "noise"
    noise.write_bytes(os.urandom(5000))
    other_key = Fernet.generate_key() + b"\n"
    with tarfile.open(archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))
    cases = [
        (tmp_path / "nowhere", InvalidInput, "There is no file"),
        (noise, InvalidInput, "is no backup"),
        (cut, InvalidInput, "is no backup"),
        (rewritten(archive, tmp_path / "a", keyring=other_key), InvalidInput, "sums do not agree"),
        (rewritten(archive, tmp_path / "b", manifest_json=b"{}"), InvalidInput, "is no backup"),
        (
            rewritten(archive, tmp_path / "c", manifest_json=json.dumps({**manifest, "format": 9}).encode()),
            Conflict,
            "by Cartlink",
        ),
    ]
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    backup.create(tmp_path / "newer")
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0200'"))
    backup.create(tmp_path / "older")
    cases.append((tmp_path / "newer", Conflict, "does not know"))
    for path, error, said in cases:
        with pytest.raises(error, match=said):
            backup.restore(path, [])
        assert not list(tmp_path.glob("*.replaced-*"))
    assert backup.restore(tmp_path / "older", []).upgrade


def test_a_database_without_the_keyring_that_opens_it_is_not_backed_up_as_if_it_were_whole(app, ring, tmp_path):
    make_integration()
    ring.write_text(f"{Fernet.generate_key().decode()}\n")
    with pytest.raises(Conflict, match="keyring does not open"):
        backup.create(tmp_path / "backup.tar.gz")
    assert not (tmp_path / "backup.tar.gz").exists()


def test_a_wrecked_database_and_a_wrong_keyring_are_no_hindrance(app, environment, ring, tmp_path):
    make_integration()
    archive = tmp_path / "backup.tar.gz"
    backup.create(archive)
    database.session.remove()
    database.engine.dispose()
    path = Path(environment["DATABASE_URL"].removeprefix("sqlite:///"))
    shutil.copy(path, tmp_path / "good.sqlite")
    ring.write_text("this is no key\n")
    path.write_bytes(b"this is no database" * 1000)
    done = flask("backup", "restore", str(archive), environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    check = flask("keys", "check", environment=environment)
    assert "All 1 stored secrets can be read" in check.stdout


def test_keys_from_the_environment_have_to_open_what_is_restored(app, tmp_path, redis_url, environment):
    make_integration()
    archive = tmp_path / "backup.tar.gz"
    backup.create(archive)
    new = elsewhere(tmp_path, redis_url)
    del new["SECRET_KEYS_FILE"]
    done = flask("backup", "restore", str(archive), environment={**new, "SECRET_KEYS": Fernet.generate_key().decode()})
    assert done.returncode == 1
    assert "SECRET_KEYS does not open what is encrypted in this backup." in done.stderr


@pytest.mark.both_databases
def test_the_day_of_the_last_backup_is_known(app, database_kind, tmp_path, commands):
    if database_kind == "postgresql":
        said = commands.refused("backup", "create", str(tmp_path / "file"))
        assert "pg_dump --format=custom" in said
        assert "keyring" in said
        return
    commands.done("backup", "create", str(tmp_path / "file"))
    assert (utcnow() - backup.backed_up_at()).total_seconds() < 60
    assert database.session.query(Order).count() == 0
