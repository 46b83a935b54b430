"""The forms of the privacy page: how long data is kept, and the search for an order."""

from __future__ import annotations

from wtforms import Form, IntegerField, RadioField, SearchField, SelectChoice
from wtforms.validators import NumberRange, Optional

from blueprints.forms import PageForm

KEEP = {"forever": "Keep it", "days": "Erase it after a number of days"}
HOW_MANY = "Enter a number of days from 1 to 3650."


class KeepForm(PageForm):
    keep = RadioField(
        "Customers’ data of shipped orders", choices=[SelectChoice(value, words) for value, words in KEEP.items()],
        validate_choice=True,
    )  # fmt: skip
    days = IntegerField("Days after the order’s last change", [Optional(), NumberRange(1, 3650, HOW_MANY)])

    def validate(self, extra_validators: object = None) -> bool:
        """The number counts only where ‘Erase it after a number of days’ is chosen."""
        if self.keep.data != "days":
            self.days.data, self.days.raw_data, self.days.process_errors = None, [], []
        good = super().validate(extra_validators)
        if self.keep.data == "days" and self.days.data is None and not self.days.errors:
            self.days.errors = [HOW_MANY]
        return good and not self.days.errors


class OrderSearch(Form):
    number = SearchField("Order number")
