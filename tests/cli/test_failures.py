"""Whatever goes wrong ends in one sentence and exit code 1, also where the application cannot even be made."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import insert

from cli.failures import log_kept_in
from extensions import writing
from models import Order
from tests.cli.conftest import flask
from tests.support.processes import ROOT
from tests.support.rows import PLACED, make_integration, make_order


def sentence(result: subprocess.CompletedProcess[bytes], code: int = 1) -> str:
    """The one line on standard error of a command that failed; nothing stands on standard output."""
    assert result.returncode == code, result
    assert result.stdout == b""
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("command", [["integrations", "list"], ["db", "upgrade"], ["--help"]])
@pytest.mark.sampled(1)
def test_without_settings_any_command_says_how_to_make_them(tmp_path, command):
    assert sentence(flask(*command, environment={"CARTLINK_INSTANCE": str(tmp_path)})) == (
        "SECRET_KEY is not set. Start with `make run`, which writes instance/settings.env, or set it in the environment."
    )


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SECRET_KEYS", "short", "A key in the keyring is not a Fernet key"),
        ("DATABASE_URL", "mysql://x", "DATABASE_URL has to start with"),
        ("LEASE_SECONDS", "soon", "LEASE_SECONDS has to be a whole number"),
        ("SECRET_KEYS_FILE", "/nowhere/keys", "The keyring /nowhere/keys cannot be read"),
    ],
)
@pytest.mark.sampled(1)
def test_a_setting_that_makes_no_sense_is_named(environment, variable, value, words):
    assert sentence(flask("integrations", "list", environment={**environment, variable: value})).startswith(words)


def test_a_database_without_tables_says_how_to_make_them(environment, tmp_path):
    url = f"sqlite:///{tmp_path / 'empty.sqlite'}"
    assert "flask --app app db upgrade" in sentence(flask("orders", "list", environment={**environment, "DATABASE_URL": url}))


def test_a_database_that_does_not_answer_is_named_without_its_password(environment):
    url = "postgresql://ann:hidden@127.0.0.1:1/cartlink"
    for command in (["integrations", "list"], ["db", "upgrade"]):
        said = sentence(flask(*command, environment={**environment, "DATABASE_URL": url}))
        assert said.startswith("The database does not answer.")
    assert "hidden" not in said


def test_a_database_in_a_folder_that_is_not_there(environment, tmp_path):
    url = f"sqlite:///{tmp_path / 'nowhere' / 'x.sqlite'}"
    assert sentence(flask("runs", "list", environment={**environment, "DATABASE_URL": url})).startswith(
        "The database file cannot be opened."
    )


def test_a_file_that_is_no_database(environment, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"these are notes, not a database, and there are quite a few of them\n" * 100)
    said = sentence(flask("runs", "list", environment={**environment, "DATABASE_URL": f"sqlite:///{path}"}))
    assert said.startswith("The database file is not an SQLite database.")


@pytest.mark.both_databases
@pytest.mark.parametrize("change", ["ALTER TABLE sync_run RENAME TO gone", "ALTER TABLE sync_run RENAME COLUMN kind TO gone"])
def test_missing_tables_and_columns_are_named_alike_on_both_databases(commands, db, change):
    with db.engine.begin() as connection:
        connection.exec_driver_sql(change)
    assert commands.refused("runs", "list", "--kind", "stock").startswith("The database has no tables yet, or old ones.")


@pytest.mark.parametrize(
    "command",
    [
        "orders list --state lost",
        "orders list --limit 0",
        "stock set A",
        "integrations nonsense",
        "runs show x",
        "integrations add --name x",
    ],
)
def test_wrong_usage_is_exit_code_2(commands, command):
    result = commands.call(*command.split())
    assert result.exit_code == 2
    assert "Error:" in result.stderr


def test_an_error_nobody_foresaw_is_logged_and_answered_with_one_sentence(commands, app, tmp_path):
    # A state no code writes: the money of this order has more decimals than can be shown.
    order = make_order(make_integration(), "7", [("A", 1)], decimals=-1)
    said = commands.refused("orders", "show", order.number)
    log = Path(app.instance_path) / "errors.log"
    assert said == f"Something went wrong that Cartlink did not foresee (ValueError). The details are in {log}."
    assert "Traceback" in log.read_text(encoding="utf-8")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_warnings_of_a_command_go_to_its_log_and_the_log_of_others_is_left_as_it_was(tmp_path, capsys):
    root = logging.getLogger()
    before = root.handlers[:]
    with log_kept_in(tmp_path / "inner" / "errors.log"):
        logging.getLogger("some.service").warning("the shop is slow")
        logging.getLogger("some.service").info("nothing to see")
    assert root.handlers == before
    words = (tmp_path / "inner" / "errors.log").read_text(encoding="utf-8")
    assert "the shop is slow" in words
    assert "nothing to see" not in words
    assert capsys.readouterr().err == ""


def test_a_log_that_cannot_be_written_changes_nothing_for_the_person(commands, app):
    order = make_order(make_integration(), "7", [("A", 1)], decimals=-1)
    Path(app.instance_path).parent.mkdir(parents=True, exist_ok=True)
    Path(app.instance_path).write_text("in the way", encoding="utf-8")
    assert commands.refused("orders", "show", order.number).startswith("Something went wrong")


def test_a_reader_who_goes_away_is_no_error(app, environment):
    shop_id = make_integration().shop_id
    with writing() as session:
        row = {"shop_id": shop_id, "placed_at": PLACED, "changed_at": PLACED, "note": "x" * 200}
        session.execute(insert(Order), [{**row, "external_id": str(number)} for number in range(2000)])
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app", "orders", "list", "--json"],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin", **environment}, stdout=write, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    assert os.read(read, 10)
    os.close(read)
    _, error = process.communicate(timeout=60)
    assert error == b""
