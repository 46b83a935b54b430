"""Passwords: what may be one, how it is kept (argon2id), and how it is checked in the same time whoever asks."""

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
"""zxcvbn's score below which a password falls to a patient guesser: fewer than 10⁸ tries."""
JUDGED = 72
"""zxcvbn takes long over long words, and what is this long without being a repetition is good enough."""

# OWASP's choice where many may sign in at once: 19 MiB for each, instead of the library's 64.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def check_new_password(password: str, *known: str) -> str:
    """The password in the form in which it is kept. ``known`` is what a guesser knows of its owner.

    Raises InvalidInput with what is wrong with it. There are no rules about kinds of characters: length and being hard to
    guess count (NIST SP 800-63B)."""
    password = normalised(password)
    if len(password) < SHORTEST:
        raise InvalidInput(
            f"The password has {len(password)} characters; it needs at least {SHORTEST}.",
            "Several words make a good one.",
            "password",
        )
    if len(password) > LONGEST:
        raise InvalidInput(f"The password is longer than {LONGEST} characters.", "Choose a shorter one.", "password")
    # Its lists of words take 13 MB, which a worker has no use for.
    from zxcvbn import zxcvbn

    words = [word for name in known for word in (name, *re.split(r"[\W_]+", name)) if len(word) > 2]
    if zxcvbn(password[:JUDGED], user_inputs=["cartlink", "x-cart", *words])["score"] < GUESSABLE:
        raise InvalidInput(
            "That password is easy to guess.",
            "Avoid names, dates, rows of keys and well-known passwords; add a word or two.",
            "password",
        )
    return password


def normalised(password: str) -> str:
    """One form for what looks the same, whatever keyboard it was typed on."""
    return unicodedata.normalize("NFKC", password)


def hash_password(password: str) -> str:
    """argon2id with its parameters and a salt of its own, as text."""
    return _HASHER.hash(normalised(password))


def is_right(stored: str, password: str) -> bool:
    """Whether this is the password of ``stored``. Where there is none (empty) it takes as long to say no."""
    try:
        _HASHER.verify(stored or _hash_of_nobody(), normalised(password)[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return bool(stored)


@cache
def _hash_of_nobody() -> str:
    return _HASHER.hash("nobody")


def is_outdated(stored: str) -> bool:
    """Whether it was hashed with other parameters than those of today."""
    return _HASHER.check_needs_rehash(stored)
