"""What every test may ask for. The pieces are made in ``tests/support``; here they are put together.

A test that asks for ``app`` (or ``database_url``) gets a fresh, migrated database. Under ``tests/services`` and ``tests/jobs``
it runs twice, on SQLite and on PostgreSQL."""

from __future__ import annotations

import gc
import os
import random
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from redis import Redis

from app import create_app
from config import Config, load
from extensions import db as database
from practice_shop import PracticeShop
from tests.support import drawing, sharing
from tests.support.databases import PostgresServer, migrate, postgres_database
from tests.support.processes import Processes, processes_in
from tests.support.signed_in import FreshClient, sign_in
from tests.support.valkey import valkey_server

BOTH = ("services", "jobs")
KEYRING = Fernet.generate_key().decode()

pytest_plugins = (
    "tests.support.workers", "tests.support.browser", "tests.support.shops", "tests.support.served", "tests.support.set_clock",
    "tests.support.proxied",
)  # fmt: skip

sharing.install()
# Where Python may not keep what it has compiled, each worker of pytest and each process that a test starts compiles all modules again,
# which takes longer than most tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_kind" not in metafunc.fixturenames:
        return
    marks = {mark.name for mark in metafunc.definition.iter_markers()}
    place = metafunc.definition.path.relative_to(Path(__file__).parent).parts[0]
    both = "both_databases" in marks or (place in BOTH and "one_database" not in marks)
    metafunc.parametrize("database_kind", drawing.DATABASES if both else drawing.DATABASES[:1], scope="function")


def pytest_configure(config: pytest.Config) -> None:
    """Say which tests are drawn, and from how many. The workers of pytest-xdist inherit it."""
    os.environ.setdefault("SAMPLE_SEED", str(random.SystemRandom().randrange(10_000)))
    if not hasattr(config, "workerinput"):
        named = config.args_source != pytest.Config.ArgsSource.TESTPATHS or config.option.keyword or config.option.markexpr
        os.environ["WHOLE_SUITE"] = "" if named else "1"


def pytest_collection_finish() -> None:
    """What is imported and collected by now stays to the end; the garbage collector need not go through it again and again. What a test
    leaves behind is collected more rarely than usual: it took a twentieth of the processor time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.stats.get("failed") and not os.environ.get("DEEP"):
        terminalreporter.write_line(f"SAMPLE_SEED={os.environ['SAMPLE_SEED']} draws the same tests again.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what this run does not draw to ``make deep``."""
    if os.environ.get("DEEP"):
        return
    items[:], left = drawing.draw(items, whole_suite=bool(os.environ["WHOLE_SUITE"]))
    if left:
        config.hook.pytest_deselected(items=left)


def settings(instance: Path, database_url: str, redis_url: str) -> dict[str, str]:
    """The environment of a test installation; ``config.load`` reads it, and so do processes that a test starts."""
    return {
        "CARTLINK_INSTANCE": str(instance), "SECRET_KEY": "a secret of the tests", "SECRET_KEYS": KEYRING,
        "DATABASE_URL": database_url, "REDIS_URL": redis_url, "ALLOW_PRIVATE_ENDPOINTS": "all",
    }  # fmt: skip


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory, valkey: str) -> Path:
    """A migrated SQLite file, to be copied."""
    folder = tmp_path_factory.mktemp("template")
    path = folder / "template.sqlite"
    migrate(load(settings(folder, f"sqlite:///{path}", valkey)))
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The PostgreSQL server of this test run."""
    server = PostgresServer()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory, valkey: str) -> str:
    """The name of a migrated PostgreSQL database, to be copied."""
    postgres.execute("CREATE DATABASE cartlink_template")
    migrate(load(settings(tmp_path_factory.mktemp("template"), postgres.address("cartlink_template"), valkey)))
    return "cartlink_template"


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a fresh, migrated database."""
    if database_kind == "sqlite":
        path = tmp_path / "cartlink.sqlite"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
    else:
        template = request.getfixturevalue("postgres_template")
        with postgres_database(request.getfixturevalue("postgres"), template) as url:
            yield url


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The REDIS_URL of this test run's own Valkey."""
    with valkey_server() as url:
        yield url


@pytest.fixture
def redis_url(valkey: str) -> str:
    """The REDIS_URL of a queue with nothing in it."""
    with Redis.from_url(valkey) as queue:
        queue.flushall()
    return valkey


@pytest.fixture
def environment(tmp_path: Path, database_url: str, redis_url: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables for processes of this test's installation; ``@pytest.mark.config`` changes go in as well."""
    given = settings(tmp_path / "instance", database_url, redis_url)
    for name, value in config_changes(request).items():
        given[name.upper()] = " ".join(value) if isinstance(value, tuple) else str(value)
    return given


@pytest.fixture
def config(environment: dict[str, str], request: pytest.FixtureRequest) -> Config:
    """Settings for a fresh installation. ``@pytest.mark.config(lease_seconds=2)`` changes some."""
    return replace(load(environment), testing=True, **config_changes(request))


def config_changes(request: pytest.FixtureRequest) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("config"))):
        changes.update(mark.kwargs)
    return changes


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The application on a fresh database, its context entered for the whole test."""
    with sharing.nothing_encrypted():
        made = create_app(config)
    made.config["WTF_CSRF_ENABLED"] = False
    made.test_client_class = FreshClient
    sharing.share_templates(made)
    with made.app_context():
        yield made
        database.session.remove()
        database.engine.dispose()


@pytest.fixture
def db(app: Flask) -> Any:
    """``extensions.db`` inside the test's application."""
    return database


@pytest.fixture
def client(app: Flask) -> FreshClient:
    """A browser without JavaScript, signed in as the owner."""
    made = app.test_client()
    sign_in(made, "owner")
    return made


@pytest.fixture
def practice() -> Iterator[PracticeShop]:
    """A small practice shop on its own port."""
    with PracticeShop() as shop:
        yield shop


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts processes, all of them ended after the test."""
    with processes_in(tmp_path) as all_of_them:
        yield all_of_them
