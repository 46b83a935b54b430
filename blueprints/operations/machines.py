"""Three addresses for machines, without sessions, roles or rate limits. They reveal no data."""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, request
from prometheus_client import CONTENT_TYPE_LATEST

import jobs
from blueprints.operations.exposition import exposition
from services.operations import readiness

bp = Blueprint("machines", __name__)

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via")


@bp.get("/healthz")
def show_health() -> Response:
    """Whether this process answers. It does not check the database: a restart would not bring the database back."""
    return plain("alive\n")


@bp.get("/readyz")
def show_readiness() -> Response:
    """Whether requests can be served: 200, or 503 with the part that is not ready and what to do about it."""
    parts = readiness.look(jobs.trouble)
    lines = "".join(f"{part.name}: {part.sentence}\n" for part in parts)
    return plain(lines, 200 if all(part.ready for part in parts) else 503)


@bp.get("/metrics")
def show_metrics() -> Response:
    if current_app.config["CARTLINK"].metrics_token:
        if not sends_token():
            response = plain("Send METRICS_TOKEN as a bearer token.\n", 401)
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
    elif not asks_from_here():
        return plain("Set METRICS_TOKEN to read this from elsewhere.\n", 403)
    return Response(exposition(), content_type=CONTENT_TYPE_LATEST)


def sends_token() -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    wanted = current_app.config["CARTLINK"].metrics_token
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), wanted.encode())


def asks_from_here() -> bool:
    """Whether the request comes from a program on this machine, not through a proxy on it.

    A configured proxy names its client, so the address is the client's. An unconfigured proxy may
    forward clients under this machine's address: requests with proxy headers are refused, and all requests if pages are
    served by https, which needs a proxy. A foreign host name is refused as well: it
    may point here and use the operator's browser (DNS rebinding)."""
    config = current_app.config["CARTLINK"]
    if not config.trusted_proxies and (config.behind_https or any(name in request.headers for name in FORWARDED)):
        return False
    return is_loopback(request.remote_addr or "") and is_loopback(urlsplit(f"//{request.host}").hostname or "")


def is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def plain(text: str, status: int = 200) -> Response:
    return Response(text, status, mimetype="text/plain")
