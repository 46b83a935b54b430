"""What looks at the request of a page leaves the API's requests alone: they have no cookies, and errors of their own form (api/)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from flask import request

R = TypeVar("R")


def is_for_page() -> bool:
    return request.path != "/api" and not request.path.startswith("/api/")


def for_pages(look: Callable[[], R]) -> Callable[[], R | None]:
    """Something to do before each request, for those to pages only."""

    @wraps(look)
    def looked() -> R | None:
        return look() if is_for_page() else None

    return looked
