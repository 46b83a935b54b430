"""The base of every form, and of the filters of lists."""

from __future__ import annotations

from typing import Any

from flask import Response, make_response, render_template, request
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse
from wtforms import Field, Form, RadioField, SelectChoice, SelectField
from wtforms.validators import InputRequired
from wtforms.widgets import DateInput, NumberInput

from blueprints import unreadable
from blueprints.columns import Column
from blueprints.formats import known_places
from errors import AppError, InvalidInput
from services.common import whole_numbers, zones
from services.shops import finding

Answer = str | Response | AnyResponse
"""What a view returns."""
YES_NO = {"yes": "Yes", "no": "No"}


def form_page(template: str, form: object, **context: object) -> Response:
    """A page with its form; 422 if the input is invalid. The address is not passed on as Referer."""
    page = make_response(render_template(template, form=form, **context), 422 if request.method == "POST" else 200)
    page.headers["Referrer-Policy"] = "no-referrer" if request.method == "GET" else "same-origin"
    return page


NOT_OFFERED = "That choice is not offered. Choose another one."
SENTENCES = {
    "Not a valid choice.": NOT_OFFERED, "Invalid Choice: could not coerce.": NOT_OFFERED,
    "'%(value)s' is not a valid choice for this field.": "%(value)s is not offered. Choose another one.",
    "'%(value)s' are not valid choices for this field.": "%(value)s are not offered. Choose others.",
    "Field cannot be longer than %(max)d character.": "Enter at most %(max)d character.",
    "Field cannot be longer than %(max)d characters.": "Enter at most %(max)d characters.",
}  # fmt: skip
"""What pages say in place of sentences of the form library, which do not say what to do."""


class _Sentences:
    """Takes the place of the form library's translations."""

    def gettext(self, sentence: str) -> str:
        return SENTENCES.get(sentence, sentence)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return self.gettext(singular if number == 1 else plural)


class PageForm(FlaskForm):
    """A form that can also show the errors of services. It reads only the form fields of the request: Flask-WTF would
    also accept JSON or an uploaded file, which the limits of the sign-in (blueprints/limits.py) do not see."""

    form_errors: list[str]

    class Meta(FlaskForm.Meta):
        def wrap_formdata(self, form: FlaskForm, formdata: Any) -> Any:
            if formdata is None or isinstance(formdata, MultiDict):
                return formdata
            return request.form or None if form.is_submitted() else None

        def get_translations(self, form: FlaskForm) -> _Sentences:
            return _Sentences()

    def refuse(self, error: AppError) -> None:
        """Show the error of a service at its field, or at the top of the form."""
        field = getattr(self, error.field or "-", None)
        if isinstance(field, Field):
            field.errors = [*field.errors, error.sentence()]
        else:
            self.form_errors = [*self.form_errors, error.sentence()]

    def complaints(self) -> list[tuple[str, str]]:
        """All errors as (id of the field or empty, sentence), in the order of the fields."""
        found = [("", "The page was open for too long. Press the button again.")] if self.errors.get("csrf_token") else []
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


def yes_or_no(name: str) -> bool:
    """What a switch sends in a field of the request's form. Raises InvalidInput where it is neither."""
    answer = request.form.get(name)
    if answer not in ("yes", "no"):
        raise InvalidInput("The request has neither Yes nor No.", "Load the page again.")
    return answer == "yes"


def choices(words: dict[str, str]) -> list[SelectChoice]:
    return [SelectChoice(value, label) for value, label in words.items()]


def offer_zones(field: SelectField, stored: str, *others: SelectChoice, meanwhile: str = "UTC") -> None:
    """Offer the time zones. One that is stored but unknown stays chosen, so that a person sees it, with what to do about it."""
    known = known_places()
    places = known if not stored or stored in known else (stored, *known)
    field.choices = [*others, *(SelectChoice(place, place.replace("_", " ")) for place in places)]
    complaint = zones.complaint_of(stored, meanwhile)
    field.errors = [*field.errors, complaint] if complaint else field.errors


def shop_choices() -> dict[str, str]:
    """Integration id as text -> name, without removed ones."""
    return {"": "All shops", **{str(each.id): each.name for each in finding.list_integrations()}}


class ListFilter(Form):
    """A value that cannot be read counts as no filter, and the page says so. ``DEFAULTS`` are left out of the URL. ``COLUMNS`` are those of a list that
    is shown as a table (blueprints/tables.py)."""

    DEFAULTS: dict[str, str] = {}
    COLUMNS: tuple[Column, ...] = ()

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        for field in self:
            typed = (field.data or "").strip()[:200]
            complaint = self.complaint_of(field, typed)
            if complaint and args and any(args[0] is each for each in (request.args, request.values)):
                unreadable.ignore(typed, complaint)
            unknown = complaint or (isinstance(field, SelectField) and not typed)
            field.data = self.DEFAULTS.get(field.name, "") if unknown else typed

    def complaint_of(self, field: Field, typed: str) -> str:
        """Why a value cannot be used, as the predicate of a sentence about it (‘is not a date’); empty if it can."""
        if isinstance(field, SelectField):
            known = {"", *(choice.value for choice in field.choices or ())}
            return "" if typed in known else f"is not a choice of ‘{field.label.text}’"
        if typed and isinstance(field.widget, DateInput) and unreadable.day(typed) is None:
            return f"in ‘{field.label.text}’ is not a date"
        if typed and isinstance(field.widget, NumberInput) and whole_numbers.parse(typed) is None:
            return f"in ‘{field.label.text}’ is not a whole number from 0 on"
        return ""

    def chosen(self) -> dict[str, Any]:
        """The filters that are set, as arguments of the page's URL."""
        return {name: value for name, value in self.data.items() if value and value != self.DEFAULTS.get(name)}

    def narrowed_beside(self, *tabs: str) -> bool:
        """Whether something narrows the list beside these fields, which its tabs choose. The numbers of the tabs would then count rows that
        the list does not show."""
        return not self.chosen().keys() <= {"sort", *tabs}

    def in_words(self) -> list[str]:
        """The filters that are set, as a person reads them; without the order of the list."""
        words = []
        for name, value in self.chosen().items():
            field = self[name]
            if isinstance(field, SelectField):
                words += [str(choice.label) for choice in field.choices or () if choice.value == value and name != "sort"]
            else:
                words.append(f"“{value}”")
        return words

    def table_columns(self) -> tuple[Column, ...]:
        """The columns that the user may see."""
        return self.COLUMNS


def shop_field() -> SelectField:
    return SelectField("Shop", default="")


class ShopFilter(ListFilter):
    """A filter with a choice of shops: the field ``shop``, made by ``shop_field``."""

    def __init__(self, *args: object, **kwargs: object):
        self.shops = choices(shop_choices())
        super().__init__(*args, **kwargs)

    def process(self, *args: object, **kwargs: object) -> None:
        self.shop.choices = self.shops
        super().process(*args, **kwargs)

    @property
    def integration_id(self) -> int | None:
        return int(self.shop.data) if self.shop.data else None
