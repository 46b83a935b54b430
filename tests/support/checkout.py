"""A copy of this checkout to run ``make run`` in, as a stranger's clone: its own instance folder, its own ports."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from tests.support.processes import ROOT, Processes, Started, alive, wait_until
from tests.support.workers import processes_environment

LEFT_OUT = (".git", ".venv", "instance", "tests", "docs", "bench", ".bench", ".*_cache", ".hypothesis", ".schemathesis")
"""What is compiled goes along, or each of the parts, which start at the same time, would compile it all."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Checkout:
    """``folder`` is made as a copy, with this test run's own virtual environment in it."""

    def __init__(self, folder: Path, processes: Processes):
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
        environment = folder / ".venv"
        environment.mkdir()
        for name in ("bin", "lib", "pyvenv.cfg"):
            (environment / name).symlink_to(Path(sys.prefix) / name)
        (environment / "installed").touch()
        self.folder = folder
        self.processes = processes
        self.port = free_port()
        self.practice_port = free_port()

    @property
    def instance(self) -> Path:
        return self.folder / "instance"

    def environment(self, **variables: str) -> dict[str, str]:
        kept = processes_environment({"PORT": str(self.port), "PRACTICE_PORT": str(self.practice_port), **variables})
        return {name: value for name, value in kept.items() if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")}

    def make_run(self, **variables: str) -> Started:
        """Start it as a terminal would: in its own process group, which Ctrl-C goes to."""
        return self.processes.start(["make", "run"], cwd=self.folder, env=self.environment(**variables), process_group=0)

    def ready(self, started: Started, seconds: float = 150) -> None:
        """Wait for the greeting."""
        started.wait_for("Ctrl-C stops everything", seconds)

    def answers(self, port: int, target: str = "/nothing-here") -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{target}", timeout=10).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


def family(started: Started) -> list[psutil.Process]:
    """Every process below this one."""
    return psutil.Process(started.pid).children(recursive=True)


def supervisor_of(started: Started) -> psutil.Process:
    return next(process for process in family(started) if process.cmdline()[1:] == ["-m", "local_run"])


def parts_of(started: Started) -> list[tuple[str, psutil.Process]]:
    """The parts with their names; of workers there may be several."""
    return [(name_of(process.cmdline()), process) for process in supervisor_of(started).children()]


def name_of(command: list[str]) -> str:
    words = " ".join(command)
    names = {
        "valkey-server": "queue", "practice_shop": "shop", "gunicorn": "web", "worker.py ticks": "ticks",
        "worker.py cron": "scheduler", "worker.py checks messages files sync": "worker",
        "worker.py sync messages": "syncs",
    }  # fmt: skip
    return next((name for sign, name in names.items() if sign in words), words)


def ctrl_c(started: Started, seconds: float = 40) -> int:
    """As the terminal does it: SIGINT to the whole foreground process group. Answers with the exit code."""
    os.killpg(started.pid, signal.SIGINT)
    return started.process.wait(seconds)


def wait_gone(processes: list[psutil.Process], seconds: float = 40) -> None:
    """Wait until none of these runs any more. Raises AssertionError with what is left."""
    wait_until(lambda: not left(processes), seconds, f"the end of {left(processes)}")


def left(processes: list[psutil.Process]) -> list[str]:
    return [f"{process.pid} {name}" for process in processes if alive(process.pid) and (name := command_of(process))]


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
