"""What a failed statement means for a person: too slow, disk full, file damaged, or no database."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from config import current_config
from errors import AppError
from extensions import reading

TOO_SLOW = "The list takes too long."
DISK_FULL = "The disk is full, so nothing can be saved."
FREE_THE_DISK = "Delete files that are not needed, or make the disk larger. Cartlink continues automatically."
DAMAGED = "The database file is damaged."
RESTORE = "Stop Cartlink and restore the last backup with `flask backup restore`."
PROBE_BYTES = 64 * 1024
FULL = (errno.ENOSPC, errno.EDQUOT)


class DatabaseTrouble(AppError):
    """A statement failed for a reason that a person can fix. ``title`` is the page's."""

    status = 503
    code = "database"

    def __init__(self, message: str, advice: str, title: str):
        super().__init__(message, advice)
        self.title = title


def named(error: DBAPIError) -> DatabaseTrouble | None:
    """The trouble behind a failed statement; None for a fault of Cartlink."""
    said, state = str(error.orig).lower(), getattr(error.orig, "sqlstate", None) or ""
    if state == "57014" or said == "interrupted":
        return DatabaseTrouble(TOO_SLOW, "Choose one shop or a shorter time, or search for less.", "That takes too long")
    if state == "53100" or "disk is full" in said:
        return DatabaseTrouble(DISK_FULL, FREE_THE_DISK, "The disk is full")
    if "malformed" in said or "not a database" in said or state.startswith("XX"):
        return DatabaseTrouble(DAMAGED, RESTORE, "The database is damaged")
    if "database is locked" in said:
        return DatabaseTrouble("The database is busy.", "Try again in a minute.", "The database is busy")
    if error.connection_invalidated or "unable to open" in said or "disk i/o error" in said or _cannot_connect(error, state):
        return DatabaseTrouble(
            "The database does not answer.",
            "Try again in a minute. If it lasts, ask the person who runs Cartlink to start it.",
            "The database is away",
        )
    return None


def _cannot_connect(error: DBAPIError, state: str) -> bool:
    """PostgreSQL away, starting or stopping. A connection that was never made has no state."""
    return state.startswith(("08", "57P", "53")) or (
        error.statement is None and type(error.orig).__module__.startswith("psycopg")
    )


def damage() -> str:
    """What SQLite's ``quick_check`` finds wrong with its file; empty if it finds nothing."""
    try:
        with reading() as session:
            found = session.scalar(text("PRAGMA quick_check(1)"))
    except DBAPIError as error:
        found = str(error.orig)
    return "" if found == "ok" else " ".join(str(found).split())[:150]


def disk_is_full(engine: Engine) -> bool:
    """Whether the disk with the SQLite file or the instance folder is full. Writes a small file and removes it, because quotas count
    too."""
    folders = {Path(current_config().instance)}
    if engine.dialect.name == "sqlite" and engine.url.database:
        folders.add(Path(engine.url.database).parent)
    return any(_is_full(folder) for folder in folders if folder.is_dir())


def _is_full(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as cause:
        return cause.errno in FULL
    return False
