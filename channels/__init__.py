"""The registry of sales channels: a kind, its label and logo, and the class that speaks to such shops.

A new kind is a folder beside ``xcart`` and one line in ``CHANNELS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from channels.base import Channel, Credentials, Gate, Limits
from errors import NotFound


@dataclass(frozen=True, slots=True)
class ChannelKind:
    """``logo`` is a path under ``static/``; ``opener`` is the dotted name of the class, imported on first use."""

    kind: str
    label: str
    logo: str
    opener: str


CHANNELS: dict[str, ChannelKind] = {
    "xcart": ChannelKind("xcart", "X-Cart", "logos/xcart.svg", "channels.xcart.channel.XCart"),
}


def channel_class(kind: str) -> Any:
    """The class of one kind of channel. Raises NotFound for a kind that is not registered."""
    try:
        module_name, class_name = CHANNELS[kind].opener.rsplit(".", 1)
    except KeyError:
        raise NotFound(f"There is no sales channel of kind {kind!r}.") from None
    return getattr(import_module(module_name), class_name)


def open_channel(kind: str, credentials: Credentials, *, limits: Limits = Limits(), gate: Gate = lambda: None) -> Channel:
    """A channel to one shop. Nothing is sent until a method is called."""
    return channel_class(kind)(credentials, limits=limits, gate=gate)
