"""How long to wait before the next try of something that has failed."""

from __future__ import annotations

import random
from datetime import timedelta

MOST_ASKED = 3600.0
"""Seconds. A shop may ask for more time than we would give it, up to this."""


def wait_for(tries: int, *, first: float, most: float, asked: float | None = None) -> timedelta:
    """The wait after so many failures in a row: ``first`` seconds, then twice as long each time, up to ``most``; up to a fifth
    shorter by chance, so that what failed together is not tried again together. ``asked`` is the wait that the shop asked for."""
    wait = min(most, first * 2 ** min(max(tries, 1) - 1, 20)) * random.uniform(0.8, 1.0)
    return timedelta(seconds=max(wait, min(asked or 0.0, MOST_ASKED)))
