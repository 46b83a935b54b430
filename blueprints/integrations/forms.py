"""The forms of an integration and of its list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from wtforms import (
    DateField,
    Field,
    IntegerField,
    RadioField,
    SearchField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from blueprints.forms import ListFilter, PageForm, choices, offer_zones, yes_no
from models.types import utcnow
from services.integrations import settings
from services.integrations.lifecycle import EARLIEST, TOO_EARLY

SINCE = {"days": "Placed in the last 30 days", "now": "From now on", "date": "Placed since a date"}
SHOW = {
    "": "All states",
    "enabled": "Enabled",
    "disabled": "Disabled",
    "attention": "Needs attention",
    "trouble": "Not working",
    "refused": "Refused quantities",
}
SORT = {"name": "Name", "health": "Worst health first", "oldest": "Longest without orders first"}
DAYS = 30
CUSTOM = "custom"
CUSTOM_WORDS = "Custom"
Usual = Mapping[str, tuple[str, Sequence[tuple[str, str]]]]
"""channels.facts.KindFacts.ready_choices."""
ANY = "*"
ANY_WORDS = "Any shipping status"
OWN = "Custom status of the shop"


class IntegrationFilter(ListFilter):
    DEFAULTS = {"sort": "name"}

    search = SearchField("Search")
    status = SelectField("Show", choices=choices(SHOW), default="")
    sort = SelectField("Sort by", choices=choices(SORT), default="name")


class MoneyForm(PageForm):
    """The questions about tax and shipping that decide how orders are read."""

    use_tax = yes_no("Use {label} tax settings")
    use_shipping_tax = yes_no("Use {label} tax settings for shipping")
    surcharge_name = StringField(
        "Shipping surcharge name", [Length(max=200, message="The name is too long: at most 200 characters.")]
    )

    def name_channel(self, label: str) -> None:
        """Put the name of the shop software into labels (‘Use X-Cart tax settings’)."""
        for field in self:
            field.label.text = field.label.text.format(label=label)

    def money(self) -> dict[str, Any]:
        return {
            "use_tax": self.use_tax.data == "yes",
            "use_shipping_tax": self.use_shipping_tax.data == "yes",
            "surcharge_name": (self.surcharge_name.data or "").strip(),
        }


class OptionsForm(MoneyForm):
    """Which options the shop uses, and which orders become ready to ship: a usual choice, or under ‘Custom’ any pairs of statuses.
    Call ``set_statuses`` and ``set_ready`` first."""

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
    ready = RadioField("Orders that are ready to ship", validators=[InputRequired("Choose which orders are ready to ship.")])
    work = SelectMultipleField("Pairs of statuses")

    SWITCHES = ("with_variants", "with_options", "with_discounts", "with_tax_lines", "with_notes", "with_back_orders")

    def set_statuses(self, statuses: Sequence[Any], processed: str = "", work: Sequence[Sequence[str]] = ()) -> None:
        """Offer the shop's own statuses: rows with ``kind``, ``external_id``, ``code`` and ``name``. What is set already,
        ``processed`` and the pairs of ``work``, is offered even if the shop no longer has it: saving must not change it."""
        shipping = [status for status in statuses if status.kind == "shipping"]
        self.processed_status.choices = [SelectChoice(value, name) for value, name in named_statuses(statuses, processed).items()]
        self.payments = _codes(status for status in statuses if status.kind == "payment")
        self.shippings = {ANY: ANY_WORDS, **_codes(shipping)}
        for payment, shipped in work:
            self.payments.setdefault(payment, "Any payment status" if payment == ANY else payment)
            self.shippings.setdefault(shipped, shipped)
        self.work.choices = [SelectChoice(f"{one}:{other}") for one in self.payments for other in self.shippings]

    def set_ready(self, usual: Usual) -> None:
        """Offer the usual choices (channels.facts.KindFacts.ready_choices) and ‘Custom’, which shows their payment statuses first."""
        self.usual = {name: [list(pair) for pair in pairs] for name, (_, pairs) in usual.items()}
        self.ready.choices = [
            *(SelectChoice(name, label) for name, (label, _) in usual.items()),
            SelectChoice(CUSTOM, CUSTOM_WORDS),
        ]
        first = [payment for pairs in self.usual.values() for payment, _ in pairs if payment in self.payments]
        self.payments = {payment: self.payments[payment] for payment in (*first, *self.payments)}

    def chosen_pairs(self) -> list[list[str]]:
        """The pairs of statuses that are ready to ship: of the usual choice, else those that are ticked."""
        ticked = [list(value.partition(":")[::2]) for value in self.work.data or ()]
        return self.usual.get(self.ready.data or "", ticked)

    def is_ticked(self, payment: str) -> bool:
        """Whether something is ticked under ‘Custom’ for a payment status."""
        return any(value.startswith(f"{payment}:") for value in self.work.data or ())

    def validate_processed_status(self, field: Field) -> None:
        if field.data not in {choice.value for choice in self.processed_status.choices}:
            raise ValidationError("The shop has no such status.")

    def validate(self, extra_validators: Any = None) -> bool:
        """The date counts only if ‘Placed since a date’ is chosen."""
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
            return "The first day is in the future. Choose today or an earlier day."
        if self.since_date.data.year <= EARLIEST:
            return f"{TOO_EARLY} Choose a day after {EARLIEST}."
        return ""

    def validate_work(self, field: Field) -> None:
        if self.ready.data == CUSTOM and not field.data:
            raise ValidationError("Choose at least one combination. Otherwise no order becomes ready to ship.")

    def answers(self) -> dict[str, Any]:
        """The answers, by names of columns of models.Integration."""
        chosen = {name: self[name].data == "yes" for name in self.SWITCHES}
        return {
            **self.money(),
            **chosen,
            "processed_status": self.processed_status.data,
            "work_statuses": self.chosen_pairs(),
        }

    def first_moment(self, zone: tzinfo) -> datetime:
        """The time from which orders are downloaded, in UTC; a date begins at midnight in the user's time zone."""
        if self.since.data == "now":
            return utcnow()
        if self.since.data == "date" and self.since_date.data is not None:
            return datetime.combine(self.since_date.data, datetime.min.time(), zone).astimezone(UTC)
        return utcnow() - timedelta(days=DAYS)


