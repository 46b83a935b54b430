"""Input of commands: options, and the files they name."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cli.failures import Failed, note
from errors import InvalidInput
from services.common import whole_numbers

MOST_KEY_BYTES = 4096
MOST_FILE_BYTES = 32 * 1024 * 1024


class RowId(click.ParamType):
    """The id of something that Cartlink keeps. ``what`` it is, and where to find the ids, is said about any other text."""

    name = "id"

    def __init__(self, what: str, advice: str) -> None:
        self.what, self.advice = what, advice

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = whole_numbers.parse(value) if isinstance(value, str) else value
        if number is None or not 0 < number < 2**31:
            self.fail(f"{value[:40]!r} is not the id of {self.what}. {self.advice}", param, ctx)
        return int(number)


class ChoiceWithFormerNames(click.Choice[str]):
    """A choice that takes values by their former names too, and names the replacement. ``former`` is old value -> new value."""

    def __init__(self, choices: Sequence[str], former: Mapping[str, str]) -> None:
        super().__init__(choices)
        self.former = former

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value in self.former:
            note(f"`{value}` is called `{self.former[value]}` now.")
        return super().convert(self.former.get(value, value), param, ctx)


yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def agree(yes: bool, question: str, refused: str = "Nothing was removed.") -> None:
    """Ask before something is removed for good, unless ``yes``. ``question`` says what will be gone, and ``refused`` that it is still there.
    Raises Failed for any answer but yes, and where there is none."""
    try:
        if not yes and sys.stdin is None:
            raise click.Abort  # Closed, as some programs start commands: click does not expect that.
        if yes or click.confirm(question, err=True):
            return
    except click.Abort:
        raise Failed(f"{refused} There was no answer. Use --yes to skip the question.") from None
    raise Failed(refused)


def read_key(path: str) -> str:
    """Read the API key from a file, or from standard input for ``-``. A terminal asks for it without showing it.

    Raises InvalidInput if there is none, or more than one line."""
    if path == "-" and sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt("API key", hide_input=True, err=True))
    key = _decoded(path, _read(path, MOST_KEY_BYTES)).lstrip("\ufeff").strip()
    if not key:
        raise InvalidInput(
            f"{_named(path)} contains no API key.", "Copy the value of 'API key (read/write)' from the shop into it."
        )
    if not key.isprintable():
        raise InvalidInput(f"{_named(path)} contains more than an API key.", "Put only the key into it, on one line.")
    return key


def read_password(path: str) -> str:
    """Read the password from a file, or from standard input for ``-``. A terminal asks for it twice without showing it.

    Raises InvalidInput if there is none, or more than one line."""
    if path == "-" and sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    password = _decoded(path, _read(path, MOST_KEY_BYTES)).removesuffix("\n").removesuffix("\r")
    if not password or "\n" in password:
        raise InvalidInput(f"{_named(path)} has to contain a password on one line, and nothing else.")
    return password


def read_secret(path: str) -> str:
    """Read a password, token, key or private key from a file, or from standard input for ``-``. A terminal asks for it without showing it.

    Raises InvalidInput if there is none."""
    if path == "-" and sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt("Password, token or key", hide_input=True, err=True))
    secret = _decoded(path, _read(path, 20_000)).lstrip("\ufeff").strip()
    if not secret:
        raise InvalidInput(f"{_named(path)} is empty.", "Put the password, token or key into it.")
    return secret


def read_content(path: str) -> bytes:
    """What is in a file, or on standard input for ``-``. Raises InvalidInput."""
    return _read(path, MOST_FILE_BYTES)


def _read(path: str, most: int) -> bytes:
    """Raises InvalidInput for what cannot be read or is too large."""
    try:
        if path == "-":
            content = sys.stdin.buffer.read(most + 1) if sys.stdin is not None else b""
        else:
            with Path(path).open("rb") as file:
                content = file.read(most + 1)
    except FileNotFoundError:
        raise InvalidInput(f"There is no file {path}.") from None
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or "its name is not possible"
        raise InvalidInput(f"{_named(path)} cannot be read: {reason}.") from None
    if len(content) > most:
        raise InvalidInput(f"{_named(path)} is too large: more than {most} bytes.")
    return content


def _decoded(path: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(f"{_named(path)} is not UTF-8 text.", "Save it as UTF-8 (in a spreadsheet: CSV UTF-8).") from None


def _named(path: str) -> str:
    return "Standard input" if path == "-" else f"The file {path}"
