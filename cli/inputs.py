"""What a person typed, and what lies in the files a person names."""

from __future__ import annotations

import getpass
import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from cli.output import printable
from errors import InvalidInput

MOST_KEY_BYTES = 4096
MOST_FILE_BYTES = 32 * 1024 * 1024


def actor() -> str:
    """Who started what this command starts: ``cli:`` and the login name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that no name belongs to.
        name = str(os.getuid())
    return f"cli:{printable(name) or 'unknown'}"[:100]


def read_key(path: str) -> str:
    """The API key in a file, or from standard input for ``-``. A terminal asks for it without showing it.

    Raises InvalidInput where there is none, or more than one line."""
    if path == "-" and sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt("API key", hide_input=True, err=True))
    key = _decoded(path, _read(path, MOST_KEY_BYTES)).lstrip("\ufeff").strip()
    if not key:
        raise InvalidInput(f"{_named(path)} holds no API key.", "Copy the value of 'API key (read/write)' from the shop into it.")
    if not key.isprintable():
        raise InvalidInput(f"{_named(path)} holds more than an API key.", "Keep nothing but the key in it, on one line.")
    return key


def read_password(path: str) -> str:
    """The password in a file, or from standard input for ``-``. A terminal asks for it twice without showing it.

    Raises InvalidInput where there is none, or more than one line."""
    if path == "-" and sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    password = _decoded(path, _read(path, MOST_KEY_BYTES)).removesuffix("\n").removesuffix("\r")
    if not password or "\n" in password:
        raise InvalidInput(f"{_named(path)} has to hold a password on one line, and nothing else.")
    return password


def read_lines(path: str) -> Iterable[str]:
    """The lines of a text file, or of standard input for ``-``, with their ends. Raises InvalidInput."""
    words = _decoded(path, _read(path, MOST_FILE_BYTES))
    if "\0" in words:
        raise InvalidInput(f"{_named(path)} is not a text file.", "Save it as CSV in UTF-8 and try again.")
    return io.StringIO(words, newline="")


def whole_number(words: str) -> int:
    """Raises InvalidInput. What range is allowed is the service's to say."""
    words = words.strip()
    digits = words.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 20:
        raise InvalidInput(f"{words[:40]!r} is not a quantity.", "Use a whole number such as 12.", field="quantity")
    return int(words)


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
