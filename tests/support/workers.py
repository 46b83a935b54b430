"""Real workers on a test's database and queue: started, killed and stopped like those of an installation."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

from config import NAMES
from tests.support.processes import Processes, Started

Start = Callable[..., Started]


@pytest.fixture
def worker(processes: Processes, environment: dict[str, str]) -> Start:
    """``worker("sync", "checks", LEASE_SECONDS="2")`` starts ``worker.py`` on these queues (default: all) and answers when
    it listens; an ``--option=value`` may stand among them. ``.kill()`` is kill -9, ``.stop()`` an orderly end; whatever runs
    is stopped after the test."""

    def start(*queues: str, wait: bool = True, **variables: str) -> Started:
        names = queues or ("ticks", "checks", "messages", "sync")
        command = [sys.executable, "worker.py", *names]
        started = processes.start(command, env=processes_environment({**environment, **variables}))
        if wait:
            started.wait_for("Listening on")
        return started

    return start


@pytest.fixture
def scheduler(processes: Processes, environment: dict[str, str]) -> Start:
    """``scheduler(TICK_SECONDS="1")`` starts ``worker.py cron`` and answers when it runs."""

    def start(**variables: str) -> Started:
        started = processes.start([sys.executable, "worker.py", "cron"], env=processes_environment({**environment, **variables}))
        started.wait_for("Scheduling ticks")
        return started

    return start


def processes_environment(variables: dict[str, str]) -> dict[str, str]:
    """The variables of an installation together with what any program needs."""
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}
