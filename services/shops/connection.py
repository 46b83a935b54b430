"""The channel to a shop, within the limits of the settings, and the check of an address and key."""

from __future__ import annotations

from collections.abc import Callable

import channels
import logs
from channels.base import Channel, Check, Credentials, Limits
from errors import InvalidInput
from extensions import reading
from models import Integration
from services.common.channel_limits import channel_limits
from services.security import vault
from services.shops.finding import get_integration


def check_shop(kind: str, endpoint: str, api_key: str, gate: Callable[[], None] = lambda: None) -> Check:
    """Check whether an address and a key work, for reading and writing, without changing anything. ``gate`` is asked before every request.
    Never raises ChannelError; raises InvalidInput if the end point cannot be an address, and what the gate raises."""
    endpoint, admin_script = normalise(kind, endpoint)
    if not api_key.strip():
        raise InvalidInput("Enter the API key.", "Copy the value of 'API key (read/write)' from the shop.", field="api_key")
    logs.hide(api_key.strip())
    credentials = Credentials(endpoint, api_key.strip(), admin_script=admin_script)
    channel = channels.open_channel(kind, credentials, limits=channel_limits(), gate=gate)
    try:
        return channel.check()
    finally:
        channel.close()


def normalise(kind: str, endpoint: str) -> tuple[str, str]:
    """What a person pasted, as (canonical end point, admin script). Raises InvalidInput."""
    found: tuple[str, str] = channels.channel_class(kind).normalise(endpoint, allow_private=channel_limits().allow_private)
    return found


def pasted_address(integration: Integration) -> str:
    """The end point as a person would paste it: with the shop's admin script if that was renamed."""
    usual = normalise(integration.kind, integration.endpoint)[1]
    renamed = integration.admin_script not in ("", usual)
    return f"{integration.endpoint}/{integration.admin_script}" if renamed else integration.endpoint


def check_integration(integration_id: int) -> Check:
    """Check a stored integration's address and key. It changes nothing, here or there: no run starts, and
    nothing is recorded. Raises NotFound, or ConfigError if the keyring does not open the stored key."""
    with reading():
        integration = get_integration(integration_id)
        kind, pasted, key = integration.kind, pasted_address(integration), vault.decrypt(integration.key_encrypted)
    return check_shop(kind, pasted, key)


def open_channel(integration: Integration, gate: Callable[[], None] = lambda: None, limits: Limits | None = None) -> Channel:
    """The channel to an integration's shop; ``gate`` is asked before every request.
    Raises ConfigError if the keyring does not open the stored key."""
    credentials = Credentials(
        integration.endpoint, vault.decrypt(integration.key_encrypted), integration.generation, integration.admin_script,
        integration.put_by_post,
    )  # fmt: skip
    return channels.open_channel(integration.kind, credentials, limits=limits or channel_limits(), gate=gate)
