"""The entries of Today. A feature adds its own with ``add``, from the package of its pages; nothing here changes for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A number that leads to exactly its rows. ``tone`` is bad, warn, busy or idle."""

    count: int
    label: str
    address: str
    tone: str = "busy"


@dataclass(frozen=True, slots=True)
class Entry:
    """``lines`` are read with each request; ``nothing`` is the sentence where there are none. ``place`` orders the entries: those of
    Cartlink have 10, 20 and so on. It is shown to those who may open ``endpoint``. ``begun`` says whether there is anything yet that
    it can be about: until then, and while it has no line, it is left out."""

    name: str
    title: str
    lines: Callable[[], Sequence[Line]]
    nothing: str
    place: int
    endpoint: str
    begun: Callable[[], bool] = lambda: True

    def shown_lines(self) -> Sequence[Line] | None:
        """What it shows; None where it is left out."""
        found = self.lines()
        return found if found or self.begun() else None


_entries: dict[str, Entry] = {}


def add(entry: Entry) -> None:
    """Add an entry, or replace the one of its name."""
    _entries[entry.name] = entry


def entries() -> list[Entry]:
    """All of them, in their order."""
    return sorted(_entries.values(), key=lambda entry: (entry.place, entry.name))
