"""How errors are shown: as a page, or for htmx as a message beside the page. The only place for this in the pages."""

from __future__ import annotations

import secrets
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, make_response, render_template, url_for
from flask_wtf.csrf import CSRFError
from htmx_flask import request
from markupsafe import escape
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import BadHost, HTTPException, InternalServerError

from blueprints.expired import shows_input_again
from blueprints.htmx import is_ours
from blueprints.labels import size_words
from blueprints.text import harmless
from errors import AppError, IntegrationRemoved, TooMany
from extensions import db
from services.common import database_trouble

TITLES = {
    400: "Invalid input", 403: "Not allowed", 404: "Not found", 405: "Not possible here", 409: "Not possible now", 413: "Too large",
    422: "Invalid input", 429: "Too many requests", 502: "The shop has a problem", 503: "The queue does not answer",
}  # fmt: skip
SENTENCES = {
    403: ("Your role does not allow this.", "Ask an owner to do it, or to change your role."),
    431: ("The request’s headers are too large.", "Delete this site’s cookies and try again."),
    404: ("There is no such page.", "It may have been removed, or the address is wrong."),
    405: ("This address does not accept this kind of request.", "Go back and use the buttons on the page."),
    413: ("The data is too large.", "Send at most 2 MB at a time."),
    429: ("Too many requests in a short time.", "Wait a minute and try again."),
}
EXPIRED = ("The page was open for too long, so nothing was changed.", "Load the page again and try again.")


def init_app(app: Flask) -> None:
    app.register_error_handler(AppError, show_app_error)
    app.register_error_handler(DBAPIError, show_database_trouble)
    app.register_error_handler(CSRFError, show_expired)
    app.register_error_handler(HTTPException, show_http_error)
    app.register_error_handler(InternalServerError, show_failure)


def show_app_error(error: AppError) -> Response:
    if error.status >= 500:
        current_app.logger.warning("%s %r: %s", request.method, request.path, error.message)
    kept = (
        url_for("integration.show_integration", integration_id=error.integration_id)
        if isinstance(error, IntegrationRemoved)
        else ""
    )
    response = answer(error.status, error.message, error.advice, kept=kept)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def show_database_trouble(error: DBAPIError) -> Response:
    trouble = database_trouble.named(error)
    if trouble is None:
        # A fault of Cartlink: it is logged with its traceback.
        raise error
    db.session.rollback()
    current_app.logger.error("%s %r: %s (%s)", request.method, request.path, trouble.message, error.orig)
    response = answer(trouble.status, trouble.message, trouble.advice, title=trouble.title)
    response.headers["Retry-After"] = "60"
    return response


def show_expired(error: CSRFError) -> Response:
    """Show the form again with its input if its view supports that. The view is called inside an error handler, so what it
    raises (no such link, too many tries) is passed to its own handler here; Flask would answer 500."""
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or not shows_input_again(view):
        return answer(400, *EXPIRED, title="The page has expired")
    try:
        return current_app.make_response(cast(Any, view)(**(request.view_args or {})))
    except CSRFError:
        return answer(400, *EXPIRED, title="The page has expired")
    except Exception as trouble:
        return current_app.make_response(cast(Any, current_app.handle_user_exception(trouble)))


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
    """A fault of Cartlink: the log has the traceback, the page a reference to it."""
    reference = secrets.token_hex(4)
    current_app.logger.error("the failure above was shown as %s", reference)
    advice = (
        f"This is not your fault. Try again. If it happens again, give the reference {reference} to the person who runs Cartlink."
    )
    return answer(500, "Something went wrong in Cartlink.", advice, title="Something went wrong")


def answer(status: int, message: str, advice: str = "", title: str = "", kept: str = "") -> Response:
    """With htmx a toast for any target, else an error page. ``kept`` is the address of what is kept of something that was removed."""
    if isinstance(request.routing_exception, BadHost):
        # An error page has links, which cannot be built from such a Host header.
        return Response("The host name in your request is invalid.\n", 400, mimetype="text/plain")
    title = title or TITLES.get(status, "Something went wrong")
    try:
        return _page(status, title, message, advice, kept)
    except Exception:
        current_app.logger.exception("an error page could not be rendered; a plain one was sent")
        return plain_page(status, title, message, advice)


def plain_page(status: int, title: str, message: str, advice: str = "") -> Response:
    """The same without layout, session, user or database, for when one of them fails."""
    text = "".join(f"<p>{escape(harmless(part))}</p>\n" for part in (message, advice) if part)
    page = (
        f'<!doctype html>\n<html lang="en">\n<title>{escape(title)} · Cartlink</title>\n<h1>{escape(title)}</h1>\n{text}</html>\n'
    )
    return Response(page, status, mimetype="text/html")


def _came_from() -> str:
    """The page with the form that was sent, to load it again as it is now; empty where nothing was sent, or it is not known."""
    if request.method != "POST" or not request.referrer or not request.referrer.startswith(request.host_url):
        return ""
    path = "/" + request.referrer.removeprefix(request.host_url)
    adapter = current_app.create_url_adapter(request)
    try:
        known = adapter is not None and bool(adapter.match(urlsplit(path).path, method="GET"))
    except (HTTPException, ValueError):
        # A page that was itself the answer to a form cannot be opened by its address.
        return ""
    return path if known and is_ours(path) else ""


def _page(status: int, title: str, message: str, advice: str, kept: str) -> Response:
    if request.htmx and not request.htmx.history_restore_request:
        toasts = [("danger", f"{message} {advice}".strip())]
        response = make_response(render_template("partials/_toasts.html", toasts=toasts), status)
        response.headers["HX-Retarget"] = "#toasts"
        response.headers["HX-Reswap"] = "beforeend"
        return response
    shown = {"title": title, "message": message, "advice": advice, "kept": kept, "back": _came_from()}
    return make_response(render_template("errors/error.html", **shown), status)
