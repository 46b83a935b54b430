"""Processes that tests start: tied to the test run, waited for with a bound, ended by id and never by name."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent

BUSY = 3
"""How much longer than on an idle machine something may take while other tests run."""
LEAST = 30
"""Seconds. A shorter bound says nothing: a busy machine has kept a process waiting that long."""


def wait_until(condition: Callable[[], Any], seconds: float = 10, what: str = "the condition") -> Any:
    """Ask again and again until the answer is true, and give it back. Raises AssertionError when the time is up.

    ``seconds`` is what an idle machine may take. A busy one gets three times as long, and never less than a minute and a half."""
    seconds = max(seconds, LEAST) * BUSY
    deadline = time.monotonic() + seconds
    pause = 0.01
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


def die_with_parent() -> None:
    """For ``preexec_fn``: on Linux the child is killed when the process that started it is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc/self").exists()


class Started:
    """One running process: a ``subprocess.Popen``, or what has its methods. ``output()`` is what it has printed so far, both streams."""

    def __init__(self, process: Any, log: Path):
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """As kill -9: no goodbye."""
        self.process.kill()
        self.process.wait(60)

    def exit_code(self, seconds: float = 60) -> int:
        """Wait until it has ended by itself, three times as long on a busy machine. Raises TimeoutExpired."""
        return self.process.wait(seconds * BUSY)

    def stop(self, seconds: float = LEAST) -> int:
        """Ask it to end (SIGTERM) and wait, three times as long on a busy machine; then kill it. Returns the exit code."""
        if self.running:
            self.process.terminate()
            try:
                self.process.wait(seconds * BUSY)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait(60)

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Wait until ``text`` has been printed. Raises AssertionError with the output where it is not."""

        def said() -> bool:
            return text in self.output()

        deadline = time.monotonic() + seconds * BUSY
        while not said():
            if not self.running and not said():
                raise AssertionError(f"ended with {self.process.returncode} before printing {text!r}:\n{self.output()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} was not printed within {seconds} s:\n{self.output()}")
            time.sleep(0.02)


class Processes:
    """Starts processes and ends them all at the end of a test."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.started: list[Started] = []
        self._numbers = count()

    def start(self, command: list[str], *, env: dict[str, str] | None = None, cwd: Path = ROOT, **options: Any) -> Started:
        """Start a command with exactly ``env`` (default: this process's own)."""
        log = self._next_log()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent, **options,
            )  # fmt: skip
        started = Started(process, log)
        self.started.append(started)
        return started

    def keep(self, start: Callable[[Path], Started]) -> Started:
        """The same for one that is started in another way, with a log of ours."""
        started = start(self._next_log())
        self.started.append(started)
        return started

    def _next_log(self) -> Path:
        return self.folder / f"process-{next(self._numbers)}.log"

    def stop_all(self) -> None:
        for started in self.started:
            if started.running:
                started.process.terminate()
        for started in self.started:
            started.stop(seconds=5)


@contextmanager
def processes_in(folder: Path) -> Iterator[Processes]:
    all_of_them = Processes(folder)
    try:
        yield all_of_them
    finally:
        all_of_them.stop_all()
