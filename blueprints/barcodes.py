"""Code 128 barcodes, drawn by the server as SVG. templates/macros/paper.html has the markup.

No library: python-barcode 0.16.1 leaves out the first two digits of numbers that begin with 99, and its drawing needs inline styles,
which our content-security policy forbids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST = 48
"""Characters; a longer code is wider than the paper."""
QUIET = 10
"""Modules of blank paper that a reader needs on both sides."""
SYMBOLS = (
    "212222222122222221121223121322131222122213122312132212221213221312231212112232122132122231113222123122123221223211221132"
    "221231213212223112312131311222321122321221312212322112322211212123212321232121111323131123131321112313132113132311211313"
    "231113231311112133112331132131113123113321133121313121211331231131213113213311213131311123311321331121312113312311332111"
    "314111221411431111111224111422121124121421141122141221112214112412122114122411142112142211241211221114413111241112134111"
    "111242121142121241114212124112124211411212421112421211212141214121412121111143111341131141114113114311411113411311113141"
    "114131311141411131211412211214211232"
)
"""The widths of the three bars and three gaps of each symbol, one after the other (ISO/IEC 15417, table 1)."""
STOP = "2331112"
TO_C, TO_B, START_B, START_C = 99, 100, 104, 105


@dataclass(frozen=True, slots=True)
class Barcode:
    """``bars`` are (x, width) in modules, inside ``width`` modules with the blank paper on both sides."""

    text: str
    width: int
    bars: tuple[tuple[int, int], ...]


def code_128(text: str) -> Barcode | None:
    """None for what Code 128 cannot hold, or what is too long to print."""
    if not text or len(text) > MOST or not re.fullmatch(r"[ -~]+", text):
        return None
    bars, x = [], QUIET
    widths = "".join(SYMBOLS[6 * value : 6 * value + 6] for value in _values(text)) + STOP
    for place, width in enumerate(map(int, widths)):
        if place % 2 == 0:
            bars.append((x, width))
        x += width
    return Barcode(text, x + QUIET, tuple(bars))


def _values(text: str) -> list[int]:
    """Start, data, check digit."""
    values = list(_data(text))
    values[0] = {TO_B: START_B, TO_C: START_C}[values[0]]
    check = (values[0] + sum(place * value for place, value in enumerate(values))) % 103
    return [*values, check]


def _data(text: str) -> Iterator[int]:
    """Four and more digits in a row take half the room as pairs (set C); all else is in set B. Each change of set comes first."""
    code = 0
    for part in re.split(r"((?:\d\d){2,})", text):
        wanted = TO_C if re.fullmatch(r"(?:\d\d){2,}", part) else TO_B
        if part and wanted != code:
            yield (code := wanted)
        if wanted == TO_C:
            yield from (int(part[place : place + 2]) for place in range(0, len(part), 2))
        else:
            yield from (ord(sign) - 32 for sign in part)
