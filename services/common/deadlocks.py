"""Deadlocks: on PostgreSQL two transactions that wait for each other, on SQLite one that has waited too long for the other.

They are rare, because rows are locked in one order: stock items (by id), orders, listings, integrations, flows, the shop, the run.
Code that writes a linked listing holds the locks of its stock items. A transaction that fails is rolled back as a whole and retried.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError, StatementError

P = ParamSpec("P")
R = TypeVar("R")

TRIES = 4


def is_deadlock(error: BaseException) -> bool:
    """Whether a transaction failed only because of another one: a retry may succeed."""
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return state in ("40P01", "40001") or str(error.orig).startswith("database is locked")


def is_bad_data(error: BaseException) -> bool:
    """Whether a transaction failed because of the values it stores: a retry with the same values fails again. A lock, a lost
    connection or a full disk is something else."""
    if isinstance(error, (OperationalError, InterfaceError, InternalError)):
        return False
    return isinstance(error, (StatementError, ValueError, ArithmeticError, RecursionError))


def retry_on_deadlock(act: Callable[P, R]) -> Callable[P, R]:
    """Retry a function a few times if it meets a deadlock. For functions that are one transaction, or several that may each be
    repeated."""

    @wraps(act)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> R:
        for turn in range(TRIES - 1):
            try:
                return act(*args, **kwargs)
            except OperationalError as error:
                if not is_deadlock(error):
                    raise
            time.sleep(random.uniform(0.02, 0.1) * 2**turn)
        return act(*args, **kwargs)

    return repeated
