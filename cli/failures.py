"""What went wrong, as one line on standard error and exit code 1. Never a traceback: those go to ``errors.log``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from flask.cli import AppGroup, ScriptInfo
from sqlalchemy.exc import DBAPIError

import logs
from cli.output import printable
from errors import AppError, ConfigError

P = ParamSpec("P")
R = TypeVar("R")

NO_TABLES = "The database has no tables yet, or old ones. Start `make run` once, or use `flask --app app db upgrade`."
NO_ANSWER = "The database does not answer. Start it, or check DATABASE_URL."

logger = logging.getLogger(__name__)


class Failed(click.ClickException):
    """Ends a command with exit code 1 and this one line."""

    def __init__(self, sentence: str):
        super().__init__(printable(sentence))

    def show(self, file: Any = None) -> None:
        click.echo(self.message, err=True)


def note(sentence: str) -> None:
    """Say on standard error what is worth knowing though the command did what it was asked."""
    click.echo(printable(sentence), err=True)


class Group(AppGroup):
    """A group of commands whose errors end in one sentence, and whose log goes to ``errors.log`` in the instance folder."""

    def invoke(self, ctx: click.Context) -> Any:
        log = Path(ctx.ensure_object(ScriptInfo).load_app().instance_path) / "errors.log"
        with log_kept_in(log):
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
                raise
            except AppError as error:
                raise Failed(error.sentence()) from error
            except DBAPIError as error:
                raise Failed(database_sentence(error) or unexpected(error, log)) from error
            except Exception as error:
                raise Failed(unexpected(error, log)) from error


def ends_commands(make: Callable[P, R]) -> Callable[P, R]:
    """Let a ConfigError of the application factory end a ``flask`` command with its sentence.

    ``flask`` makes the application before it knows the command, outside every group of ours, and shows a traceback of
    whatever it does not expect there. Everybody else (gunicorn, the workers, tests) gets the ConfigError itself."""

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
    """What a person does about a database that cannot be used; empty where it is none of the usual reasons."""
    state = getattr(error.orig, "sqlstate", None)
    message = str(error.orig).lower()
    if state in ("42P01", "42703") or message.startswith(("no such table", "no such column")) or "has no column named" in message:
        return NO_TABLES
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
    """Log an error that nobody foresaw; answers with the sentence that says where."""
    logger.error("A command failed in a way nobody foresaw.", exc_info=error)
    return f"Something went wrong that Cartlink did not foresee ({type(error).__name__}). The details are in {log}."


@contextmanager
def log_kept_in(path: Path) -> Iterator[None]:
    """While a command runs, warnings and errors are logged to a file: its standard error is for one sentence to a person."""
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
    """A log file that only its owner may read, made when the first record comes. Where it cannot be written, nothing is."""

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
