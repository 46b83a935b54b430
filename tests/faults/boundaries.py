"""The places where a process may die or the database may fail: round each commit and each request to a shop."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import psycopg
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from channels.guard import GuardedAdapter

PLACES = ("before commit", "after commit", "before request", "after the shop acted")
REQUESTS = ("before request", "after the shop acted")
COMMITS = ("before commit", "after commit")


class Crash(BaseException):
    """The process is gone: nothing of ours may run after this but what ends a transaction, which a dead one loses as well."""


class Broken:
    """Marks an error that the suite has made."""

    made_by_the_suite = True


class LockedSqlite(Broken, sqlite3.OperationalError):
    pass


class FullDisk(Broken, sqlite3.OperationalError):
    pass


class Deadlock(Broken, psycopg.errors.DeadlockDetected):
    pass


class FullServer(Broken, psycopg.errors.DiskFull):
    pass


class ServerGone(Broken, psycopg.errors.AdminShutdown):
    pass


DATABASE_ERRORS: dict[str, dict[str, Callable[[], Exception]]] = {
    "sqlite": {
        "database locked": lambda: LockedSqlite("database is locked"),
        "disk full": lambda: FullDisk("database or disk is full"),
    },
    "postgresql": {
        "database locked": lambda: Deadlock("deadlock detected"),
        "disk full": lambda: FullServer("could not extend file: No space left on device"),
        "database gone": lambda: ServerGone("terminating connection due to administrator command"),
    },
}


def made_by_the_suite(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(getattr(error, "orig", error), Broken):
            return True
        error = error.__cause__ or error.__context__
    return False


@dataclass
class Plan:
    """What happens at the ``count``-th of some places from now on."""

    places: tuple[str, ...]
    count: int
    act: Callable[[str], None]


class Boundaries:
    """Counts the places that are passed, and strikes where a plan says so. ``passed`` is by place, ``struck`` by what happened."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.plan: Plan | None = None
        self.watching = False

    def reset(self) -> None:
        self.plan, self.watching = None, False

    def crash(self, count: int, places: tuple[str, ...] = PLACES) -> None:
        def die(place: str) -> None:
            raise Crash(place)

        self.plan = Plan(places, count, die)

    def fail_commit(self, count: int, make: Callable[[], Exception], *, after: bool = False) -> None:
        """A commit that fails, or (``after``) one that is made and whose answer is lost."""

        def fail(place: str) -> None:
            raise OperationalError("COMMIT", {}, make())

        self.plan = Plan(("after commit",) if after else ("before commit",), count, fail)

    def meanwhile(self, count: int, act: Callable[[], None]) -> None:
        """Something else happens while a request is on its way."""
        self.plan = Plan(REQUESTS, count, lambda place: act())

    def at(self, place: str) -> None:
        if not self.watching:
            return
        self.passed[place] += 1
        plan = self.plan
        if plan is None or place not in plan.places:
            return
        plan.count -= 1
        if plan.count <= 0:
            self.plan = None
            plan.act(place)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What runs inside is what may be struck."""
        before, self.watching = self.watching, True
        try:
            yield
        finally:
            self.watching = before


@contextmanager
def hooked(boundaries: Boundaries) -> Iterator[None]:
    """Every commit and every request of this process passes the boundaries."""
    commit, send = Session.commit, GuardedAdapter.send

    def watched_commit(session: Session) -> None:
        boundaries.at("before commit")
        commit(session)
        boundaries.at("after commit")

    def watched_send(adapter: GuardedAdapter, *args: Any, **kwargs: Any) -> Any:
        boundaries.at("before request")
        answer = send(adapter, *args, **kwargs)
        boundaries.at("after the shop acted")
        return answer

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(Session, "commit", watched_commit))
        stack.enter_context(mock.patch.object(GuardedAdapter, "send", watched_send))
        yield
