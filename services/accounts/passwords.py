"""Passwords: the rules for new ones, hashing (argon2id), and a check that takes equally long for any name."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from errors import InvalidInput

SHORTEST = 12
LONGEST = 128
GUESSABLE = 3
"""zxcvbn's lowest accepted score. A password below it can be guessed in fewer than 10⁸ tries."""
CHECKED = 72
"""Characters that zxcvbn checks, because it is slow for long passwords."""

# OWASP's choice where many may sign in at once: 19 MiB for each, instead of the library's 64.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def check_new_password(password: str, *known: str) -> str:
    """The normalised password. ``known`` is what others know about its owner.

    Raises InvalidInput if it is too weak. There are no rules about kinds of characters: only length and being hard to
    guess count (NIST SP 800-63B)."""
    password = normalised(password)
    if len(password) < SHORTEST:
        raise InvalidInput(
            f"The password has {len(password)} characters; it needs at least {SHORTEST}.",
            "Use several words.",
            "password",
        )
    if len(password) > LONGEST:
        raise InvalidInput(f"The password is longer than {LONGEST} characters.", "Choose a shorter one.", "password")
    # Its word lists take 13 MB, which workers do not need.
    from zxcvbn import zxcvbn

    words = [word for name in known for word in (name, *re.split(r"[\W_]+", name)) if len(word) > 2]
    if zxcvbn(password[:CHECKED], user_inputs=["cartlink", "x-cart", *words])["score"] < GUESSABLE:
        raise InvalidInput(
            "That password is easy to guess.",
            "Avoid names, dates, rows of keys and well-known passwords; add a word or two.",
            "password",
        )
    return password


def normalised(password: str) -> str:
    """The normal form of text that looks the same (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def hash_password(password: str) -> str:
    """An argon2id hash with its parameters and salt, as text."""
    return _HASHER.hash(normalised(password))


def is_right(stored: str, password: str) -> bool:
    """Whether this is the password of ``stored``. An empty ``stored`` takes equally long."""
    try:
        _HASHER.verify(stored or _hash_of_nobody(), normalised(password)[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return bool(stored)


@cache
def _hash_of_nobody() -> str:
    return _HASHER.hash("nobody")


def is_outdated(stored: str) -> bool:
    """Whether it was hashed with other parameters than the present ones."""
    return _HASHER.check_needs_rehash(stored)
