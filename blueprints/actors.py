"""Who acts: the one place that knows."""

from __future__ import annotations

from flask_login import current_user

from services.sign_ins import Person


def current_person() -> Person | None:
    """Who is signed in with the browser that asks."""
    return current_user._get_current_object() if current_user.is_authenticated else None


def current_actor() -> str:
    """The actor of a sync run or a change, as models.sync_run words it: ``user:ann``. Behind routes that need a sign-in."""
    return f"user:{current_user.name}"


def may_see_customers() -> bool:
    """Whether personal data of customers is shown to the one who asks."""
    person = current_person()
    return person is not None and person.may_see_customers
