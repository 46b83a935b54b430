"""Every request has an id: on its log lines, in the page server's log, and in the response, for reports."""

from __future__ import annotations

import re
import secrets

from flask import Flask, Response, current_app, request

import logs

HEADER = "X-Request-Id"
GIVEN = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)


def init_app(app: Flask) -> None:
    app.before_request(begin)
    app.after_request(add_header)
    app.teardown_request(end)


def begin() -> None:
    """Use the id of a trusted proxy if there is one, so that its log and ours match."""
    given = request.headers.get(HEADER, "") if current_app.config["CARTLINK"].trusted_proxies else ""
    request.environ["cartlink.request_id"] = made = given if GIVEN.fullmatch(given) else secrets.token_hex(8)
    logs.begin(request=made)


def add_header(response: Response) -> Response:
    response.headers[HEADER] = request.environ.get("cartlink.request_id", "")
    return response


def end(error: BaseException | None) -> None:
    logs.end()
