"""What people type to get in, and to change how they do."""

from __future__ import annotations

from zoneinfo import available_timezones

from flask_wtf import FlaskForm
from wtforms import PasswordField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired, Length

NAME = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
NEW = {"autocomplete": "new-password"}
CODE = {"autocomplete": "one-time-code", "autocapitalize": "characters", "spellcheck": "false"}


def _needed(sentence: str) -> list[object]:
    return [InputRequired(sentence), Length(max=400, message="That is too long.")]


class SignInForm(FlaskForm):
    name = StringField("Name", _needed("Enter your name."), render_kw=NAME)
    password = PasswordField("Password", _needed("Enter your password."), render_kw={"autocomplete": "current-password"})


class SecondStepForm(FlaskForm):
    code = StringField(
        "Code", _needed("Enter the code your app shows."), render_kw={"autocomplete": "one-time-code", "inputmode": "numeric"}
    )


class FirstRunForm(FlaskForm):
    code = StringField("One-time code", _needed("Enter the code that was printed."), render_kw=CODE)
    name = StringField("Name", _needed("Enter a name to sign in with."), render_kw=NAME)
    password = PasswordField("Password", _needed("Enter a password."), render_kw=NEW)


class NewPasswordForm(FlaskForm):
    password = PasswordField("New password", _needed("Enter a new password."), render_kw=NEW)


class ChangePasswordForm(FlaskForm):
    current = PasswordField(
        "Present password", _needed("Enter your present password."), render_kw={"autocomplete": "current-password"}
    )
    password = PasswordField("New password", _needed("Enter a new password."), render_kw=NEW)


class ConfirmPasswordForm(FlaskForm):
    current = PasswordField("Your password", _needed("Enter your password."), render_kw={"autocomplete": "current-password"})


class ZoneForm(FlaskForm):
    zone = SelectField("Show times in")

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/")))
        named = [SelectChoice(zone, zone.replace("_", " ")) for zone in ["UTC", *zones]]
        self.zone.choices = [SelectChoice("", "This browser’s zone"), *named]
