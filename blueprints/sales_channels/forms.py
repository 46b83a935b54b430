"""The forms of an integration: what is asked, in which words, and what is well formed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    DateField,
    Field,
    Form,
    IntegerField,
    PasswordField,
    RadioField,
    SearchField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from errors import AppError
from models.types import utcnow

YES_NO = {"yes": "Yes", "no": "No"}
SINCE = {"days": "Placed in the last 30 days", "now": "From now on", "date": "Placed since a date"}
SHOW = {"": "All", "enabled": "Enabled", "disabled": "Disabled", "attention": "Needs attention"}
SORT = {"name": "Name", "health": "Worst health first", "oldest": "Longest without orders first"}
DAYS = 30
ANY = "*"
ANY_WORDS = "Any shipping status"
OWN = "Another status of the shop's own"


class FormOfOurs(FlaskForm):
    """A form whose errors can come from a service as well."""

    def refuse(self, error: AppError) -> None:
        """Show a service's refusal at the field it names, or at the top of the form."""
        field = getattr(self, getattr(error, "field", "") or "-", None)
        if isinstance(field, Field):
            field.errors = [*field.errors, error.sentence()]
        else:
            self.form_errors = [*self.form_errors, error.sentence()]

    def complaints(self) -> list[tuple[str, str]]:
        """Every error as (id of the field, or empty, and the sentence), in the order of the fields."""
        found = [("", "The page was open for too long. Choose the button once more.")] if self.errors.get("csrf_token") else []
        found += [("", sentence) for sentence in self.form_errors]
        for field in self:
            if field.name != "csrf_token":
                found += [(field.id, sentence) for sentence in field.errors]
        return found


def yes_no(label: str) -> RadioField:
    return RadioField(
        label,
        choices=[SelectChoice(value, words) for value, words in YES_NO.items()],
        validators=[InputRequired("Select Yes or No.")],
        validate_choice=True,
    )


def as_answer(yes: bool | None) -> str:
    return "yes" if yes else "no"


class ListFilter(Form):
    """A filter that is not one of the choices counts as none."""

    search = SearchField("Search")
    status = SelectField("Show", choices=[SelectChoice(value, words) for value, words in SHOW.items()])
    sort = SelectField("Sort by", choices=[SelectChoice(value, words) for value, words in SORT.items()])

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.search.data = (self.search.data or "").strip()[:100]
        self.status.data = self.status.data if self.status.data in SHOW else ""
        self.sort.data = self.sort.data if self.sort.data in SORT else "name"

    def chosen(self) -> dict[str, str]:
        """What is set, as arguments of the page's URL."""
        return {name: value for name, value in self.data.items() if value and (name, value) != ("sort", "name")}


class NameForm(FormOfOurs):
    name = StringField("Name", [InputRequired("Enter a name for this integration."), Length(max=300)])


class MoneyForm(FormOfOurs):
    """The questions on tax and shipping that a shop's orders are read under."""

    use_tax = yes_no("Use {label} tax settings")
    use_shipping_tax = yes_no("Use {label} tax settings for shipping")
    surcharge_name = StringField(
        "Shipping surcharge name", [Length(max=200, message="The name is too long: at most 200 characters.")]
    )

    def name_channel(self, label: str) -> None:
        """Put the kind's own name into the labels that carry it (‘Use X-Cart tax settings’)."""
        for field in self:
            field.label.text = field.label.text.format(label=label)

    def money(self) -> dict[str, Any]:
        return {
            "use_tax": self.use_tax.data == "yes",
            "use_shipping_tax": self.use_shipping_tax.data == "yes",
            "surcharge_name": (self.surcharge_name.data or "").strip(),
        }


class ShopForm(MoneyForm):
    """Where the shop is and how to get in. A key that is kept already need not be typed again."""

    endpoint = StringField("Website end point", [InputRequired("Enter the address of your shop."), Length(max=500)])
    api_key = PasswordField("API key", [Length(max=500, message="That is too long for an API key.")])


class ReauthoriseForm(FormOfOurs):
    endpoint = StringField("Website end point", [InputRequired("Enter the address of your shop."), Length(max=500)])
    api_key = PasswordField("API key", [Length(max=500, message="That is too long for an API key.")])


