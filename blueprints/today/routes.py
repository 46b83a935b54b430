"""The page after sign-in: what needs a person, and what is left to set up."""

from __future__ import annotations

from flask import Blueprint, render_template

from blueprints.access import may
from blueprints.actors import current_person
from blueprints.today import registry
from services.operations import first_steps

bp = Blueprint("today", __name__, url_prefix="/today")
STEPS = {
    "shop": ("Connect a shop", "onboarding.show_catalogue"), "email": ("Notification settings", "preferences.change_preferences"),
    "people": ("Add user", "users.create_user"),
}  # fmt: skip
"""The button of each step of services/operations/first_steps.py that can be done on a page: its label and where it leads."""


@bp.get("")
def show_today() -> str:
    seen = [(entry, entry.shown_lines()) for entry in registry.entries() if may(entry.endpoint)]
    found = [(entry, lines) for entry, lines in seen if lines is not None]
    # What is wrong stands before what is to do.
    found.sort(key=lambda each: all(line.tone != "bad" for line in each[1]))
    person = current_person()
    steps = first_steps.open_steps() if person is not None and person.may("owner") else []
    return render_template("today/today.html", entries=found, steps=steps, buttons=STEPS)
