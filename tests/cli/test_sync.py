"""Sync: on the queue, or here and now, with a progress bar on a terminal and a Ctrl-C that loses nothing."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

import jobs
from services.runs import lifecycle
from tests.cli.conftest import flask
from tests.support.processes import ROOT, wait_until


@pytest.fixture
def added(commands, practice, key_file):
    """The practice shop added, none of its runs done."""
    commands.done(
        "integrations", "add", "--name", "Practice", "--endpoint", practice.url, "--key-file", key_file, "--since", "2020-01-01"
    )
    return commands


def test_a_run_is_put_on_the_queue_and_its_id_printed(connected):
    said = connected.done("sync", "orders", "practice")
    run = connected.rows("runs", "list", "--limit", "1")[0]
    assert said == f"{run['id']}\n"
    assert run["state"] == "queued"
    assert {"run_id": run["id"]} in [job.kwargs for job in jobs.queue("sync").jobs]
    assert connected.refused("sync", "orders", "Practice") == f"Practice: orders are being synced already (run {run['id']})."


@pytest.mark.config(redis_url="redis://127.0.0.1:1")
def test_a_queue_that_is_away_keeps_the_run(added):
    for run in added.rows("runs", "list"):
        added.done("runs", "stop", str(run["id"]))
    assert added.refused("sync", "orders", "Practice") == (
        "The queue does not answer. The run is saved and starts when the queue is back. Try again in a minute. If it lasts, "
        "ask the person who runs Cartlink to start the queue."
    )
    assert added.rows("runs", "list", "--state", "queued")[0]["kind"] == "orders"
    assert added.done("sync", "orders", "Practice", "--now").endswith("requests.\n")


@pytest.mark.both_databases
def test_now_takes_the_waiting_run_and_does_it_here(added, practice):
    waiting = next(run["id"] for run in added.rows("runs", "list") if run["kind"] == "orders")
    said = added.done("sync", "orders", "Practice", "--now")
    assert said == f"Run {waiting} (orders): done; 50 new, 6 held; 2 requests.\n"
    assert added.call("sync", "orders", "Practice", "--now").stderr == ""


def test_now_says_why_a_run_failed(added, practice):
    practice.key = "another key than before"
    result = added.call("sync", "orders", "Practice", "--now")
    assert result.exit_code == 1
    assert "failed" in result.stdout
    assert len(result.stderr.splitlines()) == 1
    assert "API key" in result.stderr
    assert practice.key not in result.output


def test_now_is_not_done_where_a_row_was_refused(connected, practice):
    item = next(row for row in connected.rows("stock", "list") if practice.store.product_by_sku(row["sku"]))
    connected.done("stock", "set", item["sku"], str(item["on_hand"] + 5))
    practice.faults.add("old_data", True)
    result = connected.call("sync", "stock", "Practice", "--now")
    practice.faults.clear()
    assert result.exit_code in (0, 1)
    assert len(result.stderr.splitlines()) == result.exit_code


@pytest.mark.long
def test_now_watches_a_run_that_a_worker_has(added, practice, environment):
    """Two commands at once: one works, the other waits for the same run to end."""
    # On a busy machine one command may begin several seconds after the other, and has to find its run unfinished.
    practice.faults.add("latency_ms", 2500)
    command = [sys.executable, "-m", "flask", "--app", "app", "sync", "orders", "Practice", "--now"]
    both = [
        subprocess.Popen(
            command, cwd=ROOT, env={"PATH": "/usr/bin:/bin", **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=180) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert len(added.rows("orders", "list")) == 50
    said = {output.split(b";")[0] for output, _ in outputs}
    assert len(said) == 1, said


@pytest.mark.config(lease_seconds=2)
def test_now_takes_over_from_a_worker_that_died(added):
    run_id = next(run["id"] for run in added.rows("runs", "list") if run["kind"] == "orders")
    lifecycle.claim(run_id)
    result = added.call("sync", "orders", "Practice", "--now")
    assert result.exit_code == 1
    assert "the next run continues from the last saved page" in result.stderr
    added.done("sync", "orders", "Practice", "--now")
    assert len(added.rows("orders", "list")) == 50


@pytest.mark.config(order_page_size=5)
@pytest.mark.long
def test_a_terminal_sees_a_progress_bar_or_a_count(added, practice, environment):
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app", "sync", "orders", "Practice", "--now"],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin", "TERM": "xterm", **environment}, stdout=subprocess.PIPE, stderr=terminal,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while chunk := read(master):
        shown += chunk
    assert process.wait(60) == 0
    assert b"Practice: orders" in shown
    assert b"50" in shown
    assert b"Traceback" not in shown
    process.stdout.close()
    os.close(master)


def read(terminal: int) -> bytes:
    """What came next on a terminal; empty when the other side has closed it."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


@pytest.mark.config(order_page_size=5)
@pytest.mark.long
def test_ctrl_c_stops_before_the_next_request_with_the_pages_saved(added, practice, environment):
    practice.faults.add("latency_ms", 1500)
    practice.clear_requests()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app", "sync", "orders", "Practice", "--now"],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin", **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    # Two pages are stored when the third is asked for; ten come in 15 seconds.
    wait_until(lambda: sum("_path=order" in entry["target"] for entry in practice.requests) > 2, 60, "the third page")
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert error.splitlines()[-1] == b"The run was stopped."
    assert b"Traceback" not in error
    run = next(run for run in added.rows("runs", "list") if run["kind"] == "orders")
    assert (run["state"], run["outcome"]) == ("finished", "stopped")
    assert 5 <= len(added.rows("orders", "list")) < 50
    practice.faults.clear()
    added.done("sync", "orders", "Practice", "--now")
    assert len(added.rows("orders", "list")) == 50


def test_exit_codes_of_the_whole_way(environment, practice, key_file, app):
    """As a script would do it: processes of their own, nothing in common but the database and the queue."""
    steps = [
        (
            [
                "integrations",
                "add",
                "--name",
                "Practice",
                "--endpoint",
                practice.url,
                "--key-file",
                key_file,
                "--since",
                "2020-01-01",
            ],
            0,
        ),
        (["sync", "orders", "Practice", "--now"], 0),
        (["orders", "list", "--json"], 0),
        (["sync", "orders", "Nobody"], 1),
    ]
    results = []
    for command, code in steps:
        result = flask(*command, environment=environment)
        assert result.returncode == code, (command, result)
        results.append(result)
    assert len(results[2].stdout.splitlines()) == 50
    assert results[3].stdout == b""
    assert len(results[3].stderr.splitlines()) == 1
    assert all(result.stderr == b"" for result in results[:3])
