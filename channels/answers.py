"""What a shop answered, and what it means with any kind of shop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from errors import ChannelError, Firewall, ShopBroken, ShopBusy, ShopMaintenance

_CHALLENGE = re.compile(rb"just a moment|attention required|checking your browser|cf-chl|ddos protection", re.I)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a shop answered. Header names are lower case; ``body`` is decompressed, and only begun where the status is not 200."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: datetime

    @property
    def is_json(self) -> bool:
        return re.match(r"application/(\w+\+)?json", self.headers.get("content-type", "").lower()) is not None

    @property
    def is_page(self) -> bool:
        """Whether this is a page for people: something is in it and it is not JSON."""
        return bool(self.body.strip()) and not self.is_json

    @property
    def retry_after(self) -> float | None:
        """Seconds the shop asks us to wait, from a number or an HTTP date; None where it does not say."""
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


def http_trouble(host: str, answer: Answer) -> ChannelError | None:
    """What an answer's status means with any shop: overload, maintenance, a breakdown or a guard before the shop."""
    status = answer.status
    if status == 429 or (status == 503 and answer.retry_after is not None):
        return ShopBusy(f"{host} asks us to wait before the next request.", None, status, min(answer.retry_after or 60.0, 3600.0))
    if is_challenge(answer):
        return Firewall(f"A firewall before {host} refuses Cartlink's request.", None, status)
    if status == 503:
        return ShopMaintenance(f"{host} is closed for maintenance.", None, status)
    if status >= 500:
        return ShopBroken(f"{host} answered with its error {status}.", None, status)
    if status == 401 and answer.is_page:
        advice = "Ask the shop's host to exempt Cartlink's requests from the password."
        return Firewall(f"{host} asks for a user name and password before the shop itself.", advice, status)
    if status in (403, 405, 406, 418, 444, 451) and answer.is_page:
        return Firewall(f"Something before {host} refuses Cartlink's request (error {status} with a page).", None, status)
    return None


def is_challenge(answer: Answer) -> bool:
    """Whether this is the page with which a guard asks a browser to prove itself."""
    if "cf-mitigated" in answer.headers:
        return True
    return answer.status in (200, 403, 429, 503) and answer.is_page and _CHALLENGE.search(answer.body[:8192]) is not None
