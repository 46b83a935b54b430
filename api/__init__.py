"""The JSON API for other programs, below /api/v1: its operations, what they read and answer, and its errors.

It has no sessions, no cookies and no forms. What is done and who may do it is in services; here it is only decoded and encoded."""

from __future__ import annotations

from flask import Flask, Response

from api import openapi, operations, problems, rate_limits, reference, resources
from config import Config
from extensions import csrf

__all__ = ["init_app", "openapi", "resources"]


def init_app(app: Flask, config: Config) -> None:
    """Register the API. To be called after the pages, whose error handlers it keeps from answering below /api."""
    rate_limits.init_app(app, config)
    csrf.exempt(operations.bp)
    app.register_blueprint(operations.bp)
    app.register_blueprint(reference.pages)
    problems.init_app(app)
    app.after_request(finish)


def finish(response: Response) -> Response:
    """No answer below /api sets a cookie; each says how much is left of the limit."""
    if problems.is_for_api():
        rate_limits.add_headers(response)
        response.headers.pop("Set-Cookie", None)
    return response
