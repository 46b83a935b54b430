"""Sessions of browsers: begin, look up with each request, list, and end them.

The browser has a random token, the table only its SHA-256: reading the database is not enough to sign in.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.exc import OperationalError

from config import current_config
from errors import NotFound
from extensions import db, writing
from models import User, UserSession
from models.types import utcnow
from models.user import ROLES
from services.accounts import begun, one_time_codes
from services.common.results import changed_rows
from services.security import audit
from services.security.audit import About, record_change

SIGNED_IN = audit.kind("user.signed_in", "Signed in")
SIGNED_OUT = audit.kind("user.signed_out", "Signed out")
SESSIONS_ENDED = audit.kind("user.sessions_ended", "Sessions ended")
NOTED_EVERY = timedelta(minutes=1)
"""The last use of a session is stored at most this often, so that most pages do not write."""


@dataclass(frozen=True, slots=True)
class Person:
    """The signed-in user of a request. ``token`` is the browser's."""

    id: int
    name: str
    role: str
    sees_customers: bool
    zone: str
    two_step: bool
    session_id: int
    seen_at: datetime
    token: str = field(repr=False)

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        return self.token

    def may(self, role: str) -> bool:
        """Whether this person may do what ``role`` may."""
        return ROLES.index(self.role) <= ROLES.index(role)

    @property
    def may_see_customers(self) -> bool:
        return self.may("manager") or self.sees_customers


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as its user sees it; ``here`` is true for the session of this request."""

    id: int
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    agent: str
    here: bool


def begin_session(user_id: int, address: str, agent: str, password_hash: str | None = None) -> str:
    """Begin a session and return its token. Expired sessions are deleted. ``password_hash`` is that of the password that let the user in.
    Raises SignInEnded where that was changed meanwhile, or the user disabled."""
    token = secrets.token_urlsafe(32)
    now = utcnow()
    with writing() as session:
        begun.refuse_ended(user_id, password_hash)
        session.execute(delete(UserSession).where(UserSession.expires_at < now))
        session.execute(delete(UserSession).where(UserSession.seen_at < now - current_config().session_idle))
        session.add(
            UserSession(user_id=user_id, token_hash=_hash(token), seen_at=now, created_at=now,
                        expires_at=now + current_config().session_lifetime, address=address[:45], agent=agent[:300])
        )  # fmt: skip
        name = _name_of(user_id)
        record_change(SIGNED_IN, About(user_id, name), {"address": (None, address[:45])}, f"user:{name}")
    return token


# Used with every request: built once from the tables, it takes a third of the time.
_user, _held = User.__table__.c, UserSession.__table__.c
HOLDER = (
    select(_user.id, _user.name, _user.role, _user.sees_customers, _user.zone, _user.two_step_encrypted.is_not(None), _held.id,
           _held.seen_at)
    .join_from(User.__table__, UserSession.__table__)
    .where(_held.token_hash == bindparam("token_hash"), _held.expires_at > bindparam("now"),
           _held.seen_at > bindparam("used_since"), _user.disabled_at.is_(None))
)  # fmt: skip


def find_person(token: str) -> Person | None:
    """The user of a token; None if the session has expired or the user is disabled."""
    now = utcnow()
    asked = {"token_hash": _hash(token), "now": now, "used_since": now - current_config().session_idle}
    row = db.session.execute(HOLDER, asked).first()
    values: list[Any] = [*(row or ()), token]
    return None if row is None else Person(*values)


def note_use(person: Person) -> None:
    """Store that a session is in use, to the minute. A busy database does not delay the page."""
    now = utcnow()
    if now - person.seen_at < NOTED_EVERY:
        return
    with suppress(OperationalError), writing() as session:
        session.execute(update(UserSession).where(UserSession.id == person.session_id).values(seen_at=now))


def list_sessions(person: Person) -> list[SessionRow]:
    """The sessions of a user, the last used first."""
    now = utcnow()
    query = (
        select(UserSession)
        .where(
            UserSession.user_id == person.id,
            UserSession.expires_at > now,
            UserSession.seen_at > now - current_config().session_idle,
        )
        .order_by(UserSession.seen_at.desc(), UserSession.id.desc())
    )
    return [
        SessionRow(row.id, row.created_at, row.seen_at, row.expires_at, row.address, row.agent, row.id == person.session_id)
        for row in db.session.scalars(query)
    ]


def end_session(user_id: int, session_id: int) -> None:
    """End one session. Raises NotFound if it is not this user's, or has ended."""
    with writing() as session:
        ended = session.execute(delete(UserSession).where(UserSession.id == session_id, UserSession.user_id == user_id))
        _note_ended(user_id, changed_rows(ended))
    if changed_rows(ended) != 1:
        raise NotFound("That session has ended already.")


def end_token(token: str) -> None:
    """End the session of this token. Repeating it is harmless."""
    with writing() as session:
        held = session.scalar(select(UserSession).where(UserSession.token_hash == _hash(token)))
        if held is not None:
            name = _name_of(held.user_id)
            record_change(SIGNED_OUT, About(held.user_id, name), actor=f"user:{name}")
            session.delete(held)


def end_all(user_id: int) -> int:
    """End all sessions of a user, sign-ins that wait for their second step, and a set-up of two-step sign-in that is not confirmed. Returns the
    number of sessions. One-time links stay: only an owner makes them, for a user who cannot sign in."""
    with writing() as session:
        user = session.get(User, user_id, with_for_update=True)
        if user is not None:
            user.two_step_next_encrypted = None
        one_time_codes.withdraw_codes("second_step", user_id)
        ended = changed_rows(session.execute(delete(UserSession).where(UserSession.user_id == user_id)))
        _note_ended(user_id, ended)
        return ended


def _note_ended(user_id: int, ended: int) -> None:
    """Record that sessions were ended other than by signing out. Call it inside ``writing()``."""
    record_change(SESSIONS_ENDED, About(user_id, _name_of(user_id)), {"sessions": (ended, 0)})


def _name_of(user_id: int) -> str:
    return db.session.scalar(select(User.name).where(User.id == user_id)) or ""


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
