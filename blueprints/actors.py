"""Who makes a request."""

from __future__ import annotations

from flask_login import current_user

from services.accounts.sign_ins import Person


def current_person() -> Person | None:
    """The user who is signed in, or None."""
    return current_user._get_current_object() if current_user.is_authenticated else None


def current_actor() -> str:
    """The actor of a sync run or a change, as in models.sync_run: ``user:ann``. Only for routes that need a sign-in."""
    return f"user:{current_user.name}"


def may_see_customers() -> bool:
    """Whether the user may see customers' personal data."""
    person = current_person()
    return person is not None and person.may_see_customers
