"""Whether this process has been asked to stop. A job checks that between pages and pauses."""

from __future__ import annotations

_stopping = False


def stopping() -> bool:
    """True once the worker has been asked to stop, or is gone: save the current page, pause and return."""
    return _stopping


def stop() -> None:
    """Ask the job of this process to pause. Safe in a signal handler."""
    global _stopping
    _stopping = True
