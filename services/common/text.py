"""Text on one line: what people type, names beside numbers, and numbers of things."""

from __future__ import annotations

import unicodedata

from errors import InvalidInput


def one_line(text: str, most: int, what: str, field: str) -> str:
    """The text on one line, with single spaces. ``what`` is what a person calls it ("name"), ``field`` the form's field.

    Raises InvalidInput for text of more than ``most`` characters, or with characters that cannot be shown."""
    text = " ".join(text.split())
    if len(text) > most:
        raise InvalidInput(f"The {what} is too long: {len(text)} characters, at most {most}.", field=field)
    if not text.isprintable():
        raise InvalidInput(f"The {what} holds characters that cannot be shown.", "Type it again.", field=field)
    return text


def isolated(text: str) -> str:
    """A text that others stand beside on one line, such as a name and a number. What is written from right to left gets marks that
    keep it apart: without them a number that follows it is shown on its wrong side."""
    return f"\u2068{text}\u2069" if any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text) else text


def plural(count: int, one: str, many: str = "") -> str:
    """``1 listing``, ``3 listings``. Pages have ``blueprints/labels.py: plural``, which writes the number in the reader's language."""
    return f"{count} {one if count == 1 else many or one + 's'}"
