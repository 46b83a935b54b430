"""A shop after a successful check: the check as plain values and back, and a channel to the shop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import channels
from channels.base import Channel, Check, Credentials
from services.common import channel_limits


def open_checked(kind: str, check: Check, key: str, gate: Callable[[], None] = lambda: None) -> Channel:
    """A channel to a shop after a successful check. ``gate`` is asked before every request."""
    credentials = Credentials(check.endpoint, key.strip(), check.generation, check.admin_script)
    return channels.open_channel(kind, credentials, limits=channel_limits.channel_limits(), gate=gate)


def plain(check: Check) -> dict[str, Any]:
    return {
        "verdict": check.verdict, "message": check.message, "advice": check.advice, "endpoint": check.endpoint,
        "generation": check.generation, "admin_script": check.admin_script, "moved_to": check.moved_to,
    }  # fmt: skip


def read_back(values: dict[str, Any]) -> Check:
    """What ``plain`` wrote."""
    return Check(**{name: values[name] for name in values if name in Check.__slots__})
