"""Requests for what Cartlink cannot read in the address of a page, such as 31 February. The page says so above its heading and is answered
with 422. A file is refused: nobody would notice that it has other rows than were asked for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from flask import Flask, Response, g, request

from errors import InvalidInput
from services.common.paging import place_unread

LONGEST = 40
"""Characters of a value that are repeated on the page."""


def init_app(app: Flask) -> None:
    app.after_request(answer)
    app.jinja_env.globals["unreadable"] = sentences
    place_unread.connect(_ignore_place)


def note(sentence: str) -> None:
    """Show a sentence on this page, once."""
    g.unreadable = [*(each for each in sentences() if each != sentence), sentence]


def ignore(value: str, complaint: str) -> None:
    """Show on this page that a value is ignored; ``complaint`` says what is wrong with it."""
    note(f"‘{value[:LONGEST]}’ {complaint} and is ignored.")


def _ignore_place(place: str) -> None:
    ignore(place, "is not a page of this list")


def sentences() -> list[str]:
    """What this page has to say about its address."""
    return list(g.get("unreadable", ()))


def answer(response: Response) -> Response:
    """The response with 422 where something could not be read."""
    if sentences() and response.status_code == 200:
        response.status_code = 422
    return response


def refuse_file() -> None:
    """Raises InvalidInput where something could not be read."""
    for sentence in sentences():
        raise InvalidInput(sentence)


def choice(name: str, known: Collection[str]) -> str:
    """The value of an argument of the address if it is among ``known``; otherwise empty, and the page says so."""
    value = request.args.get(name, "")
    if not value or value in known:
        return value
    ignore(value, f"is not a choice of ‘{name}’ in the address")
    return ""


def day(text: str) -> date | None:
    """A day as a browser sends it, or None. The first and last years that Python knows are refused, because in some time zones such a day
    would begin or end outside of them."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2 <= found.year <= 9997 else None
