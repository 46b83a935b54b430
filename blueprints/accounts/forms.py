"""What people type to get in, and to change how they do."""

from __future__ import annotations

from wtforms import PasswordField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired, Length

from blueprints.sales_channels.forms import FormOfOurs
from blueprints.times import known_places

NAME = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
NEW = {"autocomplete": "new-password"}
PRESENT = {"autocomplete": "current-password"}
DIGITS = {"autocomplete": "one-time-code", "inputmode": "numeric", "class_": "digits"}


def needed(sentence: str) -> list[object]:
    return [InputRequired(sentence), Length(max=400, message="That is too long.")]


class SignInForm(FormOfOurs):
    name = StringField("Name", needed("Enter your name."), render_kw=NAME)
    password = PasswordField("Password", needed("Enter your password."), render_kw=PRESENT)


class CodeForm(FormOfOurs):
    code = StringField("Code", needed("Enter the code your app shows."), render_kw=DIGITS)


class FirstRunForm(FormOfOurs):
    code = StringField(
        "One-time code", needed("Enter the code that was printed."),
        render_kw={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"},
    )  # fmt: skip
    name = StringField("Name", needed("Enter a name to sign in with."), render_kw=NAME)
    password = PasswordField("Password", needed("Enter a password."), render_kw=NEW)


class NewPasswordForm(FormOfOurs):
    password = PasswordField("New password", needed("Enter a new password."), render_kw=NEW)


class ChangePasswordForm(FormOfOurs):
    current = PasswordField("Present password", needed("Enter your present password."), render_kw=PRESENT)
    password = PasswordField("New password", needed("Enter a new password."), render_kw=NEW)


class ConfirmPasswordForm(FormOfOurs):
    current = PasswordField("Your password", needed("Enter your password."), render_kw=PRESENT)


class ZoneForm(FormOfOurs):
    zone = SelectField("Show times in")

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        self.zone.choices = [SelectChoice("", "This browser’s own zone"), *_zones()]


def _zones() -> tuple[SelectChoice, ...]:
    return tuple(SelectChoice(zone, zone.replace("_", " ")) for zone in known_places())
