"""One installation with real processes: web, workers, schedulers, queue and database, each of which may be killed at any time.

What ends is started again, as by the supervisor of an installation (systemd, ``make run``). The database and the queue lie on
a small disk of their own where that can be made (as root on Linux), which then can be filled."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
from cryptography.fernet import Fernet
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import create_engine

from app import create_app
from config import load
from extensions import db
from local_run.queue import command as valkey_command
from tests.faults import strangers
from tests.support import forked
from tests.support.checkout import free_port
from tests.support.databases import PostgresServer, migrate
from tests.support.processes import Processes, Started, processes_in, wait_until
from tests.support.workers import processes_environment

DISK = "400m"
LAUNCH = 240
"""Seconds for all processes to come up, on a machine that is busy with other things."""
SETTINGS = {
    "ALLOW_PRIVATE_ENDPOINTS": "all", "SECRET_KEY": "a secret of the fault suite", "LEASE_SECONDS": "2", "TICK_SECONDS": "1",
    "SLICE_SECONDS": "4", "ORDERS_EVERY": "5", "STOCK_EVERY": "5", "LISTINGS_EVERY": "600", "ORDER_PAGE_SIZE": "4",
    "CONNECT_TIMEOUT": "1", "READ_TIMEOUT": "1", "TOTAL_TIMEOUT": "4", "REQUESTS_PER_MINUTE": "100000",
}  # fmt: skip
WORKERS = {
    "ticks": ("worker.py", "ticks"), "worker-1": ("worker.py", "checks", "messages", "files", "sync"),
    "worker-2": ("worker.py", "checks", "messages", "files", "sync"), "scheduler-1": ("worker.py", "cron"),
    "scheduler-2": ("worker.py", "cron"),
}  # fmt: skip
PARTS = ("web", *WORKERS)
TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*([^\s].*)", re.MULTILINE)
CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
DATABASE_TROUBLE = re.compile(
    r"OperationalError|InternalError|PendingRollbackError|AdminShutdown|CannotConnectNow|ConnectionTimeout|DiskFull|DatabaseError"
)
QUEUE_TROUBLE = re.compile(
    r"redis\.exceptions|rq\.exceptions|ConnectionRefused|ConnectionReset|FileNotFoundError|BrokenPipe|QueueAway"
)


class Fleet:
    """``parts`` are the running processes by name; ``restarts`` counts what the supervisor had to start again."""

    def __init__(
        self,
        kind: str,
        folder: Path,
        processes: Processes,
        disk: Path,
        has_disk: bool,
        changes: dict[str, str],
        forks: Collection[str],
    ):
        self.kind = kind
        self.forks = forks
        self.folder = folder
        self.processes = processes
        self.disk = disk
        self.has_disk = has_disk
        self.parts: dict[str, Started] = {}
        self.restarts: Counter[str] = Counter()
        self.down: set[str] = set()
        self.database_trouble = self.queue_trouble = False
        self.read_to: dict[Path, int] = {}
        self.port = free_port()
        self.redis_url = f"unix://{folder}/sock"
        self.server = PostgresServer(disk) if kind == "postgresql" else None
        if self.server:
            self.server.execute("CREATE DATABASE faults")
        (disk / "queue").mkdir()
        self.database = disk / "cartlink.sqlite"
        url = self.server.address("faults") if self.server else f"sqlite:///{self.database}"
        self.environment = {
            **SETTINGS, **changes, "CARTLINK_INSTANCE": str(folder / "instance"), "SECRET_KEYS": Fernet.generate_key().decode(),
            "DATABASE_URL": url, "REDIS_URL": self.redis_url,
        }  # fmt: skip
        config = load(self.environment)
        self.start_part("queue")
        wait_until(self.queue_answers, 20, "Valkey's answer")
        migrate(config)
        engine = create_engine(config.database_url)
        with engine.begin() as connection:
            strangers.watch(connection)
        engine.dispose()
        self.app: Flask = create_app(config)
        for name in PARTS:
            self.start_part(name)
        self.parts["web"].wait_for("Booting worker", LAUNCH)
        for name in WORKERS:
            self.parts[name].wait_for("Scheduling ticks" if "scheduler" in name else "Listening on", LAUNCH)

    # Processes

    def start_part(self, name: str) -> None:
        environment = processes_environment(self.environment)
        if name == "queue":
            self.parts[name] = self.processes.start(valkey_command(self.disk, self.redis_url), env=environment)
        else:
            web = ("-m", "gunicorn", "--config", "gunicorn.conf.py", "--bind", f"127.0.0.1:{self.port}", "app:create_app()")
            arguments = web if name == "web" else WORKERS[name]
            if name in self.forks:
                self.parts[name] = self.processes.keep(lambda log: forked.fork(arguments, environment, log))
            else:
                self.parts[name] = self.processes.start([sys.executable, *arguments], env=environment)
        self.down.discard(name)

    def supervise(self) -> None:
        """Start again what has ended, but for what is to stay down for a while."""
        for name, started in list(self.parts.items()):
            if not started.running and name not in self.down:
                self.restarts[name] += 1
                self.start_part(name)
        if self.server and "database" not in self.down and self.server.process.poll() is not None:
            self.restarts["database"] += 1
            self.server.start()

    def everything_up(self) -> bool:
        self.supervise()
        return self.queue_answers() and all(started.running for started in self.parts.values())

    def queue_answers(self) -> bool:
        try:
            with Redis.from_url(self.redis_url, socket_timeout=1) as queue:
                return bool(queue.ping())
        except RedisError:
            return False

    def horses_of(self, name: str) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.parts[name].pid).children(recursive=True)
        return []

    def kill(self, name: str, *, whole: bool = True) -> None:
        """kill -9 of a part, with what it has forked or alone."""
        children = self.horses_of(name) if whole else []
        self.parts[name].kill()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()

    @contextmanager
    def frozen(self, name: str, *, also_kill: bool) -> Iterator[None]:
        """The work horses of a worker sleep inside, as on a machine that stands still; the worker itself is killed, or sleeps
        with them. Afterwards they go on as if nothing had happened."""
        horses = self.horses_of(name)
        for horse in horses:
            with suppress(psutil.NoSuchProcess):
                horse.suspend()
        if also_kill:
            self.parts[name].kill()
        else:
            self.parts[name].process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for horse in horses:
                with suppress(psutil.NoSuchProcess):
                    horse.resume()
            if not also_kill:
                self.parts[name].process.send_signal(signal.SIGCONT)

    # Queue and database

    def lose_queue(self) -> None:
        """Valkey is killed and its append-only file is gone."""
        self.queue_trouble = True
        self.kill("queue")
        shutil.rmtree(self.disk / "queue")
        (self.disk / "queue").mkdir()

    def flush_queue(self) -> None:
        self.queue_trouble = True
        with suppress(RedisError), Redis.from_url(self.redis_url, socket_timeout=1) as queue:
            queue.flushall()

    def restart_database(self) -> None:
        if self.server:
            self.database_trouble = True
            self.server.crash()
            self.server.start()

    def lock_database(self, seconds: float) -> threading.Thread:
        """Somebody else holds the database for a while."""

        def hold() -> None:
            with suppress(sqlite3.OperationalError, psycopg.Error):
                if self.server:
                    with psycopg.connect(self.server.address("faults")) as connection:
                        connection.execute("LOCK TABLE integration, sync_run IN ACCESS EXCLUSIVE MODE")
                        time.sleep(seconds)
                        connection.rollback()
                else:
                    connection = sqlite3.connect(self.database, timeout=5, isolation_level=None)
                    connection.execute("BEGIN IMMEDIATE")
                    time.sleep(seconds)
                    connection.execute("ROLLBACK")
                    connection.close()

        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        return thread

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Not a byte more goes on the disk of database and queue."""
        self.database_trouble = self.queue_trouble = True
        ballast = self.disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            piece = b"\0" * (1 << 20)
            while piece:
                try:
                    file.write(piece)
                except OSError as full:
                    if full.errno != errno.ENOSPC:
                        raise
                    piece = piece[: len(piece) // 2]
        try:
            yield
        finally:
            ballast.unlink()

    # What was said

    def complaints(self) -> list[str]:
        """Tracebacks printed since the last call that no fault of the schedule explains."""
        found = []
        for started in self.processes.started:
            with started.log.open(encoding="utf-8", errors="replace") as log:
                log.seek(self.read_to.get(started.log, 0))
                said = log.read()
                self.read_to[started.log] = log.tell()
            for shown, error in tracebacks(said):
                explained = (self.database_trouble and DATABASE_TROUBLE.search(error)) or (
                    self.queue_trouble and QUEUE_TROUBLE.search(error)
                )
                if not explained:
                    found.append(f"{started.process.args[1:4]} printed a traceback: {shown[-1800:]}")
        return found

    def forget_ended(self) -> None:
        """Logs of processes that are gone are not read for ever."""
        self.processes.started[:] = [started for started in self.processes.started if started.running]

    def close(self) -> None:
        self.processes.stop_all()
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()
        if self.server:
            self.server.stop()


@contextmanager
def launched(kind: str, changes: dict[str, str] | None = None, *, forks: Collection[str] = ()) -> Iterator[Fleet]:
    """A fleet with these changes to its settings; ``forks`` names the parts that are forked, not started afresh. All are ended
    and the disk taken away afterwards."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="cl-storm-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        disk = folder / "disk"
        disk.mkdir(mode=0o755)
        has_disk = mount(disk)
        if has_disk:
            stack.callback(subprocess.run, ["umount", "-l", str(disk)], check=False)
        processes = stack.enter_context(processes_in(folder))
        fleet = Fleet(kind, folder, processes, disk, has_disk, changes or {}, forks)
        stack.callback(fleet.close)
        yield fleet


def tracebacks(said: str) -> list[tuple[str, str]]:
    """What a log shows of each exception, and its last line of error: those that came before it in a chain are explained by it."""
    found: list[tuple[str, str]] = []
    end = 0
    for match in TRACEBACK.finditer(said):
        chained = found and any(words in said[end : match.start()] for words in CHAINED)
        begun = found.pop()[0] if chained else ""
        found.append((begun + said[end if chained else match.start() : match.end()], match.group(1)))
        end = match.end()
    return found


def mount(disk: Path) -> bool:
    """Put a small disk in memory there; False where that is not ours to do."""
    if os.geteuid() != 0 or sys.platform != "linux":
        return False
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0755", "tmpfs", str(disk)], capture_output=True, check=False
    )
    return mounted.returncode == 0
