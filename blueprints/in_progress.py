"""Let pages go before files: while a page is answered, this process makes no further piece of a file, for ``LONGEST_WAIT`` at most.

The threads of a process share one interpreter. A file takes it for as long as it may, and a page, which gives it back at each answer of the
database, waited for both files each time: two downloads made every page three to six times slower.
"""

from __future__ import annotations

import threading
import time

from flask import Flask, g

LONGEST_WAIT = 0.25
"""Seconds for each piece of a file, so that files also get on beside a page that takes long, or beside many pages."""
QUIET = 0.05
"""Seconds without a page before a file goes on. Pages come in groups: one asks for its parts, and a script for page after page."""


class InProgress:
    """Counts the requests that are answered at the moment."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._last_end = 0.0

    def begin(self) -> None:
        with self._changed:
            self._count += 1

    def end(self) -> None:
        with self._changed:
            self._last_end = time.monotonic()
        self.forget()

    def forget(self) -> None:
        """Count a request no longer, without having answered it."""
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait_for_quiet(self, quiet: float, seconds: float) -> None:
        """Return when no request has been answered for ``quiet`` seconds, or when ``seconds`` are over."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while (now := time.monotonic()) < deadline:
                until = deadline if self._count else min(self._last_end + quiet, deadline)
                if until <= now:
                    return
                self._changed.wait(until - now)


pages = InProgress()


def init_app(app: Flask) -> None:
    """Call it before anything else that looks at requests, so that all of them are counted."""
    app.before_request(_begin)
    app.teardown_request(_end)


def _begin() -> None:
    pages.begin()
    g.counted_as_page = True


def _end(error: BaseException | None) -> None:
    if g.pop("counted_as_page", False):
        pages.end()


def is_file() -> None:
    """The request is for a file: nothing waits for it, not even its own next piece."""
    if g.pop("counted_as_page", False):
        pages.forget()


def let_pages_go_first() -> None:
    """Call it before each piece of a file."""
    pages.wait_for_quiet(QUIET, LONGEST_WAIT)
