"""What the address of a page asks for and Cartlink cannot read, such as a day that is none. The page says so above its heading and is answered
with 422; a file is refused, because one of other rows would be taken for what was asked for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from flask import Flask, Response, g, request

from errors import InvalidInput
from services.common import whole_numbers

IGNORED = "and is ignored."


def init_app(app: Flask) -> None:
    app.after_request(answer)
    app.jinja_env.globals["unreadable"] = sentences


def note(sentence: str) -> None:
    """Say it on this page, once."""
    g.unreadable = [*(each for each in sentences() if each != sentence), sentence]


def sentences() -> list[str]:
    return list(g.get("unreadable", ()))


def answer(response: Response) -> Response:
    if sentences() and response.status_code == 200:
        response.status_code = 422
    return response


def refuse_file() -> None:
    """Raises InvalidInput where something could not be read."""
    for sentence in sentences():
        raise InvalidInput(sentence)


def short(value: str) -> str:
    return f"‘{value[:40]}’"


def choice(name: str, known: Collection[str]) -> str:
    """One of a few words in the query; empty where there is none."""
    value = request.args.get(name, "")
    if not value or value in known:
        return value
    note(f"{short(value)} is not a choice of ‘{name}’ in the address {IGNORED}")
    return ""


def number(name: str) -> int | None:
    """A whole number in the query; None where there is none."""
    value = request.args.get(name, "")
    found = whole_numbers.parse(value)
    if value and found is None:
        note(f"{short(value)} is not a number for ‘{name}’ in the address {IGNORED}")
    return found


def day(text: str) -> date | None:
    """A day as a browser sends it. Those at the very ends of time are none: their beginning or end lies outside of it in some zones."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2 <= found.year <= 9997 else None
