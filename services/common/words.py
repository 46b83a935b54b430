"""Text as words that can be compared: without case, accents and punctuation. The same on every database, because it happens here."""

from __future__ import annotations

import re
from unicodedata import category, normalize

LONGEST = 64
"""Characters of a word that are compared."""
_ASCII = re.compile(r"[a-z0-9]+")
_OTHER = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ŧ": "t", "æ": "ae", "œ": "oe", "ı": "i", "ŋ": "n", "ĸ": "k"}
)
"""Latin letters that Unicode does not take apart into a letter and an accent."""


def words_of(text: str) -> list[str]:
    """The words of a text in its order: ``O'Brién-42`` is ``o``, ``brien``, ``42``. Letters and digits of any script make words, all
    else separates them."""
    if text.isascii():
        return [word[:LONGEST] for word in _ASCII.findall(text.lower())]
    plain = normalize("NFKD", normalize("NFKD", text).casefold()).translate(_OTHER)
    spaced = "".join(char if char.isalnum() else " " for char in plain if not category(char).startswith(("M", "Cf")))
    return [word[:LONGEST] for word in spaced.split()]
