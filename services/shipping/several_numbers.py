"""Several tracking numbers in one text, as some programs write the parcels of an order: ``1Z…84, 1Z…92``.

A shop and a carrier take what is given as one number, so the customer could follow neither parcel. The text is refused wherever a tracking
number is given: on pages, by commands, in files and by the API."""

from __future__ import annotations

import re

from models.sku_key import tidy
from services.common import damaged_cells

ONE_EACH = "Give one tracking number. Each further parcel of the order has its own."
A_ROW_EACH = "Give each parcel its own row."

_APART = re.compile(r"[,;|\r\n\t\v\f\u2028\u2029]|\s(?:[/&+]|and|und|et)\s", re.IGNORECASE)
"""What no tracking number holds."""
_PERHAPS_APART = re.compile(r"[/&+]|\s[–—-]\s")
"""What some numbers of freight hold, with a short part on one side."""
_LONG_BLANKS = 10
"""Signs of each part where only blanks lie between: a printed number has them as well, between groups of at most eight signs."""
_LONG = 8


def several(text: str) -> str:
    """What is wrong with a text that holds several tracking numbers, as a sentence; empty for one or none. A text that a spreadsheet has
    damaged, such as ``9,4E+21``, is one number."""
    if "://" in text or damaged_cells.damage(tidy(text)) or not _has_several(text.strip()):
        return ""
    return f"{' '.join(text.split())[:100]} looks like several tracking numbers."


def _has_several(text: str) -> bool:
    if sum(any(sign.isdigit() for sign in part) for part in _APART.split(text)) > 1:
        return True
    return _all_long(_PERHAPS_APART.split(text), _LONG) or _all_long(text.split(), _LONG_BLANKS)


def _all_long(parts: list[str], least: int) -> bool:
    """Whether there are several parts, each long enough to be a number."""
    return len(parts) > 1 and all(
        sum(sign.isalnum() for sign in part) >= least and sum(sign.isdigit() for sign in part) >= least // 2 for part in parts
    )
