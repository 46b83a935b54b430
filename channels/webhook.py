"""A signed call to an address that a person has typed: one POST through the address guard, nothing followed.

The receiver recomputes HMAC-SHA256 over ``<timestamp>.<body>`` with the shared secret and compares; a timestamp more than a few
minutes old is a replay. ``Cartlink-Delivery`` stays the same with every try, so that what came twice can be told.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import urlsplit

from channels.base import Limits
from channels.guard import Resolver, system_resolver
from channels.session import ShopSession
from errors import ChannelError, InvalidInput, NotDelivered

LONGEST = 500


def check_url(url: str) -> str:
    """The address as it is to be kept. Raises InvalidInput for one that cannot be called at all; where it leads is looked at
    with every call."""
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
    return url


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The value of the header Cartlink-Signature: ``t=<timestamp>,v1=<hex>``."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def call(
    url: str,
    secret: str,
    key: str,
    event: str,
    body: bytes,
    *,
    limits: Limits,
    seconds: float = 15.0,
    resolver: Resolver = system_resolver,
) -> None:
    """Send ``body`` (JSON), signed. Raises NotDelivered unless it is answered with 2xx."""
    parts = urlsplit(url)
    headers = {
        "Cartlink-Delivery": key, "Cartlink-Event": event, "Cartlink-Signature": signature(secret, int(time.time()), body),
    }  # fmt: skip
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        session = ShopSession(
            f"{parts.scheme}://{parts.netloc}", limits=limits, gate=lambda: None, secrets=(secret,), resolver=resolver
        )
        try:
            answer = session.write("POST", target, body, headers=headers, within=seconds)
        finally:
            session.close()
    except ChannelError as trouble:
        raise NotDelivered(trouble.message) from None
    if 300 <= answer.status < 400:
        raise NotDelivered(f"{session.host} answered with a redirect ({answer.status}), which is not followed.")
    if not 200 <= answer.status < 300:
        raise NotDelivered(f"{session.host} answered with {answer.status}.")
