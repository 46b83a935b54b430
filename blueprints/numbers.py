"""Whole numbers in addresses and forms, none larger than a column of the database holds."""

from __future__ import annotations

from flask import Flask, request
from werkzeug.routing import IntegerConverter

from blueprints import unreadable
from services.common import whole_numbers


class RowId(IntegerConverter):
    """``<int:…>`` in a rule. A number that cannot be the id of a row is 0, which no row has, so that nothing is found. (Where a converter
    refuses a number, werkzeug answers 405 if the address has other methods.)"""

    def to_python(self, value: str) -> int:
        return whole_numbers.parse(value) or 0


def init_app(app: Flask) -> None:
    """Call it before routes are registered."""
    app.url_map.converters["int"] = RowId


def argument(name: str) -> int | None:
    """A number of the query (``?page=2``); None where there is none, or where it cannot be read: then the page says so."""
    value = request.args.get(name, "")
    number = whole_numbers.parse(value)
    if value and number is None:
        unreadable.ignore(value, f"is not a number for ‘{name}’ in the address")
    return number


def field(name: str) -> int | None:
    """A number of a form's field, or None where there is none."""
    return whole_numbers.parse(request.form.get(name, ""))
