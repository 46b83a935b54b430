"""Keeps secrets out of messages and logs: texts of a server are cleaned before they are quoted, and urllib3's logs hold no value of a query."""

from __future__ import annotations

import html
import json
import logging
import re
from collections.abc import Sequence
from urllib.parse import quote, quote_plus


class _KeylessLog(logging.Filter):
    """Takes secrets out of what urllib3 writes to its logs: every value out of the query of an address, and the headers that it
    could not read, where a server may have echoed a key."""

    value_in_url = re.compile(r"([?&][^=&\s\"'?]{1,200}=)[^&\s\"')]+")

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = self.value_in_url.sub(r"\1***", record.getMessage().partition("unparsed data")[0])
        record.args = ()
        record.exc_info = None
        return True


for _name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_KeylessLog())


class Scrubber:
    """Cleans texts of a server for messages. ``secrets`` are what no message may contain, in any way a server may spell it."""

    def __init__(self, secrets: Sequence[str] = ()):
        self._hidden = _spellings(secrets)

    def __call__(self, text: str, length: int = 200) -> str:
        """The text without secrets, markup and control characters, in one line of at most ``length`` characters."""
        if self._hidden is not None:
            text = self._hidden.sub("***", text)
        text = re.sub(r"<[^<>]*>", " ", text)
        text = " ".join("".join(each if each.isprintable() else " " for each in text).split())
        return text if len(text) <= length else text[: length - 1] + "…"


def _spellings(secrets: Sequence[str]) -> re.Pattern[str] | None:
    """A pattern for every way a shop or a library may write one of the secrets."""
    forms: set[str] = set()
    for secret in filter(None, secrets):
        plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
        forms |= plain | {html.escape(each) for each in plain} | {each.replace("/", "\\/") for each in plain}
    if not forms:
        return None
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)), re.IGNORECASE)
