"""Files of tracking numbers that are shipped at once, by a command in this process."""

from __future__ import annotations

from time import monotonic, sleep
from typing import Any

from errors import Conflict
from services.shipping import files

LONGEST = 900.0
"""Seconds after which the rest is left to the workers."""


def ship_now(file_id: int, *, whole: bool = False) -> list[dict[str, Any]]:
    """Ship the good rows of a file; returns those that can no longer be shipped, with number and reason. ``whole`` is as in
    ``files.accept``. A worker that comes across the file may
    do the work instead. Raises NotFound, or Conflict for a file that was accepted before, or if a worker does not get to its end."""
    files.accept(file_id, whole=whole)
    over = monotonic() + LONGEST
    while True:
        files.work(file_id)
        file = files.get_file(file_id)
        if file.applied_at is not None:
            return list(file.refused)
        if monotonic() > over:
            raise Conflict("The file has not been shipped yet.", "A worker ships it.")
        sleep(0.2)
