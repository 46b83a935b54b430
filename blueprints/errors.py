"""Errors as people see them: a page, or with htmx a message beside what is there. The only policy for the web."""

from __future__ import annotations

import secrets

from flask import Flask, Response, current_app, make_response, render_template
from flask_wtf.csrf import CSRFError
from htmx_flask import request
from werkzeug.exceptions import BadHost, HTTPException, InternalServerError

from blueprints.expired import shows_input_again
from blueprints.words import size_words
from errors import AppError

TITLES = {
    403: "Not allowed", 404: "Not found", 405: "That cannot be done here", 409: "That clashes with something", 413: "Too large",
    422: "That cannot be used", 429: "Too many requests", 502: "The shop has a problem", 503: "The queue is away",
}  # fmt: skip
SENTENCES = {
    403: ("Your role does not allow that.", "Ask an owner to do it, or for another role."),
    431: ("The request’s headers are too large.", "Delete this site’s cookies and try again."),
    404: ("There is no such page.", "It may have been removed, or the address was mistyped."),
    405: ("This address does not take that kind of request.", "Go back and use the buttons of the page."),
    413: ("What was sent is too large.", "Send at most 2 MB at a time."),
    429: ("That was too many requests in a short time.", "Wait a minute and try again."),
}
EXPIRED = ("The page was open for too long, so nothing was changed.", "Load the page again and repeat what you did.")


def init_app(app: Flask) -> None:
    app.register_error_handler(AppError, show_app_error)
    app.register_error_handler(CSRFError, show_expired)
    app.register_error_handler(HTTPException, show_http_error)
    app.register_error_handler(InternalServerError, show_failure)


def show_app_error(error: AppError) -> Response:
    if error.status >= 500:
        current_app.logger.warning("%s %r: %s", request.method, request.path, error.message)
    return answer(error.status, error.message, error.advice)


def show_expired(error: CSRFError) -> Response:
    view = current_app.view_functions.get(request.endpoint or "")
    if view is not None and shows_input_again(view):
        return current_app.make_response(view(**(request.view_args or {})))
    return answer(400, *EXPIRED, title="The page has expired")


def show_http_error(error: HTTPException) -> Response | HTTPException:
    code = error.code or 500
    if code < 400:
        return error
    if code == 413 and request.max_content_length:
        return answer(code, SENTENCES[413][0], f"Send at most {size_words(request.max_content_length)} at a time.")
    response = answer(code, *SENTENCES.get(code, ("The request cannot be answered.", "Go back and try again.")))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def show_failure(error: InternalServerError) -> Response:
    """A fault of ours: the log has the traceback, the person gets a reference to it."""
    reference = secrets.token_hex(4)
    current_app.logger.error("the failure above was shown as %s", reference)
    advice = f"Nothing of this is your fault. Try again; if it happens again, report the reference {reference}."
    return answer(500, "Something went wrong in Cartlink.", advice, title="Something went wrong")


def answer(status: int, message: str, advice: str = "", title: str = "") -> Response:
    """With htmx a toast, whatever was the target; else a page of its own."""
    if isinstance(request.routing_exception, BadHost):
        # A page has links, and from such a Host header none can be made.
        return Response("The name of this site in your request cannot be understood.\n", 400, mimetype="text/plain")
    if request.htmx and not request.htmx.history_restore_request:
        toasts = [("danger", f"{message} {advice}".strip())]
        response = make_response(render_template("partials/_toasts.html", toasts=toasts), status)
        response.headers["HX-Retarget"] = "#toasts"
        response.headers["HX-Reswap"] = "beforeend"
        return response
    title = title or TITLES.get(status, "Something went wrong")
    return make_response(render_template("errors/error.html", title=title, message=message, advice=advice), status)
