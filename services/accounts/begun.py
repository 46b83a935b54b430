"""Whether a sign-in that was begun still counts: a password takes a moment to check, and may be reset, or its user disabled, meanwhile."""

from __future__ import annotations

from errors import Conflict
from extensions import db
from models import User


class SignInEnded(Conflict):
    """What a sign-in began with counts no longer."""


def refuse_ended(user_id: int, password_hash: str | None) -> None:
    """Lock a user whose sign-in goes on. ``password_hash`` is that of the password with which it began, None where none was typed. Call it
    inside ``writing()``. Raises SignInEnded where the user is disabled or has another password by now."""
    user = db.session.get(User, user_id, with_for_update=True, populate_existing=True)
    changed = user is not None and password_hash is not None and user.password_hash != password_hash
    if user is None or user.disabled_at is not None or changed:
        raise SignInEnded("The password was changed, or the user disabled, while you were signing in.", "Sign in again.")


def password_hash_of(user_id: int) -> str:
    """The hash of a user's present password; empty where there is none."""
    user = db.session.get(User, user_id, populate_existing=True)
    return user.password_hash if user is not None else ""
