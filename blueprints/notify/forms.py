"""The forms of notification settings: a person's preferences, and the webhook."""

from __future__ import annotations

from wtforms import StringField
from wtforms.validators import InputRequired, Length

from blueprints.forms import PageForm, yes_no


class PreferencesForm(PageForm):
    email = StringField(
        "Email address", [Length(max=254, message="That is too long for an email address.")],
        render_kw={"autocomplete": "email", "inputmode": "email", "spellcheck": "false"},
    )  # fmt: skip


class WebhookForm(PageForm):
    url = StringField(
        "Address", [InputRequired("Enter an address."), Length(max=500)],
        render_kw={"autocomplete": "off", "inputmode": "url", "spellcheck": "false"},
    )  # fmt: skip
    enabled = yes_no("Send messages")
