"""Calls of event endpoints, signed as Standard Webhooks have it (https://www.standardwebhooks.com), through the address guard. They follow
no redirect.

``webhook-signature`` is ``v1,`` and the base64 of HMAC-SHA256 over ``<id>.<timestamp>.<body>``, once for each secret that is good."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from channels.base import Limits
from channels.guard import Resolver, system_resolver
from channels.session import ShopSession
from errors import ChannelError

PREFIX = "whsec_"
SECRET_BYTES = 32
ANSWER = 1000
"""Characters of an answer that are kept."""
LOOKED_AT = 4000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one call. ``status`` is None if no answer came; ``error`` is empty for a good answer."""

    status: int | None
    milliseconds: int
    answer: str = ""
    error: str = ""
    retry_after: float | None = None

    @property
    def good(self) -> bool:
        return not self.error


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Whether this is ``whsec_`` and the base64 of 24 to 64 bytes."""
    try:
        return text.startswith(PREFIX) and 24 <= len(base64.b64decode(text.removeprefix(PREFIX), validate=True)) <= 64
    except (binascii.Error, ValueError):
        return False


def signatures(keys: Sequence[str], key: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``: one signature for each secret."""
    signed = f"{key}.{timestamp}.".encode() + body
    made = (hmac.new(base64.b64decode(secret.removeprefix(PREFIX)), signed, hashlib.sha256).digest() for secret in keys)
    return " ".join(f"v1,{base64.b64encode(each).decode()}" for each in made)


@dataclass
class Caller:
    """Calls one endpoint; the connection is kept for the next call. ``keys`` are the secrets that sign, the newest first."""

    url: str = field(repr=False)
    keys: Sequence[str] = field(repr=False)
    limits: Limits
    seconds: float = 15.0
    resolver: Resolver = system_resolver
    session: ShopSession | None = field(default=None, repr=False)

    def call(self, key: str, body: bytes) -> Outcome:
        """Send one event. Whatever goes wrong is in the outcome."""
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        timestamp, began = int(time.time()), time.monotonic()
        headers = {
            "webhook-id": key, "webhook-timestamp": str(timestamp), "webhook-signature": signatures(self.keys, key, timestamp, body),
        }  # fmt: skip
        try:
            if self.session is None:
                self.session = ShopSession(
                    f"{parts.scheme}://{parts.netloc}", limits=self.limits, gate=lambda: None, secrets=(*self.keys, target),
                    resolver=self.resolver,
                )  # fmt: skip
            answer = self.session.write("POST", target, body, headers=headers, within=self.seconds)
        except ChannelError as trouble:
            self.close()
            return Outcome(trouble.status_code, _since(began), error=trouble.message)
        text = self.session.scrub(answer.body[:LOOKED_AT].decode("utf-8", "replace"), ANSWER)
        return Outcome(answer.status, _since(began), text, _fault(self.session.host, answer.status), answer.retry_after)

    def close(self) -> None:
        if self.session is not None:
            self.session.close()
            self.session = None


def _fault(host: str, status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"{host} answered with a redirect ({status}), which is not followed."
    return f"{host} answered with {status}."


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
