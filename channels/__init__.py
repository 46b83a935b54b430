"""The registry of sales channels: a kind, its label and logo, the class that speaks to such shops, and what holds for all of them.

A new kind is a folder beside ``xcart`` and one line in ``CHANNELS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from channels.base import Channel, Credentials, Gate, Limits, Status
from channels.facts import KindFacts
from errors import NotFound


@dataclass(frozen=True, slots=True)
class ChannelKind:
    """``logo`` is a path under ``static/``. ``opener`` is the dotted name of a class that implements ``channels.base.Channel``,
    ``facts`` that of a ``channels.facts.KindFacts``; they are imported on first use."""

    kind: str
    label: str
    logo: str
    opener: str
    facts: str


CHANNELS: dict[str, ChannelKind] = {
    "xcart": ChannelKind("xcart", "X-Cart", "logos/xcart.svg", "channels.xcart.channel.XCart", "channels.xcart.facts.FACTS"),
}


def channel_class(kind: str) -> Any:
    """The class of one kind of channel. Raises NotFound for a kind that is not registered."""
    return _load(channel_kind(kind).opener)


def channel_kind(kind: str) -> ChannelKind:
    """Raises NotFound for a kind that is not registered."""
    try:
        return CHANNELS[kind]
    except KeyError:
        raise NotFound(f"There is no sales channel of kind {kind!r}.") from None


@cache
def facts_of(kind: str) -> KindFacts:
    """What holds for every shop of a kind. Raises NotFound for a kind that is not registered."""
    facts: KindFacts = _load(channel_kind(kind).facts)
    return facts


def usual_statuses(kind: str) -> list[Status]:
    """The statuses that every shop of a kind has, for one that has not been asked for its own."""
    return [Status(what, "", code, name) for what, named in facts_of(kind).statuses.items() for code, name in named.items()]


def _load(dotted: str) -> Any:
    module_name, name = dotted.rsplit(".", 1)
    return getattr(import_module(module_name), name)


def open_channel(kind: str, credentials: Credentials, *, limits: Limits = Limits(), gate: Gate = lambda: None) -> Channel:
    """A channel to one shop. Nothing is sent until a method is called."""
    channel: Channel = channel_class(kind)(credentials, limits=limits, gate=gate)
    return channel
