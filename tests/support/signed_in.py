"""A test client that behaves like a browser, and the one place where tests sign in."""

from __future__ import annotations

import contextvars
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from extensions import db, writing
from models import User
from services.accounts import sign_ins, users
from tests.support.audited import EXEMPT, unrecorded, watched


class FreshClient(FlaskClient):
    """Each request runs in its own context, as it does behind gunicorn: it shares no database session with the test,
    and the test reads afterwards what the request has committed.

    What it changes has to be in the audit trail; ``changed`` are the tables that the last request changed."""

    changed: set[str] = set()

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        db.session.rollback()
        # Files are sent while they are made: all of one is made in the request's own context, and closed.
        kwargs.setdefault("buffered", True)
        with watched() as seen:
            answer = contextvars.Context().run(super().open, *args, **kwargs)
        db.session.rollback()
        self.changed = seen
        if unrecorded(seen) and answer.request.method != "GET" and answer.status_code < 400:
            endpoint, _ = self.application.url_map.bind("localhost").match(answer.request.path, method=answer.request.method)
            assert endpoint in EXEMPT, f"{endpoint} changed {unrecorded(seen)} and recorded nothing (services/security/audit.py)"
        return answer


def sign_in(client: FlaskClient, name: str, role: str = "owner", *, sees_customers: bool = False) -> int:
    """Make ``name`` the person whose browser this is: the actor of what it starts. Who is not known yet is made, with this
    role and without a password. Answers with the user's id."""
    with client.application.app_context():
        user_id = user_called(name, role, sees_customers)
        token = sign_ins.begin_session(user_id, "127.0.0.1", "a test")
        db.session.remove()
    with client.session_transaction() as session:
        session["_user_id"] = token
    return user_id


def user_called(name: str, role: str = "owner", sees_customers: bool = False) -> int:
    with writing() as session:
        known = session.query(User).filter_by(name_key=users.key_of(name)).one_or_none()
        if known is not None:
            return known.id
        user = User(name=name, name_key=users.key_of(name), role=role, sees_customers=sees_customers)
        session.add(user)
        session.flush()
        return user.id
