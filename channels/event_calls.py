"""Calls of event endpoints, signed as Standard Webhooks have it (https://www.standardwebhooks.com), through the address guard. They follow
no redirect.

``webhook-signature`` is ``v1,`` and the base64 of HMAC-SHA256 over ``<id>.<timestamp>.<body>``, once for each secret that is good.

Endpoints that were the webhook of version 0.9 also get its headers, ``Cartlink-Signature`` and two more, until their secret is rotated. Their
secret is ``whsec_`` and the base64 of the old secret, which began with ``whsec_`` itself; a random secret never does."""

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
from channels.guard import LOOK_UP_SECONDS, Guard, Resolver, is_known_private, system_resolver
from channels.session import ShopSession
from errors import AddressRefused, ChannelError, InvalidInput

PREFIX = "whsec_"
SECRET_BYTES = 32
ANSWER = 1000
"""Characters of an answer that are kept."""
LOOKED_AT = 4000
LONGEST = 500
"""Characters of an address."""


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


def check_url(url: str, allow_private: Sequence[str] = ()) -> str:
    """The address to store. Raises InvalidInput for one that cannot be called at all, and for one that is known without a look-up to lead
    into a private network that the operator does not permit."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = None
    good = parts is not None and parts.scheme in ("http", "https") and parts.hostname and url.isprintable() and " " not in url
    if not good or parts is None or parts.username is not None or parts.fragment or not url.isascii() or len(url) > LONGEST:
        raise InvalidInput(
            "That is not an address Cartlink can call.", "Write it as https://example.com/path, without a user name in it.", "url"
        )
    if is_known_private(*_host_and_port(url), allow_private):
        raise _private(f"{parts.hostname} is not on the public internet")
    return url


def is_found(url: str, allow_private: Sequence[str] = (), resolver: Resolver = system_resolver) -> bool:
    """Look up the host of a checked address: whether it is found. Raises InvalidInput if it is in a private network. One that is not found yet may
    be stored: each call checks again."""
    try:
        Guard(allow_private, LOOK_UP_SECONDS, resolver).look_up(*_host_and_port(url), time.monotonic() + LOOK_UP_SECONDS)
    except AddressRefused as refused:
        raise _private(refused.message.rstrip(".")) from None
    except ChannelError:
        return False
    return True


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _private(said: str) -> InvalidInput:
    return InvalidInput(
        f"{said}, so Cartlink does not call it.",
        "Use a public address, or ask the person who runs Cartlink to allow this private address.",
        "url",
    )


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


def old_secret(secret: str) -> bytes | None:
    """The secret of a webhook of version 0.9 that this secret was made of; None for any other."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return key if key.startswith(PREFIX.encode()) else None


def _old_headers(keys: Sequence[str], key: str, name: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of version 0.9, for an endpoint whose secret is of that time."""
    secret = next((found for each in keys if (found := old_secret(each)) is not None), None)
    if secret is None:
        return {}
    signed = hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Cartlink-Event": name, "Cartlink-Delivery": key, "Cartlink-Signature": f"t={timestamp},v1={signed}"}


@dataclass
class Caller:
    """Calls one endpoint; the connection is kept for the next call. ``keys`` are the secrets that sign, the newest first."""

    url: str = field(repr=False)
    keys: Sequence[str] = field(repr=False)
    limits: Limits
    seconds: float = 15.0
    resolver: Resolver = system_resolver
    session: ShopSession | None = field(default=None, repr=False)

    def call(self, key: str, name: str, body: bytes) -> Outcome:
        """Send one event; ``name`` is its type. Whatever goes wrong is in the outcome."""
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        timestamp, began = int(time.time()), time.monotonic()
        headers = {
            "webhook-id": key, "webhook-timestamp": str(timestamp), "webhook-signature": signatures(self.keys, key, timestamp, body),
            **_old_headers(self.keys, key, name, timestamp, body),
        }  # fmt: skip
        try:
            if self.session is None:
                self.session = ShopSession(
                    f"{parts.scheme}://{parts.netloc}", limits=self.limits, gate=lambda: None, secrets=(*self.keys, *self._old_secrets(), target),
                    resolver=self.resolver,
                )  # fmt: skip
            answer = self.session.write("POST", target, body, headers=headers, within=self.seconds)
        except ChannelError as trouble:
            self.close()
            return Outcome(trouble.status_code, _since(began), error=trouble.message)
        text = self.session.scrub(answer.body[:LOOKED_AT].decode("utf-8", "replace"), ANSWER)
        return Outcome(answer.status, _since(began), text, _fault(self.session.host, answer.status), answer.retry_after)

    def _old_secrets(self) -> list[str]:
        return [found.decode("utf-8", "replace") for each in self.keys if (found := old_secret(each)) is not None]

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
