"""How channels may use the network, from the settings."""

from __future__ import annotations

from channels.base import Limits
from channels.remote_files import FileLimits
from config import VERSION, current_config


def channel_limits() -> Limits:
    config = current_config()
    return Limits(
        connect_timeout=config.connect_timeout, read_timeout=config.read_timeout, total_timeout=config.total_timeout,
        max_bytes=config.max_answer_bytes, allow_private=config.allow_private_endpoints, user_agent=f"Cartlink/{VERSION}",
        connections=config.shop_connections, per_minute=config.shop_requests_per_minute,
    )  # fmt: skip


def file_limits() -> FileLimits:
    """For files of other servers, such as a supplier's stock list."""
    config = current_config()
    return FileLimits(
        connect_seconds=config.connect_timeout, stall_seconds=config.read_timeout, allow_private=config.allow_private_endpoints,
        user_agent=f"Cartlink/{VERSION}",
    )  # fmt: skip
