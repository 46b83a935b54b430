"""What a spreadsheet has done to a number or a text, recognised by what it leaves behind."""

from __future__ import annotations

import re

SHORTENED = re.compile(r"[+-]?\d+(?:[.,]\d+)?E\+?\d+\Z", re.IGNORECASE)
ROUNDED = re.compile(r"[1-9]\d{14}0{3,}(?:[.,]0+)?\Z")
DECIMALS = re.compile(r"\d{8,}[.,]0{1,3}\Z")
"""A long number that a program has taken for an amount."""
FAILED = re.compile(r"#(?:#{2,}|N/A|[A-ZÄÖÜ]+[?!]|DIV/0!|NV)\Z", re.IGNORECASE)
"""What a spreadsheet saves where a formula failed (#NAME?, in German #BEZUG!), or where a column was too narrow (####)."""
_MONTH = r"(?:jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez)"
DATE = re.compile(rf"(?:{_MONTH}[-. ]\d{{2,4}}|\d{{1,2}}[-. ]+{_MONTH}(?:[-. ]\d{{2,4}})?)\Z", re.IGNORECASE)


def damage(cell: str) -> str:
    """What a spreadsheet has done to a value, as a sentence; empty if it shows no trace of that."""
    if FAILED.match(cell):
        return f"{cell} is what a spreadsheet saves where it cannot show a value."
    if SHORTENED.match(cell) and ("+" in cell or "." in cell or "," in cell):
        return f"{cell} is a number that a spreadsheet has shortened: digits are lost."
    if DECIMALS.match(cell) and not ROUNDED.match(cell):
        return f"{cell} is a number to which a spreadsheet or a program has added decimals."
    if ROUNDED.match(cell):
        return f"{cell} was rounded by a spreadsheet, which keeps 15 digits: the zeros at its end stand for others."
    return ""


AS_TEXT_ADVICE = "Format the column as text in the spreadsheet, enter the value again, and save the file."


def looks_like_date(cell: str) -> bool:
    """Whether a cell looks like a date that a spreadsheet makes of text such as MAR1 (Mar-01)."""
    return DATE.match(cell) is not None
