"""Headers of every response: the content-security policy and others, caching, and compression."""

from __future__ import annotations

import gzip
import io
import secrets

from flask import Flask, Response, current_app, request
from werkzeug.middleware.proxy_fix import ProxyFix

from config import Config

POLICY = "; ".join(
    (
        "default-src 'self'", "img-src 'self' data:", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
        "object-src 'none'",
    )
)  # fmt: skip
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
ONLY_HTTPS = "max-age=31536000"
"""Seconds for which browsers use only https: one year."""
WORTH_COMPRESSING = 1000
"""Bytes. A smaller page fits into one packet."""


def init_app(app: Flask) -> None:
    app.after_request(finish)


def trust_proxies(app: Flask, config: Config) -> None:
    """Take address and scheme from the proxies that the operator has configured. Without that, these headers are ignored:
    anybody can send them."""
    if config.trusted_proxies:
        proxied = ProxyFix(app.wsgi_app, x_for=config.trusted_proxies, x_proto=config.trusted_proxies)
        app.wsgi_app = proxied  # type: ignore[method-assign]


def finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure or current_app.config["CARTLINK"].behind_https:
        response.headers.setdefault("Strict-Transport-Security", ONLY_HTTPS)
    if not response.cache_control.public and not response.cache_control.no_cache:
        # Every page is private.
        response.cache_control.no_store = True
    if response.mimetype == "text/html":
        # The same address answers with a page or a fragment, in the language of the browser.
        response.vary.update(("HX-Request", "HX-Target", "Cookie", "Accept-Language"))
        compress(response)
    return response


def compress(response: Response) -> None:
    """Compress a page. Page and form token are compressed together, so the length could reveal the token: a header of random
    length inside the gzip stream prevents that (BREACH)."""
    response.vary.add("Accept-Encoding")
    if "gzip" not in request.accept_encodings or response.direct_passthrough or response.is_streamed:
        return
    content = response.get_data()
    if len(content) < WORTH_COMPRESSING or response.content_encoding:
        return
    packed = io.BytesIO()
    padding = "x" * (1 + secrets.randbelow(60))
    with gzip.GzipFile(filename=padding, mode="wb", compresslevel=5, fileobj=packed, mtime=0) as stream:
        stream.write(content)
    response.set_data(packed.getvalue())
    response.content_encoding = "gzip"