def _number(label: str, name: str, unit: int = 1, **more: Any) -> IntegerField:
    """A whole number within the limits of services.integrations.settings, in ``unit`` (60: minutes instead of seconds)."""
    least, most = (limit // unit for limit in settings.LIMITS[name])
    sentence = f"Enter a whole number from {least} to {most:,}."
    needed = Optional() if more.pop("optional", False) else InputRequired(sentence)
    return IntegerField(label, [needed, NumberRange(least, most, sentence)], render_kw={"inputmode": "numeric"}, **more)


class SettingsForm(OptionsForm):
    """Everything that can be set for a connected shop."""

    name = StringField("Name", [InputRequired("Enter a name for this integration."), Length(max=300)])
    take_shop_stock = yes_no("Start unknown SKUs with the shop's quantity")
    stock_buffer = _number("Units held back from this shop", "stock_buffer")
    stock_cap = _number("Most units to offer in this shop", "stock_cap", optional=True)
    safety_limit_percent = _number("Ask me before changing more than this percentage of the listings", "safety_limit_percent")
    safety_limit_least = _number("Only ask if at least this many listings change", "safety_limit_least")
    orders_every = _number("Download orders every … minutes", "orders_every", 60)
    stock_every = _number("Check stock every … minutes", "stock_every", 60)
    zone = SelectField("Time zone")
    shipments_on = yes_no("Update the shop when orders are shipped")
    part_shipped_status = SelectField("Status of a partly shipped order")
    cancelled_status = SelectField("Status of an order cancelled in Cartlink")

    NUMBERS = ("stock_buffer", "stock_cap", "safety_limit_percent", "safety_limit_least")
    ANSWERS = (*OptionsForm.SWITCHES, "use_tax", "use_shipping_tax", "take_shop_stock", "shipments_on")
    CHOICES = ("zone", *settings.STATUSES)

    def set_choices(self, statuses: Sequence[Any], shown: Mapping[str, Any]) -> None:
        """Offer statuses and time zones. What is set is offered even if it does not exist any more: saving must not change it."""
        self.set_statuses(statuses, shown["processed_status"], shown["work_statuses"])
        offer_zones(self.zone, shown["zone"])
        for name in ("part_shipped_status", "cancelled_status"):
            named = {"": "Do not update the shop", **named_statuses(statuses, shown[name])}
            self[name].choices = [SelectChoice(value, label) for value, label in named.items()]

    def answers(self) -> dict[str, Any]:
        return {
            **super().answers(),
            **{name: self[name].data == "yes" for name in ("take_shop_stock", "shipments_on")},
            **{name: self[name].data for name in (*self.NUMBERS, *self.CHOICES, "name")},
            "orders_every": (self.orders_every.data or 0) * 60,
            "stock_every": (self.stock_every.data or 0) * 60,
        }


def ready_data(usual: Usual, pairs: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The answers ``ready`` and ``work`` that mean these pairs of statuses."""
    wanted = {tuple(pair) for pair in pairs}
    name = next((name for name, (_, these) in usual.items() if set(these) == wanted), CUSTOM)
    return {"ready": name, "work": [":".join(pair) for pair in pairs]}


def ready_label(usual: Usual, pairs: Sequence[Sequence[str]]) -> str:
    """What the choice of these pairs of statuses is called."""
    name = ready_data(usual, pairs)["ready"]
    return usual[name][0] if name in usual else CUSTOM_WORDS


def named_statuses(statuses: Sequence[Any], chosen: str = "") -> dict[str, str]:
    """The shop's shipping statuses, code -> name, with the chosen one even if the shop no longer has it."""
    named = {status.code or status.external_id: status.name for status in statuses if status.kind == "shipping"}
    if chosen:
        named.setdefault(chosen, f"{chosen} (not in the shop any more)")
    return named


def _codes(statuses: Iterable[Any]) -> dict[str, str]:
    """Code -> name; custom statuses of a shop have no code and form one choice."""
    found: dict[str, str] = {}
    for status in statuses:
        found.setdefault(status.code, status.name if status.code else OWN)
    return found
