"""The format of the log: text or JSON lines (LOG_FORMAT), each with its context and without secrets.

The context (``request``, ``job``, ``run``, ``integration``) is set where the work begins and is passed on
through calls, to threads that are started with a copy of the context, and through forks.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

Ids = dict[str, int | str]

NAMES = ("request", "job", "run", "integration")
HIDDEN = "***"
SHORTEST_SECRET = 6
"""Characters. A shorter secret would match many lines by chance."""
MOST_SECRETS = 500

_about: ContextVar[Ids | None] = ContextVar("about", default=None)
_secrets: dict[str, None] = {}
_changing = threading.Lock()
_known: re.Pattern[str] | None = None

# What looks like a secret: a key in an address, a token in a header, a password in an address,
# and Fernet ciphertext.
_LOOKS = re.compile(
    r"(?P<before>_key=|\b(?:Bearer|Basic)\s+)[^\s&\"']+|(?P<address>://[^\s/:@]*:)[^\s/@]+(?=@)|\bgAAAAA[\w=-]{20,}", re.ASCII
)


@contextmanager
def about(**ids: int | str | None) -> Iterator[None]:
    """Add this context to every line inside, besides the context around it. None changes nothing."""
    token = _about.set({**(_about.get() or {}), **{name: value for name, value in ids.items() if value is not None}})
    try:
        yield
    finally:
        _about.reset(token)


def begin(**ids: int | str) -> None:
    """As ``about``, but until ``end`` is called; it replaces the context."""
    _about.set(ids)


def end() -> None:
    _about.set(None)


def hide(*secrets: str) -> None:
    """Remove these secrets from all lines from now on. The latest 500 are remembered."""
    global _known
    wanted = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    if all(secret in _secrets for secret in wanted):
        return
    with _changing:
        for secret in wanted:
            _secrets.pop(secret, None)
            _secrets[secret] = None
        while len(_secrets) > MOST_SECRETS:
            del _secrets[next(iter(_secrets))]
        _known = re.compile("|".join(re.escape(secret) for secret in sorted(_secrets, key=len, reverse=True)))


def scrub(text: str) -> str:
    """A text without known secrets and without what looks like one."""
    if _known is not None:
        text = _known.sub(HIDDEN, text)
    return _LOOKS.sub(lambda found: f"{found['before'] or found['address'] or ''}{HIDDEN}", text)


class TextFormatter(logging.Formatter):
    """Time, level, logger, message, and the context in brackets."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        ids = _ids_of(record)
        context = " ".join(f"{name}={ids[name]}" for name in NAMES if name in ids)
        return super().formatMessage(record) + (f" [{context}]" if context else "")

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


class JsonFormatter(logging.Formatter):
    """One object a line: time (UTC), level, logger, message, process, context, exception."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": scrub(record.getMessage()),
            "process": record.process,
            **_ids_of(record),
        }
        if record.exc_info:
            entry["exception"] = scrub(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False, default=str)


def formatter(log_format: str) -> logging.Formatter:
    """``log_format`` is JSON or TEXT."""
    return JsonFormatter() if log_format == "JSON" else TextFormatter()


def set_up(level: str, log_format: str, secrets: Iterable[str] = ()) -> None:
    """Log to standard error in this format, unless logging is set up already."""
    hide(*secrets)
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(formatter(log_format))
        root.addHandler(handler)
        root.setLevel(level)


def _ids_of(record: logging.LogRecord) -> Ids:
    """The context of a line: its own, else the one around it."""
    return getattr(record, "about", None) or _about.get() or {}
