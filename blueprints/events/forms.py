"""The forms of event endpoints."""

from __future__ import annotations

from wtforms import StringField
from wtforms.validators import InputRequired, Length, Optional

from blueprints.forms import PageForm, yes_no


class NewEndpointForm(PageForm):
    name = StringField("Name", [InputRequired("Enter a name."), Length(max=100)], render_kw={"autocomplete": "off"})
    url = StringField(
        "Address", [InputRequired("Enter an address."), Length(max=500)],
        render_kw={"autocomplete": "off", "inputmode": "url", "spellcheck": "false"},
    )  # fmt: skip


class EndpointForm(PageForm):
    """``url`` is empty to keep the present address."""

    name = StringField("Name", [InputRequired("Enter a name."), Length(max=100)], render_kw={"autocomplete": "off"})
    url = StringField(
        "New address", [Optional(), Length(max=500)], render_kw={"autocomplete": "off", "inputmode": "url", "spellcheck": "false"}
    )
    enabled = yes_no("Send events")
