"""A signed call to an address that a person typed: one POST through the address guard. It follows no redirect.

The receiver recomputes HMAC-SHA256 over ``<timestamp>.<body>`` with the shared secret and compares; a timestamp more than a few
minutes old is a replay. ``Cartlink-Delivery`` stays the same for every try, so that the receiver recognises a repeated call.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from channels.base import Limits
from channels.guard import Resolver, is_known_private, system_resolver
from channels.session import ShopSession
from errors import ChannelError, InvalidInput, NotDelivered

LONGEST = 500


def check_url(url: str, allow_private: Sequence[str] = ()) -> str:
    """The address to store. Raises InvalidInput for one that cannot be called at all, and for one that is known without a look-up to lead
    into a private network that the operator does not permit. Each call checks where a name leads."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = None
    good = parts is not None and parts.scheme in ("http", "https") and parts.hostname and url.isprintable() and " " not in url
    if not good or parts is None or parts.username is not None or parts.fragment or not url.isascii() or len(url) > LONGEST:
        raise InvalidInput(
            "That is not an address Cartlink can call.",
            "Write it as https://example.com/path, without a user name in it.",
            field="url",
        )
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if is_known_private(parts.hostname or "", port, allow_private):
        raise InvalidInput(
            f"{parts.hostname} is not on the public internet, so Cartlink does not call it.",
            "Use a public address, or ask the operator to add it to ALLOW_PRIVATE_ENDPOINTS.",
            field="url",
        )
    return url


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The value of the header Cartlink-Signature: ``t=<timestamp>,v1=<hex>``."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


@dataclass(frozen=True, slots=True)
class SignedCall:
    """One delivery. ``body`` is JSON, ``key`` stays the same for every try."""

    url: str
    secret: str = field(repr=False)
    key: str
    event: str
    body: bytes


def call(sent: SignedCall, *, limits: Limits, seconds: float = 15.0, resolver: Resolver = system_resolver) -> None:
    """Raises NotDelivered unless the receiver answers with 2xx."""
    parts = urlsplit(sent.url)
    headers = {
        "Cartlink-Delivery": sent.key, "Cartlink-Event": sent.event,
        "Cartlink-Signature": signature(sent.secret, int(time.time()), sent.body),
    }  # fmt: skip
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        session = ShopSession(
            f"{parts.scheme}://{parts.netloc}", limits=limits, gate=lambda: None, secrets=(sent.secret,), resolver=resolver
        )
        try:
            answer = session.write("POST", target, sent.body, headers=headers, within=seconds)
        finally:
            session.close()
    except ChannelError as trouble:
        raise NotDelivered(trouble.message) from None
    if 300 <= answer.status < 400:
        raise NotDelivered(f"{session.host} answered with a redirect ({answer.status}), which is not followed.")
    if not 200 <= answer.status < 300:
        raise NotDelivered(f"{session.host} answered with {answer.status}.")
