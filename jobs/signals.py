"""Whether this process has been asked to stop. A job looks between pages and gives way."""

from __future__ import annotations

_stopping = False


def stopping() -> bool:
    """True once the worker has been asked to stop, or is gone: save the page at hand, give way, return."""
    return _stopping


def stop() -> None:
    """Ask the job of this process to give way. Safe in a signal handler."""
    global _stopping
    _stopping = True
