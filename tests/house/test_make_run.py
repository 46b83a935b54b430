"""``make run`` in a copy of this checkout: it starts, heals, refuses to start twice, and leaves nothing behind."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
import requests

from config import read_settings_file
from tests.support.checkout import Checkout, ctrl_c, family, parts_of, supervisor_of, wait_gone
from tests.support.processes import Started, wait_until

ALL_PARTS = ["queue", "scheduler", "shop", "syncs", "ticks", "web", "worker"]
WORKERS = ("syncs", "ticks", "worker")
"""The same program on different queues."""


@pytest.fixture
def checkout(tmp_path, processes) -> Checkout:
    return Checkout(tmp_path / "c", processes)


def names(started: Started) -> list[str]:
    return sorted(name for name, _ in parts_of(started))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.every_time
@pytest.mark.timeout(600)
@pytest.mark.parametrize("end", ["Ctrl-C", "make is killed"])
@pytest.mark.sampled(1)
def test_a_run_from_its_start_to_its_end(checkout, end):
    started = checkout.make_run(WORKERS="1")
    checkout.ready(started)
    says = started.output()
    assert f"open http://127.0.0.1:{checkout.port}\n" in says
    assert f"http://127.0.0.1:{checkout.practice_port}\n" in says
    assert "practice-full-key" in says
    assert "integrations add" in says
    first_code = code_in(says)
    assert checkout.answers(checkout.port, "/nothing-here?for=private-words")
    assert checkout.answers(checkout.practice_port)
    wait_until(lambda: '"GET /nothing-here" 404' in started.output(), 10, "a line of the access log")
    assert "private-words" not in started.output()
    wait_until(lambda: names(started) == ALL_PARTS, 60, "the start of every part")

    settings = read_settings_file(checkout.instance / "settings.env")
    keyring = Path(settings["SECRET_KEYS_FILE"])
    assert mode(checkout.instance) == 0o700
    assert mode(checkout.instance / "settings.env") == 0o600
    assert mode(keyring) == 0o600
    assert mode(checkout.instance / "run" / "queue.sock") == 0o700
    first_key = keyring.read_text()

    # Commands in another shell are in the same installation.
    done = checkout_command(checkout, "flask", "--app", "app", "db", "current")
    assert "(head)" in done.stdout
    # A second run in the same place is refused and harms nothing.
    second = checkout.make_run()
    assert second.exit_code() != 0
    assert f"Cartlink is running from here already (process {supervisor_of(started).pid}, " in second.output()
    assert "Traceback" not in second.output()

    # Whatever is killed comes back.
    spared = () if os.environ.get("DEEP") else random.Random(os.environ["SAMPLE_SEED"]).sample(WORKERS, 2)
    before = {process for name, process in parts_of(started) if name not in spared}
    for process in before:
        process.kill()
    wait_until(lambda: started.output().count("is running again") == len(before), 90, "the return of every part")
    wait_until(lambda: names(started) == ALL_PARTS, 60, "the return of every part as what it was")
    assert not before & {process for _, process in parts_of(started)}
    wait_until(lambda: checkout.answers(checkout.port), 60, "an answer of the page server")

    # A supervisor that is killed takes its parts with it, and the next run still starts.
    everything = family(started)
    supervisor_of(started).kill()
    again = checkout.make_run(WORKERS="1")
    checkout.ready(again)
    wait_gone(everything)

    # In a second start nothing that matters is made again.
    assert "Installing" not in again.output()
    assert keyring.read_text() == first_key
    assert read_settings_file(checkout.instance / "settings.env") == settings

    # The code of the last start, and no older one, makes the first owner.
    second_code = code_in(again.output())
    assert second_code not in ("", first_code)
    assert "not the code that was printed last" in make_first_owner(checkout, first_code)
    assert "<h1>Today</h1>" in make_first_owner(checkout, second_code)
    # The next start would print none: this is the step that does.
    assert checkout_command(checkout, "python", "-m", "local_run.migrate").stdout == ""

    everything = family(again)
    if end == "Ctrl-C":
        ctrl_c(again)
        wait_gone(everything, 10)
        assert "everything has stopped" in again.output()
    else:
        # A make that is killed cannot pass Ctrl-C on any more; the rest ends by itself.
        again.kill()
        wait_gone(everything)


def code_in(says: str) -> str:
    """The one-time code for the first page; empty where none was printed."""
    found = re.search("one-time code: ([0-9A-Z-]{19})\\n", says)
    return found.group(1) if found else ""


def make_first_owner(checkout: Checkout, code: str) -> str:
    """Fill in the first page; answers with the page that comes then."""
    browser = requests.Session()
    browser.trust_env = False
    address = f"http://127.0.0.1:{checkout.port}/first-run"
    token = re.search('name="csrf_token"[^>]* value="([^"]+)"', browser.get(address, timeout=20).text).group(1)
    sent = {"code": code, "name": "Ann", "password": "plum kettle orbit seven", "csrf_token": token}
    return browser.post(address, data=sent, timeout=20).text


def checkout_command(checkout: Checkout, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(checkout.folder / ".venv" / "bin" / words[0]), *words[1:]]
    return subprocess.run(
        command,
        cwd=checkout.folder,
        env=checkout.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.deep
def test_a_checkout_deep_down_with_odd_names(tmp_path, processes):
    folder = tmp_path / ("a folder 100% deep ".strip() + "/and deeper" * 12)
    folder.parent.mkdir(parents=True)
    checkout = Checkout(folder, processes)
    with tempfile.TemporaryDirectory(prefix="c-", dir="/tmp") as short:
        run_deep_down(checkout, short)


def run_deep_down(checkout: Checkout, short: str) -> None:
    started = checkout.make_run(WORKERS="1", TMPDIR=short)
    checkout.ready(started)
    wait_until(lambda: names(started) == ALL_PARTS, 60, "the start of every part")
    sock = Path(read_settings_file(checkout.instance / "settings.env")["REDIS_URL"].removeprefix("unix://"))
    assert len(os.fsencode(sock)) < 100
    assert mode(sock.parent) == 0o700
    everything = family(started)
    os.kill(supervisor_of(started).pid, signal.SIGTERM)
    wait_gone(everything)


@pytest.mark.parametrize("name", ["PORT", "PRACTICE_PORT"])
@pytest.mark.sampled(1)
def test_a_busy_port_is_said_in_one_sentence_before_anything_is_started(checkout, name):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        started = checkout.make_run(**{name: str(port)})
        assert started.exit_code() != 0
    assert (
        f"Port {port} is in use by another program. Stop it, or choose another one: make run {name}={port + 100}\n"
        in started.output()
    )
    assert "Traceback" not in started.output()
    assert not (checkout.instance / "settings.env").exists()


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"PORT": "eighty"}, "PORT has to be a whole number from 1 to 65535, not 'eighty'."),
        ({"PORT": "70000"}, "PORT has to be a whole number from 1 to 65535, not '70000'."),
        ({"PORT": "8081", "PRACTICE_PORT": "8081"}, "PORT and PRACTICE_PORT are both 8081; they have to differ."),
        ({"REDIS_URL": "unix:///nowhere/at/all"}, "The queue of REDIS_URL does not answer: "),
        ({"REDIS_URL": "nonsense"}, "REDIS_URL has to start with redis://, rediss:// or unix://."),
        ({"DATABASE_URL": "mysql://somewhere"}, "DATABASE_URL has to start with sqlite:/// or postgresql://."),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all.sqlite"}, "The database of DATABASE_URL cannot be brought up to date: "),
        ({"TICK_SECONDS": "often"}, "TICK_SECONDS has to be a whole number, not 'often'."),
    ],
)
@pytest.mark.sampled(2)
def test_what_cannot_be_used_is_said_in_one_sentence(checkout, variables, sentence):
    started = checkout.make_run(**variables)
    assert started.exit_code() != 0
    assert sentence in started.output()
    assert "Traceback" not in started.output()
