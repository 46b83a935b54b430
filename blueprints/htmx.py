"""Page or fragment: the one place that reads htmx's headers."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from flask import Response, current_app, flash, get_flashed_messages, make_response, redirect, render_template
from htmx_flask import request


def wants_fragment(*ids: str) -> bool:
    """Whether htmx asks for one of these elements. Plain, boosted and history-restoring requests get the page."""
    return bool(request.htmx) and not request.htmx.history_restore_request and request.htmx.target in ids


def fragment(template: str, status: int = 200, announce: str = "", **context: object) -> Response:
    """A fragment, with the toasts beside it. Screen readers read out ``announce`` when it
    differs from the last one; do not use it for mere progress."""
    parts = [render_template(template, **context)]
    toasts = get_flashed_messages(with_categories=True)
    if toasts:
        parts.append(render_template("partials/_toasts_beside.html", toasts=toasts))
    response = make_response("".join(parts), status)
    if announce:
        response.headers["HX-Trigger"] = json.dumps({"announce": announce})
    return response


def toast(message: str, kind: str = "success") -> None:
    """Show a message with the next page or fragment. ``kind`` is success, info, warning or danger."""
    flash(message, kind)


def go_to(url: str) -> Response:
    """Redirect to another of our pages: a full page load with htmx, 303 without JavaScript."""
    if request.htmx:
        response = make_response("", 200)
        response.headers["HX-Redirect"] = url
        return response
    return current_app.make_response(redirect(url, code=303))


def back_to(default: str) -> str:
    """The page that a form names in ``back``, or ``default``. Foreign addresses are ignored."""
    wanted = request.form.get("back", "")
    return wanted if is_ours(wanted) else default


def is_ours(address: str) -> bool:
    """Whether this is a path on this site, also as browsers read it."""
    if not address.startswith("/") or address.startswith("//") or "\\" in address or not address.isprintable():
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return not parts.scheme and not parts.netloc
