"""The letters of a text file that a person uploads, as UTF-8. A file of another encoding says nowhere which one it is: it is recognised by its words,
or the person chooses. A feed is set up with what was recognised then, and keeps it: nobody looks at its later files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import charset_normalizer

from errors import InvalidInput
from services.common import workbooks
from services.common.csv_files import WESTERN

NAMES = {
    WESTERN: "Western European (Windows-1252)", "windows-1250": "Central European (Windows-1250)",
    "windows-1251": "Cyrillic (Windows-1251)", "koi8-r": "Cyrillic (KOI8-R)", "ibm866": "Cyrillic (DOS, CP866)",
    "windows-1253": "Greek (Windows-1253)", "windows-1254": "Turkish (Windows-1254)", "windows-1255": "Hebrew (Windows-1255)",
    "windows-1256": "Arabic (Windows-1256)", "windows-1257": "Baltic (Windows-1257)",
}  # fmt: skip
GUESSED = {"cp1251": "windows-1251", "cp866": "ibm866", "cp1253": "windows-1253", "cp1256": "windows-1256"}
"""Those that a few words tell apart; all others have to be chosen."""
LOOKED_AT, WORDS = 1024 * 1024, 500
_WORD = re.compile(rb"[A-Za-z\x80-\xff]+")


@dataclass(frozen=True, slots=True)
class Text:
    """A file in UTF-8. ``read_as`` is the name of the encoding that it had; empty where nothing had to be found out."""

    content: bytes = field(repr=False)
    read_as: str = ""


def sentence(name: str) -> str:
    """How the letters of a file were read."""
    return f"The letters of the file were read as {NAMES[name]}."


def as_utf8(content: bytes, chosen: str = "") -> Text:
    """``chosen`` is one of ``NAMES``, empty to recognise it. A workbook, and what is UTF-8 or UTF-16 already, stays as it is, and so does what is no text:
    who reads it says so. Raises InvalidInput."""
    if chosen and chosen not in NAMES:
        raise InvalidInput("That choice is not offered. Choose another one.", field="letters")
    if content.startswith((workbooks.START, b"\xff\xfe", b"\xfe\xff")) or b"\0" in content or _fits(content, "utf-8"):
        return Text(content)
    name = chosen or recognise(content)
    if not _fits(content, name):
        if chosen:
            raise InvalidInput(
                f"The letters of the file are not {NAMES[chosen]}.", "Choose others, or leave it to Cartlink.", field="letters"
            )
        return Text(content)
    return Text(content.decode(name).encode(), name)


def recognise(content: bytes) -> str:
    """The name of the encoding of a text that is not UTF-8, by its beginning. In a language with Latin letters, those with accents stand in words
    beside others. Words of nothing but high bytes are of another script."""
    foreign = [word for word in _WORD.findall(content[:LOOKED_AT]) if max(word) >= 0x80]
    whole = [word for word in foreign if len(word) > 2 and min(word) >= 0x80]
    if len(whole) <= sum(min(word) < 0x80 for word in foreign):
        return WESTERN
    best = charset_normalizer.from_bytes(b" ".join(whole[:WORDS]), cp_isolation=list(GUESSED), threshold=0.9).best()
    return "windows-1251" if best is None else GUESSED.get(best.encoding, "windows-1251")


def _fits(content: bytes, name: str) -> bool:
    try:
        content.decode(name)
    except UnicodeDecodeError:
        return False
    return True
