"""Refuse requests that contain NUL characters or invalid Unicode, before a route sees them.

PostgreSQL stores no NUL character and no lone surrogate: a search for one is an error of the database. The path, the query,
the headers and the cookies are checked first; fields and JSON are checked when the limit for their size is known (``init_app``
and ``init_fields``). The content of an uploaded file is checked where it is read (services/common/csv_files.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Flask, Response, request
from sqlalchemy.exc import DataError

from blueprints.errors import answer
from blueprints.page_requests import for_pages

REFUSED = (
    "The request contains characters that cannot be used.",
    "Remove invisible characters and try again.",
)
TOO_LARGE = ("A number in the request is too large.", "Enter a smaller number.")
UNUSABLE = re.compile("[\x00\ud800-\udfff]")
DEEPEST = 20
"""Levels of JSON that are checked. Cartlink reads only a few."""


def init_app(app: Flask) -> None:
    app.before_request(for_pages(check_address_and_headers))
    # For numbers that only the database refuses.
    app.register_error_handler(DataError, show_too_large)
    app.register_error_handler(OverflowError, show_too_large)


def init_fields(app: Flask) -> None:
    """Call it after blueprints/access.py, which limits the size of requests without a sign-in."""
    app.before_request(for_pages(check_fields))


def check_address_and_headers() -> Response | None:
    environ = request.environ
    path = environ.get("PATH_INFO", "").encode("latin-1", "replace")
    query = unquote_to_bytes(environ.get("QUERY_STRING", "").encode("latin-1", "replace"))
    headers = (value for name, value in environ.items() if name.startswith(("HTTP_", "CONTENT_")))
    usable = _is_usable(path) and _is_usable(query)
    if usable and not any(UNUSABLE.search(text) for text in (*headers, *request.cookies.values())):
        return None
    return answer(400, *REFUSED)


def check_fields() -> Response | None:
    if request.endpoint is None or request.method in ("GET", "HEAD", "OPTIONS"):
        return None
    given = [list(request.form.items(multi=True)), [(name, file.filename) for name, file in request.files.items(multi=True)]]
    if request.is_json:
        given.append(request.get_json(silent=True))
    if any(UNUSABLE.search(text) for text in _texts(given)):
        return answer(400, *REFUSED)
    return None


def show_too_large(error: Exception) -> Response:
    return answer(422, *TOO_LARGE)


def _is_usable(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in content


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Every text in what was sent, names of fields included."""
    if isinstance(value, str):
        yield value
    elif depth > DEEPEST:
        return
    elif isinstance(value, dict):
        yield from _texts(list(value.items()), depth)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each, depth + 1)
