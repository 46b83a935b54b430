"""Processes of Cartlink forked from one that has imported it already: the same programs, a second of the processor sooner.

Each is a separate process, with its own id, environment and log, killed and stopped like any other. Only what
importing would have done afresh is shared until it is written to, so memory is not to be measured on them. ``make run`` and its tests
start the same programs from nothing."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from services.common import claims
from tests.support.processes import ROOT, Started, die_with_parent

FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(
    ["app", "worker", "flask.cli", "gunicorn.app.wsgiapp", "gunicorn.workers.gthread", "tests.support.forked"]
)


class Forked:
    """What callers use of ``subprocess.Popen``."""

    def __init__(self, arguments: Sequence[str], env: dict[str, str], log: Path, errors: Path | None = None):
        """``arguments`` are a script of the project's, or ``-m`` and a module, and what follows them. What it prints goes to ``log``, and
        what it prints as errors to ``errors`` where that is given."""
        self.args = [sys.executable, *arguments]
        self._process = FORKING.Process(target=become, args=(list(arguments), env, str(log), str(errors or log)), daemon=False)
        self._process.start()
        self.pid: int = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork(arguments: Sequence[str], env: dict[str, str], log: Path) -> Started:
    log.touch()
    return Started(Forked(arguments, env, log), log)


def run(arguments: Sequence[str], env: dict[str, str], seconds: float = 180) -> subprocess.CompletedProcess[bytes]:
    """As ``subprocess.run`` with captured output: start it, wait until it has ended, and give back what it printed. Raises
    TimeoutExpired."""
    with tempfile.TemporaryDirectory(prefix="cartlink-run-") as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        for path in (output, errors):
            path.touch()
        process = Forked(arguments, env, output, errors)
        try:
            code = process.wait(seconds)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, code, output.read_bytes(), errors.read_bytes())


def become(arguments: list[str], env: dict[str, str], log: str, errors: str) -> None:
    """Inside the new process: be the program."""
    die_with_parent()
    silence = os.open(os.devnull, os.O_RDONLY)
    output, complaints = (os.open(path, os.O_WRONLY | os.O_APPEND) for path in (log, errors))
    for source, target in ((silence, 0), (output, 1), (complaints, 2)):
        os.dup2(source, target)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", line_buffering=True)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(ROOT)
    # What a process makes once for itself, by which it knows its own leases.
    claims.HOLDER = secrets.token_hex(4)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(arguments)
        runpy.run_path(arguments[0], run_name="__main__")
