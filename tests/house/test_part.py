"""A part of a run ends when its supervisor does, on Linux by the kernel's hand and elsewhere by watching."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.checkout import wait_gone
from tests.support.processes import wait_until

SUPERVISOR = """
import os, subprocess, sys, time
part = "import sys; sys.platform = {platform!r}; from local_run.part import main; sys.exit(main())"
os.environ["CARTLINK_SUPERVISOR"] = str(os.getpid())
child = subprocess.Popen([sys.executable, "-c", part, "shop", {command!r}])
print("started", child.pid, flush=True)
sys.exit(child.wait())
"""


@pytest.fixture(params=["linux", "darwin"] if sys.platform == "linux" else ["darwin"])
def start(request, processes):
    def run(command: str):
        return processes.start([sys.executable, "-c", SUPERVISOR.format(platform=request.param, command=command)])

    return run


def test_it_ends_with_its_supervisor(start, tmp_path: Path):
    note = tmp_path / "note"
    supervisor = start(f'{sys.executable} -c \'import time; open("{note}", "w").close(); time.sleep(60)\'')
    wait_until(note.exists, 10, "the part's start")
    parts = psutil.Process(supervisor.pid).children(recursive=True)
    assert parts
    supervisor.kill()
    wait_gone(parts, 5)


def test_its_exit_code_is_the_supervisors_to_see(start):
    assert start("sh -c 'exit 7'").exit_code() == 7


def test_a_stop_signal_reaches_it(start, tmp_path):
    note = tmp_path / "note"
    supervisor = start(f"sh -c 'trap \"exit 5\" TERM; touch {note}; while :; do sleep 0.1; done'")
    wait_until(note.exists, 10, "the part's start")
    psutil.Process(supervisor.pid).children()[0].send_signal(signal.SIGTERM)
    assert supervisor.exit_code() == 5
