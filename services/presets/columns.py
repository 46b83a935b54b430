"""Which column of other people's files holds what: suggested from the headings, and kept as headings so that their order may change."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from errors import InvalidInput

MOST_COLUMNS = 200


@dataclass(frozen=True, slots=True)
class Field:
    """What a column can hold: ``words`` are headings under which it is suggested, best first."""

    name: str
    label: str
    words: tuple[str, ...]
    required: bool = False


def letters(heading: str) -> str:
    """A heading as it is compared: its letters and digits alone, without regard to case."""
    return "".join(each for each in heading.casefold() if each.isalnum())


def titles(headings: Sequence[str]) -> list[str]:
    """The headings as they are shown and kept: none empty, none twice."""
    seen: Counter[str] = Counter()
    found = []
    for place, heading in enumerate(headings, 1):
        title = heading or f"Column {place}"
        seen[title.casefold()] += 1
        count = seen[title.casefold()]
        found.append(title if count == 1 else f"{title} ({count})")
    return found


def digest(headings: Sequence[str]) -> str:
    """The same for all files with these headings, in any order."""
    return hashlib.sha256("\n".join(sorted(title.casefold() for title in titles(headings))).encode()).hexdigest()


def suggest(headings: Sequence[str], fields: Sequence[Field]) -> dict[str, str]:
    """The titles of the columns that fit each field best: the same word, or else one with the word in it. No column is suggested twice."""
    shown = titles(headings)
    found: dict[str, str] = {}
    for whole in (True, False):
        for field in fields:
            free = [title for title in shown if title not in found.values()]
            fits = (
                title
                for word in field.words
                for title in free
                if (letters(title) == letters(word) if whole else letters(word) in letters(title))
            )
            if field.name not in found and (title := next(fits, "")):
                found[field.name] = title
    return found


def places(headings: Sequence[str], chosen: Mapping[str, Any], fields: Sequence[Field]) -> dict[str, int]:
    """The place of each column that was chosen, by field. Raises InvalidInput if one is missing in the file, meant twice, or not
    chosen although it is required."""
    by_title = {title.casefold(): place for place, title in enumerate(titles(headings))}
    found: dict[str, int] = {}
    for field in fields:
        title = str(chosen.get(field.name) or "")
        if not title:
            if field.required:
                raise InvalidInput(f"Choose the column for: {field.label}.", field=field.name)
            continue
        place = by_title.get(title.casefold())
        if place is None:
            raise InvalidInput(f"The file has no column {title}.", "Choose another one.", field=field.name)
        if place in found.values():
            raise InvalidInput(f"The column {title} is chosen twice.", "Choose another one for one of them.", field=field.name)
        found[field.name] = place
    return found
