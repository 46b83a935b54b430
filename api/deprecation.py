"""Operations that will go: their answers say since when they are deprecated (RFC 9745), until when they work (RFC 8594), and where to read what
to use instead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Response
from werkzeug.http import http_date

LEAST = timedelta(days=183)
"""How long a deprecated operation still works at least."""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """``since`` and ``sunset`` are times in UTC; ``instead`` is a sentence that says what to use. Raises ValueError for a sunset that comes too
    soon after ``since``."""

    since: datetime
    sunset: datetime
    instead: str

    def __post_init__(self) -> None:
        if self.sunset < self.since + LEAST:
            raise ValueError(f"a deprecated operation has to work for {LEAST.days} days")

    def sentence(self) -> str:
        """For the document and the pages that render it."""
        return f"Deprecated since {self.since:%Y-%m-%d}, works until {self.sunset:%Y-%m-%d}. {self.instead}"

    def add_headers(self, response: Response, more: str) -> None:
        """``more`` is the address of the page that says what to use instead."""
        response.headers["Deprecation"] = f"@{int(self.since.timestamp())}"
        response.headers["Sunset"] = http_date(self.sunset)
        response.headers.add("Link", f'<{more}>; rel="deprecation"; type="text/html"')
