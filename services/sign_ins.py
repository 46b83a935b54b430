"""How a browser stays signed in: sessions that begin, are looked up with each request, are listed, and end.

The browser holds a random token; the table has its SHA-256, so who reads the database cannot become anybody.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.exc import OperationalError

from config import Config
from errors import NotFound
from extensions import db, writing
from models import User, UserSession
from models.types import utcnow
from models.user import ROLES

NOTED_EVERY = timedelta(minutes=1)
"""How exactly it is noted when a session was last used: a page costs no write most of the time."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is behind a request. ``token`` is what the browser holds."""

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
    """A session as its owner sees it; ``here`` for the one that asks."""

    id: int
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    agent: str
    here: bool


def begin_session(user_id: int, address: str, agent: str) -> str:
    """Let a browser in; answers with its token. Sessions that are over are swept away with it."""
    token = secrets.token_urlsafe(32)
    now = utcnow()
    with writing() as session:
        session.execute(delete(UserSession).where(UserSession.expires_at < now))
        session.execute(delete(UserSession).where(UserSession.seen_at < now - _config().session_idle))
        session.add(
            UserSession(user_id=user_id, token_hash=_hash(token), seen_at=now, created_at=now,
                        expires_at=now + _config().session_lifetime, address=address[:45], agent=agent[:300])
        )  # fmt: skip
    return token


# Asked with every request: made once, on the tables, it costs a third.
_user, _held = User.__table__.c, UserSession.__table__.c
HOLDER = (
    select(_user.id, _user.name, _user.role, _user.sees_customers, _user.zone, _user.two_step_sealed.is_not(None), _held.id,
           _held.seen_at)
    .join_from(User.__table__, UserSession.__table__)
    .where(_held.token_hash == bindparam("token_hash"), _held.expires_at > bindparam("now"),
           _held.seen_at > bindparam("used_since"), _user.disabled_at.is_(None))
)  # fmt: skip


def find_person(token: str) -> Person | None:
    """Who holds this token; None where the session is over or the user disabled."""
    now = utcnow()
    asked = {"token_hash": _hash(token), "now": now, "used_since": now - _config().session_idle}
    row = db.session.execute(HOLDER, asked).first()
    return None if row is None else Person(*row, token)


def note_use(person: Person) -> None:
    """Remember that a session is in use, to the minute. A database that is busy is no reason to keep a page back."""
    now = utcnow()
    if now - person.seen_at < NOTED_EVERY:
        return
    try:
        with writing() as session:
            session.execute(update(UserSession).where(UserSession.id == person.session_id).values(seen_at=now))
    except OperationalError:
        db.session.rollback()


def list_sessions(person: Person) -> list[SessionRow]:
    """Where this person is signed in, the last used first."""
    now = utcnow()
    query = (
        select(UserSession)
        .where(UserSession.user_id == person.id, UserSession.expires_at > now, UserSession.seen_at > now - _config().session_idle)
        .order_by(UserSession.seen_at.desc(), UserSession.id.desc())
    )
    return [
        SessionRow(row.id, row.created_at, row.seen_at, row.expires_at, row.address, row.agent, row.id == person.session_id)
        for row in db.session.scalars(query)
    ]


def end_session(user_id: int, session_id: int) -> None:
    """Sign one browser out. Raises NotFound where it is none of this user's, or over already."""
    with writing() as session:
        ended = session.execute(delete(UserSession).where(UserSession.id == session_id, UserSession.user_id == user_id))
    if ended.rowcount != 1:
        raise NotFound("That session has ended already.")


def end_token(token: str) -> None:
    """Sign out the browser that holds this token; twice is the same as once."""
    with writing() as session:
        session.execute(delete(UserSession).where(UserSession.token_hash == _hash(token)))


def end_all(user_id: int) -> int:
    """Sign a user out everywhere; answers with the number of sessions that ended."""
    with writing() as session:
        return session.execute(delete(UserSession).where(UserSession.user_id == user_id)).rowcount


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _config() -> Config:
    return current_app.config["CARTLINK"]
