"""How a person or a file names an order: by its number, with or without #, or by the shop's own id as ``id:123``."""

from __future__ import annotations

from dataclasses import dataclass

from models.sku_key import tidy

ID_MARK = "id:"


@dataclass(frozen=True, slots=True)
class Named:
    """``numbers`` are the spellings to look for, best first, empty where the shop's own id was given as ``external_id``."""

    numbers: tuple[str, ...]
    external_id: str = ""


def parse(words: str) -> Named:
    """``#00202`` is looked for as it is, then as ``00202``: a number of a shop may really begin with #. What is copied may carry
    characters nobody sees, other blanks, or accents apart from their letters (``models/sku_key.py: tidy``)."""
    wanted, tidied = words.strip(), tidy(words)
    if tidied.lower().startswith(ID_MARK):
        return Named((), tidied[len(ID_MARK) :].strip())
    bare = tidied.removeprefix("#").strip()
    return Named(tuple(number for number in dict.fromkeys((wanted, tidied, bare)) if number))
