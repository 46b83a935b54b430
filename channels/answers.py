"""What a shop answered, before its meaning is decided (``channels/xcart/verdicts.py`` does for X-Cart)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What a shop answered. Header names are lower case; ``body`` is decompressed, and only begun where the status is not 200."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: datetime

    @property
    def is_json(self) -> bool:
        """Whether this is JSON by its type, and not a page that a guard has put under the shop's own headers."""
        named = re.match(r"application/(\w+\+)?json", self.headers.get("content-type", "").lower()) is not None
        return named and self.body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"<"

    @property
    def is_page(self) -> bool:
        """Whether this is a page for people: something is in it and it is not JSON."""
        return bool(self.body.strip()) and not self.is_json

    @property
    def retry_after(self) -> float | None:
        """Seconds the shop asks us to wait, from a number or an HTTP date; None if it does not say."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - self.at).total_seconds())
