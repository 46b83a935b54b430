"""The commands as a terminal would call them, in process and as processes of their own."""

from __future__ import annotations

import contextvars
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from extensions import db
from practice_shop import PracticeShop
from tests.support import forked
from tests.support.audited import unrecorded, watched

FLASK = ("-m", "flask", "--app", "app")

RUNS = ("sync", "retention")
"""Commands that do in this process what a worker does."""


class Commands:
    """Calls ``flask`` commands, each in its own context: it shares no database session with the test. What they change has to be in the
    audit trail; ``changed`` are the tables that the last one changed."""

    def __init__(self, app: Any):
        self.runner = app.test_cli_runner()

    def call(self, *args: str, input: Any = None) -> Result:
        db.session.rollback()
        with watched() as seen:
            result = contextvars.Context().run(self.runner.invoke, args=list(args), input=input)
        db.session.rollback()
        self.changed = seen
        assert not unrecorded(seen) or args[0] in RUNS, f"{args} changed {unrecorded(seen)} and recorded nothing"
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def done(self, *args: str, input: Any = None) -> str:
        """Call a command that has to succeed; answers with its standard output."""
        result = self.call(*args, input=input)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refused(self, *args: str, input: Any = None) -> str:
        """Call a command that has to fail; answers with its one line on standard error."""
        result = self.call(*args, input=input)
        assert result.exit_code == 1, result.output
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        return lines[0]

    def rows(self, *args: str) -> list[dict[str, Any]]:
        """The objects of a list that is asked for as JSON."""
        return [json.loads(line) for line in self.done(*args, "--json").splitlines()]


@pytest.fixture
def commands(app: Any) -> Commands:
    return Commands(app)


@pytest.fixture
def key_file(tmp_path: Path, practice: PracticeShop) -> str:
    """A file with the practice shop's full key."""
    path = tmp_path / "key.txt"
    path.write_text(f"{practice.key}\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def connected(commands: Commands, practice: PracticeShop, key_file: str) -> Commands:
    """The practice shop added as ``Practice``, its listings, orders and stock synced."""
    commands.done(
        "integrations", "add", "--name", "Practice", "--endpoint", practice.url, "--key-file", key_file, "--since", "2020-01-01"
    )
    for kind in ("listings", "orders", "stock"):
        commands.done("sync", kind, "Practice", "--now")
    return commands


def flask(*args: str, environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    """A command as a separate process; nothing of the test's environment but PATH reaches it."""
    return forked.run([*FLASK, *args], {"PATH": "/usr/bin:/bin", **environment})
