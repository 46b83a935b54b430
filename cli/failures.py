"""Errors of commands: one line on standard error and exit code 1. Tracebacks go to ``errors.log``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from flask.cli import AppGroup, ScriptInfo
from sqlalchemy.exc import DBAPIError

import logs
from cli.actors import actor
from cli.output import printable
from errors import AppError, ConfigError
from extensions import acting
from services.common import database_trouble

P = ParamSpec("P")
R = TypeVar("R")

NO_TABLES = "The database has no tables yet, or old ones. Start `make run` once, or use `flask --app app db upgrade`."
UNUSABLE = "The input contains invalid characters. Type it again."
NO_ANSWER = "The database does not answer. Start it, or check DATABASE_URL."

logger = logging.getLogger(__name__)


class Failed(click.ClickException):
    """Ends a command with exit code 1 and this one line."""

    def __init__(self, sentence: str):
        super().__init__(printable(sentence))

    def show(self, file: Any = None) -> None:
        click.echo(self.message, err=True)


def note(sentence: str) -> None:
    """Write a remark to standard error."""
    click.echo(printable(sentence), err=True)


class Group(AppGroup):
    """A group of commands whose errors end in one sentence, and whose log goes to ``errors.log`` in the instance folder."""

    def invoke(self, ctx: click.Context) -> Any:
        log = Path(ctx.ensure_object(ScriptInfo).load_app().instance_path) / "errors.log"
        with log_kept_in(log), acting(actor(), "command"):
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
                raise
            except AppError as error:
                raise Failed(error.sentence()) from error
            except DBAPIError as error:
                raise Failed(database_sentence(error) or unexpected(error, log)) from error
            except Exception as error:
                raise Failed(UNUSABLE if is_unusable(error) else unexpected(error, log)) from error

    def renamed(self, old: str, new: str) -> None:
        """Keep the former name of a command for one version: it works as before and names its replacement."""
        command = copy(self.commands[new])
        act = command.callback

        def act_and_tell(*args: Any, **kwargs: Any) -> Any:
            note(f"`{self.name} {old}` is called `{self.name} {new}` now.")
            return act(*args, **kwargs) if act is not None else None

        command.name, command.hidden, command.callback = old, True, act_and_tell
        self.add_command(command, old)


def is_unusable(error: Exception) -> bool:
    """Whether no database can store the input: bytes that are not UTF-8 arrive here as lone surrogates."""
    return isinstance(error, UnicodeEncodeError) or isinstance(getattr(error, "orig", None), UnicodeEncodeError)


def ends_commands(make: Callable[P, R]) -> Callable[P, R]:
    """Let a ConfigError of the application factory end a ``flask`` command with its sentence.

    ``flask`` makes the application before it knows the command, outside every group of ours, and shows a traceback of
    whatever it does not expect there. All others (gunicorn, the workers, tests) gets the ConfigError itself."""

    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return make(*args, **kwargs)
        except ConfigError as error:
            if click.get_current_context(silent=True) is None:
                raise
            raise SystemExit(printable(error.sentence())) from None

    return made


def database_sentence(error: DBAPIError) -> str:
    """What to do about a database that cannot be used; empty if the reason is not a known one."""
    state = getattr(error.orig, "sqlstate", None)
    message = str(error.orig).lower()
    if state in ("42P01", "42703") or message.startswith(("no such table", "no such column")) or "has no column named" in message:
        return NO_TABLES
    trouble = database_trouble.named(error)
    if (
        trouble is not None
        and trouble.message in (database_trouble.DISK_FULL, database_trouble.DAMAGED)
        and "not a" not in message
    ):
        return trouble.sentence()
    if message.startswith("unable to open database file"):
        return "The database file cannot be opened. Start `make run` once, which makes it, or check DATABASE_URL."
    if message.startswith("file is not a database"):
        return "The database file is not an SQLite database. Check DATABASE_URL, or restore it from your backup."
    if message.startswith("attempt to write a readonly database"):
        return "The database file may be read but not written. Run the command as the user who owns it."
    if message.startswith("database is locked"):
        return "The database is busy. Try again in a moment."
    # A connection that never came about has no state; class 08 and 57 are connections and servers going away.
    if type(error.orig).__name__ == "OperationalError" and hasattr(error.orig, "sqlstate"):
        return NO_ANSWER if state is None or state.startswith(("08", "57", "28", "3D")) else ""
    return ""


def unexpected(error: Exception, log: Path) -> str:
    """Log an unexpected error. Returns the sentence that says where to find it."""
    logger.error("A command failed with an unexpected error.", exc_info=error)
    return f"Something went wrong that Cartlink did not foresee ({type(error).__name__}). The details are in {log}."


@contextmanager
def log_kept_in(path: Path) -> Iterator[None]:
    """Log warnings and errors to a file while a command runs: its standard error is for one sentence to the user."""
    root = logging.getLogger()
    before = root.handlers[:]
    handler = _OwnersLog(path, encoding="utf-8", delay=True)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logs.TextFormatter())
    root.handlers = [handler]
    try:
        yield
    finally:
        root.handlers = before
        handler.close()


class _OwnersLog(logging.FileHandler):
    """A log file that only its owner may read, created with the first record. Errors of writing are ignored."""

    def _open(self) -> Any:
        path = Path(self.baseFilename)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
        return super()._open()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk must not turn a command's sentence into a traceback."""
