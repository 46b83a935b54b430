"""Pages that a host, a guard or PHP answers with in place of a shop, recognised by what they say.

Each function takes the beginning of a page and answers whether it is of that kind, with any kind of shop. Where a page says
nothing known, ``found_in`` describes it in a few words for a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

_BEGINNING = 64 * 1024

_CHALLENGE = re.compile(
    rb"just a moment|one moment,? please|attention required|checking (if the site connection|your browser)|cf-chl|ddos protection"
    rb"|sgcaptcha|verify(ing)? (that )?you are (a )?human|are you (a )?human|(are|&#39;re|'re|\xe2\x80\x99re) not a (ro)?bot"
    rb"|bot[ -](verification|protection)|access to this (site|service|page) has been (limited|blocked|denied)"
    rb"|_incapsula_resource|incapsula incident|sucuri website firewall|imunify360"
    rb"|please wait while your request is being verified|enable javascript and cookies to continue",
    re.I,
)
_CHALLENGE_TITLE = re.compile(rb"captcha|robot|security check|verification|wordfence", re.I)
_SUSPENDED = re.compile(
    rb"suspendedpage|(account|site|website|domain|hosting|service)\W+(has been |is |was |is currently |has been temporarily )?"
    rb"(suspended|deactivated)|suspended (account|site|website|domain|page)|bandwidth limit exceeded",
    re.I,
)
_SUSPENDED_TITLE = re.compile(
    rb"(account|site|website|domain|hosting)\W+(has been |has |is |was )?(disabled|expired|blocked)", re.I
)
_MAINTENANCE = re.compile(
    rb"closed for maintenance|maintenance mode|(down|offline|unavailable|closed) (for|due to) (scheduled |planned |routine )?maintenance"
    rb"|(under|undergoing|performing|scheduled|in) (scheduled |planned |site |routine )?maintenance|be (right )?back (soon|shortly)"
    rb"|temporarily (closed|down|offline|unavailable)|briefly unavailable",
    re.I,
)
_MAINTENANCE_TITLE = re.compile(
    rb"maintenance|wartung|onderhoud|mantenimiento|manuten(zione|\xc3\xa7)|" + "обслужив".encode(), re.I
)
_TITLES = re.compile(rb"<(title|h1|h2)\b[^>]{0,200}>(.{0,300}?)</", re.I | re.S)
_SCRIPT_STARTS = re.compile(rb"<(script|style)\b", re.I)
_SCRIPT_ENDS = {kind: re.compile(rb"</" + kind + rb"\s{0,20}>", re.I) for kind in (b"script", b"style")}
_DATABASE = re.compile(
    r"An exception occurred (while executing|in (the )?driver)|SQLSTATE\s*\[|PDOException|Doctrine\\+DBAL"
    r"|MySQL server has gone away|Lost connection to (MySQL|MariaDB)|Deadlock found when|Lock wait timeout exceeded"
    r"|Too many connections|Error establishing a database connection|Can't connect to (local )?(MySQL|MariaDB)",
    re.I,
)
_PHP_BEGINS = re.compile(
    r"(?:<b>)?(?:PHP )?(?:Notice|Warning|Deprecated|Strict Standards|(?:Recoverable |Catchable )?Fatal error"
    r"|Parse error|(?:Core|Compile) (?:Warning|Error)|User (?:Notice|Warning|Deprecated|Error))(?:</b>)?\s*:\s"
)
_PHP_ENDS = re.compile(r"\bon line\s+(?:<b>)?\d+(?:</b>)?")
_PHP_BETWEEN = 4000
"""Characters between the beginning and the end of one message of PHP, as HTML (``html_errors``) or plain, as PHP 5 to 8 print them."""


class PhpMessages:
    """The messages of PHP in a text. Their ends are found in one pass, apart from their beginnings: one pattern for both would look
    for an end from each beginning, and a hostile page of 64 kB cost seconds."""

    def __init__(self, text: str, place: int = 0):
        self._text = text
        self._ends = _PHP_ENDS.finditer(text, place)
        self._end: re.Match[str] | None = None

    def end_of_message(self, place: int) -> int | None:
        """Where the message ends that begins at ``place``; None if none does. A later call may not go back."""
        begin = _PHP_BEGINS.match(self._text, place)
        if begin is None:
            return None
        while self._end is None or self._end.start() < begin.end():
            self._end = next(self._ends, None)
            if self._end is None:
                return None
        return self._end.end() if self._end.start() - begin.end() <= _PHP_BETWEEN else None


def is_challenge(page: bytes) -> bool:
    """Whether a guard asks a browser to prove itself, or says that it refuses a request."""
    return _says(_CHALLENGE, page) or any(_CHALLENGE_TITLE.search(title) for title in _titles(page))


def is_suspended(page: bytes) -> bool:
    """Whether the host says that it has suspended the account."""
    return _says(_SUSPENDED, page) or any(_SUSPENDED_TITLE.search(title) for title in _titles(page))


def is_maintenance(page: bytes) -> bool:
    """Whether the page says that the shop is closed for a while: by a whole phrase, or by one word in a title."""
    head = page[:_BEGINNING]
    if _MAINTENANCE.search(_without_scripts(head)) or (b"innerHTML" in head and _MAINTENANCE.search(head)):
        return True
    return any(_MAINTENANCE_TITLE.search(title) for title in _titles(head))


def _without_scripts(page: bytes) -> bytes:
    """The page without its scripts and styles. One pattern for start and end would search to the page's end for each start that
    has no end: 40 kB of them took seconds."""
    kept, at = [], 0
    ends = dict(_SCRIPT_ENDS)
    for start in _SCRIPT_STARTS.finditer(page):
        kind = start[1].lower()
        if start.start() < at or kind not in ends:
            continue
        end = ends[kind].search(page, start.end())
        if end is None:
            del ends[kind]
            continue
        kept += [page[at : start.start()], b" "]
        at = end.end()
    return b"".join([*kept, page[at:]])


def has_php_messages(page: bytes) -> bool:
    text = page[:_BEGINNING].decode("utf-8", "replace")
    if "on line" not in text:
        return False
    messages = PhpMessages(text)
    return any(messages.end_of_message(begin.start()) is not None for begin in _PHP_BEGINS.finditer(text))


def is_database_failure(text: str) -> bool:
    """Whether a text of the shop is that of its database (X-Cart 5.4, observed: the SQL is in ``X-REST-Error``)."""
    return _DATABASE.search(text[:_BEGINNING]) is not None


def found_in(body: bytes, scrub: Callable[[str, int], str]) -> str:
    """What an answer is that should have been data, for a sentence: "a web page (“Welcome”)"."""
    head = body[:_BEGINNING].removeprefix(b"\xef\xbb\xbf").strip()
    if not head:
        return "an empty answer"
    title = re.search(rb"<title[^>]{0,200}>(.{1,300}?)</title", head, re.I | re.S)
    if title and (said := scrub(title.group(1).decode("utf-8", "replace"), 80)):
        return f"a web page (“{said}”)"
    if head[:1] == b"<":
        return "a web page"
    if head[:1] in b"[{":
        rest = _after_value(head)
        if rest[:1] in ("[", "{"):
            # A second value may hold a customer's data: it is not quoted.
            return "two answers in one"
        said = scrub(rest, 80)
        return f"data followed by “{said}”" if said else "damaged data"
    said = scrub(head[:400].decode("utf-8", "replace"), 80)
    return f"the text “{said}”" if said else "something unreadable"


def _after_value(head: bytes) -> str:
    """What follows one JSON value; empty if there is no whole value."""
    text = head.decode("utf-8", "replace")
    try:
        return text[json.JSONDecoder(strict=False).raw_decode(text)[1] :].strip()
    except (ValueError, RecursionError):
        return ""


def _titles(page: bytes) -> list[bytes]:
    return [title for _, title in _TITLES.findall(page[:_BEGINNING])]


def _says(pattern: re.Pattern[bytes], page: bytes) -> bool:
    return pattern.search(page[:_BEGINNING]) is not None
