"""Three addresses for machines. None of them knows sessions, roles or limits; none tells anything about what is inside."""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, request
from prometheus_client import CONTENT_TYPE_LATEST

import jobs
from blueprints.operating.exposition import exposition
from services import readiness

bp = Blueprint("operating", __name__)

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via")


@bp.get("/healthz")
def show_health() -> Response:
    """Whether this process answers. It asks nobody else: who restarts it for a database that is away makes things worse."""
    return plain("alive\n")


@bp.get("/readyz")
def show_readiness() -> Response:
    """Whether a request would be served well: 200, or 503 with the part that is not ready and what to do about it."""
    parts = readiness.look(jobs.answers)
    lines = "".join(f"{part.name}: {part.sentence}\n" for part in parts)
    return plain(lines, 200 if all(part.ready for part in parts) else 503)


@bp.get("/metrics")
def show_figures() -> Response:
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
    """Whether a program on this very machine asks, and not a stranger through a proxy on it.

    A proxy we are told of says whom it asks for, so its strangers have their own address here. One that nobody has told us of
    may forward them under this machine's: what bears a mark of a proxy is refused, and so is all where the pages are said to
    be reached by https, which nothing but a proxy can bring about. A name that is not this machine's own is refused as well: a
    stranger's page may have its name point here, and have the operator's browser ask."""
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
