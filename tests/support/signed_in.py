"""A test client that behaves like a browser, and the one place where tests sign in."""

from __future__ import annotations

import contextvars
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from extensions import db

ACTOR_KEY = "actor"


class FreshClient(FlaskClient):
    """Each request runs in a context of its own, as it does behind gunicorn: it shares no database session with the test,
    and the test reads afterwards what the request has committed."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        db.session.rollback()
        answer = contextvars.Context().run(super().open, *args, **kwargs)
        db.session.rollback()
        return answer


def sign_in(client: FlaskClient, name: str) -> None:
    """Make ``name`` the person whose browser this is: the actor of what it starts."""
    with client.session_transaction() as session:
        session[ACTOR_KEY] = name
