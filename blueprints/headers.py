"""What every answer carries: the content-security policy and its companions, what may be kept, and compression."""

from __future__ import annotations

import gzip
import io
import secrets

from flask import Flask, Response, request

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
WORTH_COMPRESSING = 1000
"""Bytes; below that a page fits in one packet anyway."""


def init_app(app: Flask) -> None:
    app.after_request(finish)


def finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        # The same address answers with a page or with a fragment of it, and every page is somebody's private one.
        response.vary.update(("HX-Request", "HX-Target", "Cookie"))
        response.cache_control.no_store = True
        compress(response)
    return response


def compress(response: Response) -> None:
    """A page and its form token are compressed together, so its length could tell about the token; a header of random
    length inside the gzip stream keeps it from doing so."""
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
