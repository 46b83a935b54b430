"""How a run, or a step of one, ends."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """``paused`` is no end: the run returns to the queue and continues from its last page."""

    DONE = "done"
    PARTIAL = "partial"
    WAITING = "waiting"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"
    PAUSED = "pause"
