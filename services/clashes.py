"""Transactions that stood in each other's way: on PostgreSQL two that wait for each other, on SQLite one that waited in vain.

The order in which rows are locked keeps this rare: stock items (by id), orders, listings, integrations, the shop, the run. Whoever
writes a listing that is linked holds the lock of its stock items. What is left over was rolled back whole and is done again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import OperationalError

P = ParamSpec("P")
R = TypeVar("R")

TRIES = 4


def is_clash(error: BaseException) -> bool:
    """Whether a transaction failed only because of another one: done again, it may succeed."""
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return state in ("40P01", "40001") or str(error.orig).startswith("database is locked")


def done_again(act: Callable[P, R]) -> Callable[P, R]:
    """Do an act again, a few times, whose transaction clashed with another. For acts that are one transaction, or several of
    which each may be repeated."""

    @wraps(act)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> R:
        for turn in range(TRIES - 1):
            try:
                return act(*args, **kwargs)
            except OperationalError as error:
                if not is_clash(error):
                    raise
            time.sleep(random.uniform(0.02, 0.1) * 2**turn)
        return act(*args, **kwargs)

    return repeated
