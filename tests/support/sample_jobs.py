"""Jobs for the tests of the worker itself. They leave notes in a file, as nothing else would be seen from outside."""

from __future__ import annotations

import os
import time
from pathlib import Path

from flask import current_app
from sqlalchemy import text

from extensions import db
from jobs.signals import stopping


def note(path: str, words: str) -> None:
    """Prove that the job has its own application and database."""
    tables = db.session.scalar(text("select count(*) from integration"))
    Path(path).write_text(f"{words} in {current_app.name} with {tables} integrations", encoding="utf-8")


def pages(path: str, listen: bool = True) -> None:
    """Work on and on; ``listen`` is to pause when asked. Bounded at a minute."""
    Path(path).write_text(f"started {os.getpid()}", encoding="utf-8")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if listen and stopping():
            Path(path).write_text(f"paused {os.getpid()}", encoding="utf-8")
            return
        time.sleep(0.05)
