"""The filters of the incidents, what a person wants to be told of, and the webhook."""

from __future__ import annotations

from wtforms import Form, SearchField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from blueprints.forms import choices
from blueprints.sales_channels.forms import FormOfOurs, yes_no

STATES = {"open": "Open", "over": "Over", "all": "All"}
KINDS = {
    "": "Every kind", "key": "API key", "outage": "Shop away", "flows": "Something fails", "waiting": "Waiting for a person",
    "silence": "No orders",
}  # fmt: skip

SORTS = {"": "Open ones first", "newest": "Newest first", "oldest": "Oldest first", "integration": "Integration"}


class IncidentFilter(Form):
    """A filter that is not one of the choices counts as none."""

    integration = SearchField("Integration")
    state = SelectField("Show", choices=list(STATES.items()), default="open")
    topic = SelectField("Kind", choices=list(KINDS.items()), default="")
    sort = SelectField("Sort by", choices=choices(SORTS), default="")

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        self.integration.data = (self.integration.data or "").strip()[:100]
        self.state.data = self.state.data if self.state.data in STATES else "open"
        self.topic.data = self.topic.data if self.topic.data in KINDS else ""
        self.sort.data = self.sort.data if self.sort.data in SORTS else ""

    def chosen(self) -> dict[str, str]:
        """What is set, as arguments of the page's URL."""
        return {name: value for name, value in self.data.items() if value and (name, value) != ("state", "open")}


class WishesForm(FormOfOurs):
    email = StringField(
        "Mail address", [Length(max=254, message="That is too long for a mail address.")],
        render_kw={"autocomplete": "email", "inputmode": "email", "spellcheck": "false"},
    )  # fmt: skip


class WebhookForm(FormOfOurs):
    url = StringField(
        "Address", [InputRequired("Enter the address that is to be called."), Length(max=500)],
        render_kw={"autocomplete": "off", "inputmode": "url", "spellcheck": "false"},
    )  # fmt: skip
    enabled = yes_no("Call it")