class OptionsForm(MoneyForm):
    """What of the shop is used, and which orders become work. ``set_statuses`` comes before anything else."""

    with_variants = yes_no("Product variants")
    with_options = yes_no("Product options (attributes)")
    with_discounts = yes_no("Discounts and coupons")
    with_tax_lines = yes_no("Several tax lines")
    with_notes = yes_no("Order notes")
    with_back_orders = yes_no("Back orders")
    processed_status = SelectField("Processed order status", validators=[InputRequired("Choose a status.")])
    since = RadioField(
        "Import orders", choices=[SelectChoice(value, words) for value, words in SINCE.items()], validators=[InputRequired()]
    )
    since_date = DateField("First day", validators=[Optional()])
    work = SelectMultipleField("Orders that become work")

    SWITCHES = ("with_variants", "with_options", "with_discounts", "with_tax_lines", "with_notes", "with_back_orders")

    def set_statuses(self, statuses: Sequence[Any], processed: str = "", work: Sequence[Sequence[str]] = ()) -> None:
        """Offer the shop's own statuses: rows with ``kind``, ``external_id``, ``code`` and ``name``. What is set already,
        ``processed`` and the pairs of ``work``, is offered even where the shop has it no more: saving must not change it."""
        shipping = [status for status in statuses if status.kind == "shipping"]
        named = {status.code or status.external_id: status.name for status in shipping}
        if processed:
            named.setdefault(processed, f"{processed} (not in the shop any more)")
        self.processed_status.choices = [SelectChoice(value, name) for value, name in named.items()]
        self.payments = _codes(status for status in statuses if status.kind == "payment")
        self.shippings = {ANY: ANY_WORDS, **_codes(shipping)}
        for payment, shipped in work:
            self.payments.setdefault(payment, "Any payment status" if payment == ANY else payment)
            self.shippings.setdefault(shipped, shipped)
        self.work.choices = [SelectChoice(f"{one}:{other}") for one in self.payments for other in self.shippings]

    def validate_processed_status(self, field: Field) -> None:
        if field.data not in {choice.value for choice in self.processed_status.choices}:
            raise ValidationError("The shop has no such status.")

    def validate(self, extra_validators: Any = None) -> bool:
        """The date counts only where ‘Placed since a date’ is chosen."""
        if self.since.data != "date":
            self.since_date.data, self.since_date.raw_data, self.since_date.process_errors = None, [], []
        good = super().validate(extra_validators)
        complaint = self._complaint_about_date()
        if complaint and not self.since_date.errors:
            self.since_date.errors = [complaint]
        return good and not complaint

    def _complaint_about_date(self) -> str:
        if self.since.data != "date":
            return ""
        if self.since_date.data is None:
            return "Enter the first day, for example 2026-11-30."
        if self.since_date.data > (utcnow() + timedelta(days=1)).date():
            return "The first day lies in the future. Choose today or an earlier day."
        return ""

    def validate_work(self, field: Field) -> None:
        if not field.data:
            raise ValidationError("Choose at least one combination: otherwise no order ever becomes work.")

    def answers(self) -> dict[str, Any]:
        """What was answered, by the names of models.Integration's columns."""
        chosen = {name: self[name].data == "yes" for name in self.SWITCHES}
        pairs = [value.partition(":")[::2] for value in self.work.data or ()]
        return {
            **self.money(),
            **chosen,
            "processed_status": self.processed_status.data,
            "work_statuses": [list(pair) for pair in pairs],
        }

    def first_moment(self, zone: tzinfo) -> datetime:
        """The time from which placed orders are wanted, in UTC; a date begins at midnight in the reader's zone."""
        if self.since.data == "now":
            return utcnow()
        if self.since.data == "date" and self.since_date.data is not None:
            return datetime.combine(self.since_date.data, datetime.min.time(), zone).astimezone(UTC)
        return utcnow() - timedelta(days=DAYS)


class SettingsForm(OptionsForm):
    """Everything that can be set of a connected shop."""

    name = StringField("Name", [InputRequired("Enter a name for this integration."), Length(max=300)])
    take_shop_stock = yes_no("Start unknown SKUs with the shop's quantity")
    brake_percent = IntegerField(
        "Ask before a stock update changes more than this share of the shop (percent)",
        [InputRequired("Enter a number from 1 to 100."), NumberRange(1, 100, "Enter a number from 1 to 100.")],
    )
    brake_least = IntegerField(
        "… and at least this many listings",
        [InputRequired("Enter a number from 1."), NumberRange(1, 1_000_000, "Enter a number from 1.")],
    )
    orders_every = IntegerField(
        "Download orders every … minutes", [InputRequired("Enter the minutes."), NumberRange(1, 1440, "Enter 1 to 1440 minutes.")]
    )
    stock_every = IntegerField(
        "Check stock every … minutes", [InputRequired("Enter the minutes."), NumberRange(1, 1440, "Enter 1 to 1440 minutes.")]
    )

    def answers(self) -> dict[str, Any]:
        return {
            **super().answers(),
            "name": self.name.data,
            "take_shop_stock": self.take_shop_stock.data == "yes",
            "brake_percent": self.brake_percent.data,
            "brake_least": self.brake_least.data,
            "orders_every": (self.orders_every.data or 0) * 60,
            "stock_every": (self.stock_every.data or 0) * 60,
        }


def _codes(statuses: Iterable[Any]) -> dict[str, str]:
    """Code -> name; a shop's own statuses have no code, and are one choice together."""
    found = {}
    for status in statuses:
        found.setdefault(status.code, status.name if status.code else OWN)
    return found
