"""Do a run in this process, with a progress bar on a terminal. Ctrl-C stops it cleanly."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import click
from flask import Flask, current_app

from models import SyncRun
from models.types import utcnow
from services.runs import lifecycle
from services.sync import execution

LOOK_EVERY = 0.5
"""Seconds between two checks of a run that a worker does."""


class Progress:
    """``report`` is for ``services.sync.execution.perform``. Shows nothing if standard error is not a terminal."""

    def __init__(self, label: str):
        self.label = label
        self.shown = sys.stderr.isatty()
        self.bar: Any = None

    def report(self, done: int, total: int | None) -> None:
        if not self.shown:
            return
        if not total:
            # The total may be unknown; then only the count is shown.
            click.echo(f"\r{self.label}: {done}", nl=False, err=True)
            return
        if self.bar is None:
            self.bar = click.progressbar(length=total, label=self.label, show_pos=True, file=sys.stderr)
        self.bar.length = max(total, done)
        self.bar.update(done - self.bar.pos)

    def close(self) -> None:
        if self.shown:
            if self.bar is not None:
                self.bar.render_finish()
            click.echo(err=True)


def perform(run_id: int, label: str) -> SyncRun:
    """Do a run until it is finished, or watch it if a worker does it already. Raises what ``services.sync.execution.perform`` does."""
    progress = Progress(label)
    try:
        with _first_interrupt_stops(run_id):
            while True:
                finished = execution.perform(run_id, report=progress.report)
                run = finished or lifecycle.find_run(run_id)
                if run.state == "finished":
                    return run
                if run.lease_until is not None and run.lease_until + timedelta(seconds=1) < utcnow():
                    lifecycle.release_dead_runs()
                    continue
                progress.report(run.done, run.total)
                time.sleep(LOOK_EVERY)
    finally:
        progress.close()


@contextmanager
def _first_interrupt_stops(run_id: int) -> Iterator[None]:
    """The first Ctrl-C stops the run before its next request, with its last page saved. The second ends it at once."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    asking: list[threading.Thread] = []

    def ask(number: int, frame: Any) -> None:
        if asking:
            raise KeyboardInterrupt
        os.write(2, b"\nStopping before the next request. Ctrl-C again stops at once.\n")
        # The interrupted code may be in a transaction, so this waits in another thread.
        asking.append(threading.Thread(target=_request_stop, args=(app, run_id), daemon=True))
        asking[0].start()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _request_stop(app: Flask, run_id: int) -> None:
    with app.app_context():
        lifecycle.request_stop(run_id)
