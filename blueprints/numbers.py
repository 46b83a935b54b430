"""Whole numbers out of addresses: none that a database column could not hold."""

from __future__ import annotations

from flask import Flask, request
from werkzeug.routing import IntegerConverter, ValidationError

MOST = 2**31 - 1


class RowId(IntegerConverter):
    """``<int:…>`` in a rule. What no row can have as its id is an address that does not exist."""

    def to_python(self, value: str) -> int:
        number = super().to_python(value) if value.isascii() else MOST + 1
        if number > MOST:
            raise ValidationError
        return number


def init_app(app: Flask) -> None:
    """To be called before routes are registered."""
    app.url_map.converters["int"] = RowId


def argument(name: str, default: int | None = None) -> int | None:
    """A number of the query (``?page=2``); ``default`` where there is none that could be one."""
    text = request.args.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MOST:
        return default
    return int(text)
