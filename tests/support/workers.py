"""Real workers on a test's database and queue: started, killed and stopped like those of an installation."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from config import NAMES
from tests.support import forked
from tests.support.processes import Processes, Started, wait_until

Start = Callable[..., Started]


@pytest.fixture
def worker(processes: Processes, environment: dict[str, str]) -> Start:
    """``worker("sync", "checks", LEASE_SECONDS="2")`` starts ``worker.py`` on these queues (default: all) and answers when
    it listens; an ``--option=value`` may stand among them. ``.kill()`` is kill -9, ``.stop()`` an orderly end; whatever runs
    is stopped after the test."""

    def start(*queues: str, wait: bool = True, **variables: str) -> Started:
        names = queues or ("ticks", "checks", "messages", "files", "sync")
        started = fork(processes, ["worker.py", *names], {**environment, **variables})
        if wait:
            listening(started)
        return started

    return start


def listening(started: Started) -> None:
    """Wait until a worker is known to the queue and handles a request to stop, both of which come after its line in the log."""
    started.wait_for("Listening on")
    wait_until(lambda: handles(started.pid, signal.SIGTERM), 60, "a worker that can be stopped")


def handles(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal. True where the system does not say."""
    path = Path(f"/proc/{pid}/status")
    if not path.exists():
        return True
    caught = next(line for line in path.read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@pytest.fixture
def scheduler(processes: Processes, environment: dict[str, str]) -> Start:
    """``scheduler(TICK_SECONDS="1")`` starts ``worker.py cron`` and answers when it runs."""

    def start(**variables: str) -> Started:
        started = fork(processes, ["worker.py", "cron"], {**environment, **variables})
        started.wait_for("Scheduling ticks")
        return started

    return start


def fork(processes: Processes, arguments: list[str], variables: dict[str, str]) -> Started:
    """Start a part of an installation with these variables; it is ended after the test."""
    return processes.keep(lambda log: forked.fork(arguments, processes_environment(variables), log))


def processes_environment(variables: dict[str, str]) -> dict[str, str]:
    """The variables of an installation together with what any program needs."""
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}
