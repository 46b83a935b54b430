"""Every request has an id: on each line it logs, in the page server's own line, and in the answer, to be named in a report."""

from __future__ import annotations

import re
import secrets

from flask import Flask, Response, current_app, request

import logs

HEADER = "X-Request-Id"
GIVEN = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)


def init_app(app: Flask) -> None:
    app.before_request(begin)
    app.after_request(tell)
    app.teardown_request(end)


def begin() -> None:
    """The id a proxy of ours has given, where there is one, so that its log and ours can be laid side by side."""
    given = request.headers.get(HEADER, "") if current_app.config["CARTLINK"].trusted_proxies else ""
    request.environ["cartlink.request_id"] = made = given if GIVEN.fullmatch(given) else secrets.token_hex(8)
    logs.begin(request=made)


def tell(response: Response) -> Response:
    response.headers[HEADER] = request.environ.get("cartlink.request_id", "")
    return response


def end(error: BaseException | None) -> None:
    logs.end()
