"""Texts that are given as a tracking number and that no customer could use: ``trouble`` is asked wherever one is given, on pages, by
commands, in files and by the API.

A spreadsheet may have damaged the number. Or a text holds several, as some programs write the parcels of an order: ``1Z…84, 1Z…92``. A
shop and a carrier take them as one number, so the customer could follow neither parcel."""

from __future__ import annotations

import re

from models.sku_key import tidy
from services.common import damaged_cells

_ONE_EACH = "Give one tracking number. Each further parcel of the order has its own."
_A_ROW_EACH = "Give each parcel its own row."
_COPY_AGAIN = "Copy the tracking number from the label or the carrier again."

_APART = re.compile(r"[,;|\r\n\t\v\f\u2028\u2029]|\s(?:[/&+]|and|und|et)\s", re.IGNORECASE)
"""What no tracking number holds."""
_PERHAPS_APART = re.compile(r"[/&+]|\s[–—-]\s")
"""What some numbers of freight hold, with a short part on one side."""
_LONG_BLANKS = 10
"""Signs of each part where only blanks lie between: a printed number has them as well, between groups of at most eight signs."""
_LONG = 8


def trouble(text: str, *, in_file: bool = False) -> tuple[str, str] | None:
    """What is wrong with a text as it was given, and what to do about it; None if nothing is. Only in a file is a date what a spreadsheet
    has made of a number."""
    number = tidy(text)
    damage = damaged_cells.damage(number)
    if not damage and in_file and damaged_cells.looks_like_date(number):
        damage = f"{number} looks like a date that a spreadsheet has made of a number."
    if damage:
        return damage, damaged_cells.AS_TEXT_ADVICE if in_file else _COPY_AGAIN
    # What is apart by a line end is asked of the text as it was given: a tidy one has blanks there.
    if "://" not in text and _has_several(text.strip()):
        return f"{' '.join(text.split())[:100]} looks like several tracking numbers.", _A_ROW_EACH if in_file else _ONE_EACH
    return None


def _has_several(text: str) -> bool:
    if sum(any(sign.isdigit() for sign in part) for part in _APART.split(text)) > 1:
        return True
    return _all_long(_PERHAPS_APART.split(text), _LONG) or _all_long(text.split(), _LONG_BLANKS)


def _all_long(parts: list[str], least: int) -> bool:
    """Whether there are several parts, each long enough to be a number."""
    return len(parts) > 1 and all(
        sum(sign.isalnum() for sign in part) >= least and sum(sign.isdigit() for sign in part) >= least // 2 for part in parts
    )
