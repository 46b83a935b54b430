"""Quantities as other people write them: words, ``10+``, separators, packs. What is unclear is never guessed, and blank is never 0."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from errors import InvalidInput
from services.common import whole_numbers

MOST_WORDS, MOST_WORD, MOST = 50, 60, 1_000_000
AT_LEAST = re.compile(r"(?:[>≥]=?(?P<more>.+)|(?P<plus>.*\S)\s*\+)\Z", re.S)
GROUPS = re.compile(r"\d{1,3}(?:(?P<mark>[.,’' \u00a0\u202f])\d{3})(?:(?P=mark)\d{3})*\Z")
DECIMAL = re.compile(r"(?P<whole>.+?)(?P<mark>[.,])(?P<rest>\d+)\Z")


@dataclass(frozen=True, slots=True)
class Quantity:
    """How a column of quantities is read. ``words`` are quantities by word, ``decimal`` is the sign before decimals (``.`` or ``,``; empty:
    not known, and what could mean two numbers is refused). Each is then multiplied by the ``pack``, reduced by the ``buffer``, and
    limited to the ``cap``."""

    words: Mapping[str, int] = field(default_factory=dict)
    decimal: str = ""
    pack: int = 1
    buffer: int = 0
    cap: int | None = None

    def read(self, text: str, most: int) -> int | None:
        """The number of pieces; None for what is unclear, blank, negative, a fraction, or more than ``most``."""
        given = text.strip()
        number = self.words.get(given.casefold())
        if number is None:
            bound = AT_LEAST.match(given)
            number = self._number((bound["more"] or bound["plus"]).strip() if bound else given)
        if number is None:
            return None
        pieces = max(0, number * self.pack - self.buffer)
        pieces = pieces if self.cap is None else min(pieces, self.cap)
        return pieces if pieces <= most else None

    def _number(self, text: str) -> int | None:
        found = DECIMAL.match(text)
        if found is not None:
            whole, mark, rest = found["whole"], found["mark"], found["rest"]
            groups = GROUPS.match(text)
            thousands = groups is not None and self.decimal != mark
            if groups is not None and not self.decimal and groups["mark"] == mark and text.count(mark) == 1:
                return None  # 1.234 is 1,234 in one country and a little more than 1 in another.
            if not thousands:
                if (self.decimal and mark != self.decimal) or rest.strip("0") or mark in whole:
                    return None
                text = whole
        if GROUPS.match(text):
            text = re.sub(r"\D", "", text)
        return whole_numbers.parse(text, 10**12)

    def kept(self) -> dict[str, Any]:
        """As it is stored with the columns."""
        return asdict(self) | {"words": dict(self.words)}


def from_kept(values: Mapping[str, Any]) -> Quantity:
    """The opposite of ``Quantity.kept``. Raises InvalidInput: presets can be imported from files."""
    words = values.get("words") or {}
    if not isinstance(words, dict) or len(words) > MOST_WORDS:
        raise InvalidInput(f"There may be at most {MOST_WORDS} words.", field="words")
    decimal = values.get("decimal") or ""
    if decimal not in ("", ".", ","):
        raise InvalidInput("The decimal sign has to be a dot or a comma.", field="decimal")
    numbers = {
        str(word).strip().casefold()[:MOST_WORD]: _whole(number, "words", f"The quantity for {str(word)[:MOST_WORD]}")
        for word, number in words.items()
    }
    cap = values.get("cap")
    pack = _whole(values.get("pack", 1), "pack", "The pack size")
    if pack < 1:
        raise InvalidInput("The pack size has to be at least 1.", field="pack")
    return Quantity(
        numbers, decimal, pack, _whole(values.get("buffer") or 0, "buffer", "The buffer"),
        None if cap in (None, "") else _whole(cap, "cap", "The maximum"),
    )  # fmt: skip


def _whole(value: object, name: str, label: str) -> int:
    number = whole_numbers.parse(str(value), MOST)
    if number is None or isinstance(value, bool):
        raise InvalidInput(f"{label} has to be a whole number from 0 to {MOST:,}.", field=name)
    return number


def words_in(text: str) -> dict[str, str]:
    """Words with their quantities as a person types them, one a line: ``In stock = 10``. Raises InvalidInput."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        word, mark, number = line.rpartition("=")
        if not mark or not word.strip():
            raise InvalidInput(
                f"{line.strip()[:60]!r} is not a word with its quantity.", "Write for example: In stock = 10", field="words"
            )
        found[word.strip()] = number.strip()
    return found
