"""Limit how much expensive work one process does at a time: a number for each user, and one for all together."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from errors import TooMany


class Gate:
    """Counts who is inside. ``own`` and ``others`` are what a user who has to wait sees: a sentence and an advice each."""

    def __init__(self, each: int, most: int, own: tuple[str, str], others: tuple[str, str], retry_after: int):
        self.each, self.most, self.own, self.others, self.retry_after = each, most, own, others, retry_after
        self._lock = threading.Lock()
        self._inside: Counter[int] = Counter()

    def enter(self, person: int) -> Callable[[], None]:
        """Take a place. Returns the function that frees it; calling that twice is harmless. Raises TooMany."""
        with self._lock:
            if self._inside[person] >= self.each:
                raise TooMany(*self.own, self.retry_after)
            if self._inside.total() >= self.most:
                raise TooMany(*self.others, self.retry_after)
            self._inside[person] += 1
        left = threading.Event()

        def leave() -> None:
            with self._lock:
                if not left.is_set():
                    left.set()
                    self._inside[person] -= 1
                    if not self._inside[person]:
                        del self._inside[person]

        return leave

    @contextmanager
    def place(self, person: int) -> Iterator[None]:
        """A place for the time of a block. Raises TooMany."""
        leave = self.enter(person)
        try:
            yield
        finally:
            leave()


SEARCHES = Gate(
    2, 4,
    ("Two requests of yours that read many rows are still running.", "Wait until they have finished, then try again."),
    ("Other users are reading many rows at the moment.", "Try again in a few seconds."),
    2,
)  # fmt: skip
"""Searches, reports and other pages that read many rows: two at a time for each user, four for each process, pages and programs together. One
user could otherwise occupy every thread of the page server."""
PROGRAMS = Gate(
    4, 6,
    ("Four requests of this user are in progress.", "Send fewer at a time."),
    ("Other programs are sending many requests at the moment.", "Try again in a second."),
    1,
)  # fmt: skip
"""Requests to the API. The page server has eight threads unless WEB_THREADS says otherwise: two remain for pages."""
