"""The forms for signing in, a user's own account, and users."""

from __future__ import annotations

from wtforms import PasswordField, RadioField, SearchField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired, Length

from blueprints.forms import ListFilter, PageForm, offer_zones, yes_no
from services.common import whole_numbers

NAME = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
NEW = {"autocomplete": "new-password"}
PRESENT = {"autocomplete": "current-password"}
ROLES = {
    "owner": "Owner: everything, including users, keys and removing integrations",
    "manager": "Manager: daily work with shops, orders and stock",
    "viewer": "Viewer: can look, cannot change anything",
}
DIGITS = {"autocomplete": "one-time-code", "inputmode": "numeric", "class_": "digits"}


def needed(sentence: str) -> list[object]:
    return [InputRequired(sentence), Length(max=400, message="That is too long.")]


class SignInForm(PageForm):
    name = StringField("Name", needed("Enter your name."), render_kw=NAME)
    password = PasswordField("Password", needed("Enter your password."), render_kw=PRESENT)


class CodeForm(PageForm):
    code = StringField("Code", needed("Enter the code your app shows."), render_kw=DIGITS)


class FirstRunForm(PageForm):
    code = StringField(
        "One-time code", needed("Enter the code that was printed."),
        render_kw={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"},
    )  # fmt: skip
    name = StringField("Name", needed("Enter a name to sign in with."), render_kw=NAME)
    password = PasswordField("Password", needed("Enter a password."), render_kw=NEW)


class NewPasswordForm(PageForm):
    password = PasswordField("New password", needed("Enter a new password."), render_kw=NEW)


class ChangePasswordForm(PageForm):
    current = PasswordField("Current password", needed("Enter your current password."), render_kw=PRESENT)
    password = PasswordField("New password", needed("Enter a new password."), render_kw=NEW)


class ConfirmPasswordForm(PageForm):
    current = PasswordField("Your password", needed("Enter your password."), render_kw=PRESENT)


class ZoneForm(PageForm):
    zone = SelectField("Show times in")

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        browsers = SelectChoice("", "This browser’s time zone")
        offer_zones(self.zone, self.zone.object_data or "", browsers, meanwhile="this browser’s time zone")


class UserFilter(ListFilter):
    search = SearchField("Search")


class RoleForm(PageForm):
    role = RadioField(
        "Role", choices=[SelectChoice(role, words) for role, words in ROLES.items()], validators=[InputRequired("Choose a role.")]
    )
    sees_customers = yes_no("Can see customers’ personal data")


class UserForm(RoleForm):
    name = StringField("Name", needed("Enter a name to sign in with."))


class TokenForm(PageForm):
    name = StringField("Name", needed("Enter a name."))
    days = StringField("Days until it expires", needed("Enter a number of days."))
    addresses = StringField("Allowed addresses", [Length(max=2000, message="That is too long.")])

    def number_of_days(self) -> int:
        """Raises InvalidInput."""
        return whole_numbers.read(self.days.data or "", "days", "number of days")

    def networks(self) -> list[str]:
        return [part for part in (self.addresses.data or "").replace(",", " ").split() if part]
