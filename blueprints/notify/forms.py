"""The forms of notification settings: a person's preferences."""

from __future__ import annotations

from wtforms import StringField
from wtforms.validators import Length

from blueprints.forms import PageForm


class PreferencesForm(PageForm):
    email = StringField(
        "Email address", [Length(max=254, message="That is too long for an email address.")],
        render_kw={"autocomplete": "email", "inputmode": "email", "spellcheck": "false"},
    )  # fmt: skip
