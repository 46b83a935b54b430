"""Read a whole number that a person typed: the one parser for pages, commands and files."""

from __future__ import annotations

from errors import InvalidInput

MOST = 2**31 - 1
"""The largest number that a column of the database holds."""


def parse(text: str, most: int = MOST) -> int | None:
    """The number, or None if the text is not a whole number from 0 to ``most``."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) + 8):
        return None
    number = int(text)
    return number if number <= most else None


def read(text: str, field: str = "", noun: str = "quantity") -> int:
    """The number; values above what a column holds are for the caller to refuse. Raises InvalidInput."""
    text = text.strip()
    if not text:
        raise InvalidInput(f"Enter a {noun}.", "Use a whole number such as 12.", field=field)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        raise InvalidInput(f"{text[:40]!r} is not a {noun}.", "Use a whole number such as 12.", field=field)
    return int(text)
