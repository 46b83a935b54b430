"""Who asks, by the network address of a connection: what limits count and tokens allow."""

from __future__ import annotations

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_WITH_PORT = re.compile(r"(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?\Z")
"""``203.0.113.7:5060`` and ``[2001:db8::1]:443``: some proxies pass the port on."""


def client_address(text: str) -> Address | None:
    """The address in what a server or a proxy says; None if there is none. A server that listens on IPv6 for both shows an IPv4 client
    as ``::ffff:203.0.113.7``."""
    if found := _WITH_PORT.match(text.strip()):
        text = found[1] or found[2]
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def client_network(text: str) -> str:
    """What limits count as one client: an IPv4 address; of IPv6 the /64, because one household or one guesser has all of it."""
    address = client_address(text)
    if address is None:
        return "unknown"
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
