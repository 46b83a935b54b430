"""What an owner says of a user."""

from __future__ import annotations

from wtforms import Form, RadioField, SearchField, SelectChoice, StringField
from wtforms.validators import InputRequired

from blueprints.accounts.forms import needed
from blueprints.sales_channels.forms import FormOfOurs, yes_no

ROLES = {
    "owner": "Owner: everything, users, keys and removal included",
    "manager": "Manager: the daily work with shops, orders and stock",
    "viewer": "Viewer: reads, changes nothing",
}


class UserFilter(Form):
    search = SearchField("Search")

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        self.search.data = (self.search.data or "").strip()[:100]

    def chosen(self) -> dict[str, str]:
        return {name: value for name, value in self.data.items() if value}


class RoleForm(FormOfOurs):
    role = RadioField(
        "Role", choices=[SelectChoice(role, words) for role, words in ROLES.items()], validators=[InputRequired("Choose a role.")]
    )
    sees_customers = yes_no("Sees personal data of customers")


class UserForm(RoleForm):
    name = StringField("Name", needed("Enter a name to sign in with."))
