"""What may be shown of a feed's secrets and keys."""

from __future__ import annotations

from channels.remote_files import HostKey


def last4(secret: str) -> str:
    """The last four characters of a secret; nothing of a short one, and of a private key."""
    return secret[-4:] if len(secret) >= 12 and "\n" not in secret else ""


def fingerprint(host_key: str) -> str:
    """Of a host key that is pinned, as OpenSSH prints it; empty where there is none."""
    return HostKey.parse(host_key).fingerprint if host_key else ""
