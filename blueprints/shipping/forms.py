"""The form of a carrier."""

from __future__ import annotations

from wtforms import StringField, TextAreaField

from blueprints.forms import PageForm


class CarrierForm(PageForm):
    name = StringField("Name", render_kw={"maxlength": 100, "autocomplete": "off"})
    aliases = TextAreaField("Other names", render_kw={"rows": 3})
    tracking_url = StringField(
        "Tracking link", render_kw={"maxlength": 500, "inputmode": "url", "autocomplete": "off", "spellcheck": "false"}
    )
