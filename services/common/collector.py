"""How often Python looks for garbage that counting references leaves behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS = 10_000
"""New objects after which it looks. Python's own 700 are those of seven orders, none of which leaves any such garbage."""


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look seldom inside the block. It holds for the whole process, so it is for work in its own process."""
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
