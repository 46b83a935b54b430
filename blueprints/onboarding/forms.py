"""The forms of the steps that connect a shop, and of ‘Reauthorise’."""

from __future__ import annotations

from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

from blueprints.forms import PageForm
from blueprints.integrations.forms import MoneyForm


class NameForm(PageForm):
    name = StringField("Name", [InputRequired("Enter a name for this integration."), Length(max=300)])


class ShopForm(MoneyForm):
    """Where the shop is and how to get in. A saved key need not be entered again."""

    endpoint = StringField("Website end point", [InputRequired("Enter the address of your shop."), Length(max=500)])
    api_key = PasswordField("API key", [Length(max=500, message="That is too long for an API key.")])


class ReauthoriseForm(PageForm):
    endpoint = StringField("Website end point", [InputRequired("Enter the address of your shop."), Length(max=500)])
    api_key = PasswordField("API key", [Length(max=500, message="That is too long for an API key.")])
