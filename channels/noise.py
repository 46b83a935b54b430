"""The one JSON value of an answer, where other programs have printed something around it.

PHP prints its messages into answers where ``display_errors`` is on, some files begin with a byte order mark, and cache plugins
add a comment. One complete value between such noise is an answer. A page that merely contains JSON is not.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass

import msgspec

from channels.pages import PhpMessages

_OTHER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
"""That of UTF-32 LE begins with that of UTF-16 LE, so it is looked for first."""
_BLANK = b" \t\r\n\x0b\x0c\x00"
_START = re.compile(rb"(?:\xef\xbb\xbf|[ \t\r\n\x0b\x0c\x00])*+")
_MOST = 16 * 1024 * 1024
_MOST_VALUES = 400_000
_MOST_NOISE = 256 * 1024
_PIECE = re.compile(
    r"[\s\ufeff\x00]+|<!--.{0,20000}?-->|/\*.{0,20000}?\*/|<br\s*/?>|</?pre>"
    r"|<font size='1'>.{0,200}?<table class='xdebug-error.{0,60000}?</table></font>"
    r"|(?://|#)[^\n]{0,500}(?:\n|\Z)|(?!/\*)[^\n<{\[]{0,300}\bcached?\b[^\n<{\[]{0,300}(?:\n|\Z)|Call Stack:\n(?:\s+\d[^\n]{0,500}\n){1,100}"
    r"|\[\d[\w :/.+-]{8,50}\](?=\s*PHP )|Stack trace:\n(?:#\d+ [^\n]{0,2000}\n?){1,200}(?:\s*thrown in [^\n]{1,2000})?",
    re.S,
)
"""One piece of what may stand beside the value, besides messages of PHP. What an opening such as ``/*`` begins is that or nothing: if a
shorter piece could begin there too, a text of such openings would be searched for their ends again and again."""

WARNING = (
    "The shop prints PHP messages or comments into its answers. Cartlink reads past them, but have display_errors switched off in "
    "the shop's PHP settings, and switch off what adds comments to the API's answers."
)


@dataclass(frozen=True, slots=True)
class Found:
    """The bytes of one JSON value, and whether anything but white space and byte order marks stood beside it."""

    value: bytes
    noisy: bool


def json_in(body: bytes) -> Found | None:
    """The JSON value that an answer is; None if it is something else, or holds more than one."""
    core = _START.sub(b"", _as_utf8(body), count=1).rstrip(_BLANK)
    if core[:1] + core[-1:] in (b"[]", b"{}") and _is_whole(core):
        return Found(core, False)
    if core == b"null" or (core[:1] == core[-1:] == b'"' and len(core) > 1):
        return Found(core, False)
    return _between(core)


def _as_utf8(body: bytes) -> bytes:
    """The same text in UTF-8, where its byte order mark says that it is in UTF-16 or UTF-32, as some proxies write it."""
    for mark, encoding in _OTHER_MARKS:
        if body.startswith(mark):
            return body.decode(encoding, "replace").encode("utf-8", "replace")
    return body


def _is_whole(core: bytes) -> bool:
    """Whether this is one complete value. One with half a character in it counts as whole: it is repaired when it is read."""
    try:
        msgspec.json.decode(core, type=msgspec.Raw)
    except msgspec.MsgspecError:
        return b"\\u" in core and _whole_in(core.decode("utf-8", "replace"), 0) == len(core.decode("utf-8", "replace"))
    except (UnicodeError, RecursionError):
        return True
    return True


def _between(core: bytes) -> Found | None:
    """The value between pieces of noise."""
    if not core or len(core) > _MOST or core.count(b",") + core.count(b"[") + core.count(b"{") > _MOST_VALUES:
        return None
    text = core.decode("utf-8", "surrogateescape")
    start = _after_noise(text, 0)
    end = _whole_in(text, start)
    if end is None or _after_noise(text, end) != len(text):
        return None
    return Found(text[start:end].encode("utf-8", "surrogateescape"), True)


def _after_noise(text: str, place: int) -> int:
    """The place behind the noise that begins at ``place``, of which there may be so much."""
    most = place + _MOST_NOISE
    messages = PhpMessages(text, place)
    while place < most:
        end = messages.end_of_message(place)
        if end is None:
            piece = _PIECE.match(text, place)
            if piece is None:
                break
            end = piece.end()
        place = end
    return place


def _whole_in(text: str, start: int) -> int | None:
    """Where a list or an object (or a bare null) that begins at ``start`` ends; None if none does."""
    if text[start : start + 1] not in ("[", "{") and text[start : start + 4] != "null":
        return None
    try:
        return json.JSONDecoder(strict=False).raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None
