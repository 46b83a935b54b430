"""Page or fragment: the one place that looks at htmx's headers."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from flask import Response, flash, get_flashed_messages, make_response, redirect, render_template
from htmx_flask import request


def wants_fragment(*ids: str) -> bool:
    """Whether htmx asks for one of these elements. Plain, boosted and history-restoring requests want the page."""
    return bool(request.htmx) and not request.htmx.history_restore_request and request.htmx.target in ids


def fragment(template: str, status: int = 200, announce: str = "", **context: object) -> Response:
    """A fragment, with what there is to say (``toast``) beside it. ``announce`` is read out by screen readers when it
    differs from what was read out last; a progress that only moves on is none of that."""
    parts = [render_template(template, **context)]
    toasts = get_flashed_messages(with_categories=True)
    if toasts:
        parts.append(render_template("partials/_toasts_beside.html", toasts=toasts))
    response = make_response("".join(parts), status)
    if announce:
        response.headers["HX-Trigger"] = json.dumps({"announce": announce})
    return response


def toast(message: str, kind: str = "success") -> None:
    """Say something with the next page or fragment. ``kind`` is success, info, warning or danger."""
    flash(message, kind)


def go_to(url: str) -> Response:
    """Leave for another page of ours: a real page load with htmx, 303 without JavaScript."""
    if request.htmx:
        response = make_response("", 200)
        response.headers["HX-Redirect"] = url
        return response
    return redirect(url, code=303)


def back_to(default: str) -> str:
    """The page of ours that a form names in ``back``, or ``default``. Anything that leads elsewhere is ignored."""
    wanted = request.form.get("back", "")
    return wanted if is_ours(wanted) else default


def is_ours(address: str) -> bool:
    """Whether this is a path on this site, and nothing that a browser could take for another one."""
    if not address.startswith("/") or address.startswith("//") or "\\" in address or not address.isprintable():
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return not parts.scheme and not parts.netloc
