"""Errors of the API as problem details (RFC 9457): one form for everything below /api, whatever failed.

``type`` is ``urn:cartlink:problem:`` and the code, which is stable. ``errors`` names every fault of a request: ``pointer`` (RFC 6901) for the
body, ``parameter`` for the query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from flask import Flask, Response, current_app, request
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException, InternalServerError

from errors import AppError, InvalidInput, TooMany
from extensions import db
from services.common import database_trouble

PREFIX = "/api"
MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "The request cannot be understood", 401: "A valid token is needed", 403: "The token does not allow that", 404: "Not found",
    405: "Method not allowed", 409: "Conflict", 410: "No longer kept", 412: "The version has changed", 413: "Too large", 415: "Unsupported media type",
    422: "That cannot be done", 428: "A version is needed", 429: "Too many requests", 500: "A fault of Cartlink", 503: "Not available now",
}  # fmt: skip
HTTP_CODES = {
    400: ("bad_request", "The request is not valid HTTP."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that method."),
    413: ("too_large", "The body is too large."),
    415: ("unsupported_media_type", "Send application/json."),
    429: ("rate_limited", "Too many requests."),
}


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with a request: ``pointer`` for the body or ``parameter`` for the query."""

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[Fault] = []
    scope: str | None = None


class Problem(Exception):
    """Ends a request with problem details."""

    def __init__(
        self, status: int, code: str, detail: str, *, errors: Sequence[Fault] = (), scope: str = "", headers: dict[str, str] | None = None
    ):  # fmt: skip
        super().__init__(detail)
        self.status, self.code, self.detail, self.scope = status, code, detail, scope
        self.errors, self.headers = list(errors), headers or {}

    def body(self) -> bytes:
        title = TITLES.get(self.status, "The request failed")
        return msgspec.json.encode(
            ProblemBody(f"urn:cartlink:problem:{self.code}", title, self.status, self.code, self.detail,
                        request.environ.get("cartlink.request_id", ""), self.errors, self.scope or None)
        )  # fmt: skip


def is_for_api() -> bool:
    """Whether the present request is one to the API."""
    return request.path == PREFIX or request.path.startswith(f"{PREFIX}/")


def init_app(app: Flask) -> None:
    """Answer every error below /api with problem details. To be called after the handlers for pages are registered."""
    for handlers in app.error_handler_spec[None].values():
        for kind, handler in handlers.items():
            handlers[kind] = _either(handler)
    app.register_error_handler(Problem, answer)


def _either(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def show(error: Any) -> Any:
        return answer(of_error(error)) if is_for_api() else handler(error)

    return show


def answer(problem: Problem) -> Response:
    response = Response(problem.body(), problem.status, mimetype=MEDIA_TYPE)
    response.headers.update(problem.headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def of_error(error: Exception) -> Problem:
    """The problem that an exception stands for. Raises the exception where it is a fault of Cartlink's that has to be logged."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, AppError):
        return of_app_error(error)
    if isinstance(error, InternalServerError):
        return Problem(500, "internal_error", "Something went wrong in Cartlink. Report the request_id if it happens again.")
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, DBAPIError):
        trouble = database_trouble.named(error)
        if trouble is not None:
            db.session.rollback()
            current_app.logger.error("%s %r: %s (%s)", request.method, request.path, trouble.message, error.orig)
            return Problem(503, "database_unavailable", trouble.sentence(), headers={"Retry-After": "60"})
    if isinstance(error, OverflowError) or type(error).__name__ == "DataError":
        return Problem(400, "out_of_range", "A number or a time in the request is too large.")
    raise error


def of_app_error(error: AppError) -> Problem:
    """``code`` is the error's own; ``pointer`` is the field that a service names."""
    faults = []
    if isinstance(error, InvalidInput) and error.field:
        faults.append(Fault(error.code, error.sentence(), f"/{error.field}"))
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, TooMany) else {}
    if error.status >= 500:
        current_app.logger.warning("%s %r: %s", request.method, request.path, error.message)
    return Problem(error.status, error.code, error.sentence(), errors=faults, headers=headers)


def _of_http(error: HTTPException) -> Problem:
    status = error.code or 500
    code, detail = HTTP_CODES.get(status, ("http_error", error.description or "The request cannot be answered."))
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return Problem(status, code, detail, headers=headers)
