"""The host names under which pages answer: that of PUBLIC_URL, this machine's own (loopback), and ALLOWED_HOSTS.

Any other Host header is refused: a foreign name that points here could read pages through a browser on this machine (DNS rebinding),
or put its name into links. The three addresses for machines answer under any name, because probes use an IP address; they
have no links and no session.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import Flask, Response, request

from blueprints.errors import plain_page
from blueprints.page_requests import for_pages
from config import Config

FOR_MACHINES = {"machines.show_health", "machines.show_readiness", "machines.show_metrics"}


def init_app(app: Flask, config: Config) -> None:
    named = {_bare(name) for name in config.allowed_hosts}
    public = urlsplit(config.public_url).hostname
    allowed = frozenset(named | ({public.rstrip(".")} if public else set()))

    def check_host() -> Response | None:
        if request.endpoint in FOR_MACHINES or is_allowed(request.environ.get("HTTP_HOST", ""), allowed):
            return None
        return plain_page(
            400, "That cannot be used", "Cartlink does not answer under the host name in your request.",
            "Use the usual address of Cartlink, or ask the person who runs it to allow this host name.",
        )  # fmt: skip

    app.before_request(for_pages(check_host))


def is_allowed(header: str, allowed: frozenset[str]) -> bool:
    """Whether a Host header names this installation. The port does not matter. No header is allowed."""
    if not header:
        return True
    name, port = _parts(header.strip().lower())
    if name is None or (port and not (port.isascii() and port.isdigit())):
        return False
    return name in allowed or name == "localhost" or _is_loopback(name)


def _parts(header: str) -> tuple[str | None, str]:
    """The name without brackets and a final dot, and the port; None for the name where there are two."""
    if header.startswith("["):
        name, bracket, rest = header[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return None, ""
        return _bare(name), rest[1:]
    name, _, port = header.partition(":")
    return _bare(name), port


def _bare(name: str) -> str:
    """IPv6 addresses in one spelling."""
    name = name.strip("[]").removesuffix(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
