"""Whole numbers in addresses and forms, none larger than a column of the database holds."""

from __future__ import annotations

from flask import Flask, request
from werkzeug.routing import IntegerConverter, ValidationError

from services.common import whole_numbers


class RowId(IntegerConverter):
    """``<int:…>`` in a rule. A number that cannot be the id of a row is an address that does not exist."""

    def to_python(self, value: str) -> int:
        number = whole_numbers.parse(value)
        if number is None:
            raise ValidationError
        return number


def init_app(app: Flask) -> None:
    """Call it before routes are registered."""
    app.url_map.converters["int"] = RowId


def argument(name: str) -> int | None:
    """A number of the query (``?page=2``), or None where there is none."""
    return whole_numbers.parse(request.args.get(name, ""))


def field(name: str) -> int | None:
    """The same of a form's field."""
    return whole_numbers.parse(request.form.get(name, ""))
