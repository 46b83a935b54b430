"""The columns of a list."""

from __future__ import annotations

from dataclasses import dataclass

UP, DOWN = "ascending", "descending"


@dataclass(frozen=True, slots=True)
class Column:
    """``sorts`` are the values of the filter ``sort`` that stand for this column, each with its direction: the first click on the heading
    takes the first of them. ``look`` is a class of its heading. A user may leave it out unless it is ``fixed``; at first everybody sees it
    unless it is ``extra``."""

    name: str
    label: str
    sorts: tuple[tuple[str, str], ...] = ()
    look: str = ""
    fixed: bool = False
    extra: bool = False
