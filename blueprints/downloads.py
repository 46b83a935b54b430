"""Limit downloads, which are expensive: one at a time for each user, ``MOST`` for each process. Others get 429.

Every route that sends a file has the decorator ``download``, which a test checks. The place is free again
when the response is closed, also if its reader is gone or it was never sent.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Response

from blueprints import in_progress
from blueprints.actors import current_person
from blueprints.unreadable import refuse_file
from extensions import extend_reading
from services.common.gates import Gate

MOST = 2
RETRY_AFTER = 10
STATEMENT_SECONDS = 60
"""How long each statement of a file may take: the first puts as many rows in order as there are, a million in some seconds on a calm machine."""
View = TypeVar("View", bound=Callable[..., Response])

marked: set[str] = set()
"""The view functions that have the decorator, as module and name."""


gate = Gate(
    1, MOST,
    ("Your other download is still running.", "Wait until it has finished, or stop it."),
    ("Other users are downloading at the moment.", "Try again in a few seconds."),
    RETRY_AFTER,
)  # fmt: skip


def download(view: View) -> View:
    """Decorate a view that sends a file."""

    @wraps(view)
    def limited(*args: Any, **kwargs: Any) -> Response:
        in_progress.is_file()
        person = current_person()
        leave = gate.enter(person.id if person is not None else 0)
        try:
            extend_reading(STATEMENT_SECONDS)
            response = view(*args, **kwargs)
            refuse_file()
        except BaseException:
            leave()
            raise
        response.call_on_close(leave)
        weakref.finalize(response, leave)
        return response

    marked.add(f"{view.__module__}.{view.__name__}")
    return cast(View, limited)
