"""The registry of sales channels: a kind, its label and logo, the class that speaks to such shops,
the function that reads its statuses, and the names of those every such shop has.

A new kind is a folder beside ``xcart`` and one line in ``CHANNELS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from channels.base import Channel, Credentials, Gate, Limits, Status
from errors import NotFound


@dataclass(frozen=True, slots=True)
class ChannelKind:
    """``logo`` is a path under ``static/``; ``opener``, ``stages``, ``put_back`` and ``statuses`` are dotted names, imported on
    first use."""

    kind: str
    label: str
    logo: str
    opener: str
    stages: str
    put_back: str
    statuses: str


CHANNELS: dict[str, ChannelKind] = {
    "xcart": ChannelKind(
        "xcart", "X-Cart", "logos/xcart.svg", "channels.xcart.channel.XCart", "channels.xcart.stages.stage_of",
        "channels.xcart.stages.puts_back", "channels.xcart.statuses.NAMES",
    ),
}  # fmt: skip


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
def stage_reader(kind: str) -> Callable[[str, str], str]:
    """A function (payment status code, shipping status code) -> ``open``, ``shipped`` or ``cancelled``."""
    return _load(channel_kind(kind).stages)


@cache
def put_back_reader(kind: str) -> Callable[[str], bool]:
    """A function payment status code -> whether the shop has put the order's units back on its shelf."""
    return _load(channel_kind(kind).put_back)


def usual_statuses(kind: str) -> list[Status]:
    """The statuses that every shop of a kind has, for one that has not been asked for its own."""
    names = _load(channel_kind(kind).statuses)
    return [Status(what, "", code, name) for what, named in names.items() for code, name in named.items()]


def _load(dotted: str) -> Any:
    module_name, name = dotted.rsplit(".", 1)
    return getattr(import_module(module_name), name)


def open_channel(kind: str, credentials: Credentials, *, limits: Limits = Limits(), gate: Gate = lambda: None) -> Channel:
    """A channel to one shop. Nothing is sent until a method is called."""
    return channel_class(kind)(credentials, limits=limits, gate=gate)
