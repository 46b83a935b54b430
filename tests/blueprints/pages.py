"""Reading pages in tests: what a person, a browser or htmx would find in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

from sqlalchemy import Engine, event


class Element:
    def __init__(self, tag: str, attributes: dict[str, str], parents: tuple[Element, ...]):
        self.tag = tag
        self.attributes = attributes
        self.parents = parents
        self.text = ""

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def get(self, name: str) -> str | None:
        return self.attributes.get(name)


class _Reader(HTMLParser):
    APART = {"td", "th", "tr", "li", "p", "div", "dt", "dd", "strong", "h1", "h2", "h3", "br"}
    EMPTY = {"area", "br", "hr", "img", "input", "link", "meta", "path", "rect", "circle", "line", "polyline", "col", "use"}

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, tuple(self.open))
        self.elements.append(element)
        if tag not in self.EMPTY:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop().tag != tag:
            pass
        if tag in self.APART:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


def elements(html: str, tag: str = "", **attributes: str) -> list[Element]:
    """All elements of a tag that carry these attributes; ``_`` in a name stands for ``-``, a leading ``_`` is dropped."""
    reader = _Reader()
    reader.feed(html)
    wanted = {name.lstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    return [
        element for element in reader.elements
        if (not tag or element.tag == tag) and all(element.get(name) == value for name, value in wanted.items())
    ]  # fmt: skip


def element(html: str, tag: str = "", **attributes: str) -> Element:
    """The one element of a tag with these attributes."""
    found = elements(html, tag, **attributes)
    assert len(found) == 1, f"{len(found)} of <{tag}> with {attributes} in:\n{html}"
    return found[0]


def next_page(html: str) -> str:
    """The address of the page after this one."""
    address = element(html, "a", rel="next")["href"]
    assert address is not None
    return address


CRLF = re.compile(r"\r?\n")
"""A browser sends each line end so, also of what is in hidden fields."""


def form_data(html: str, holding: str, **changes: Any) -> dict[str, Any]:
    """What a browser would send of the form that holds a field named ``holding``, with ``changes``: a list gives several
    values, None leaves the field out."""
    everything = elements(html)
    forms = [item for item in everything if item.tag == "form"]
    place = next(item for item in everything if item.get("name") == holding)
    form = next(parent for parent in place.parents if parent in forms)
    sent: dict[str, list[str]] = {}
    for item in everything:
        name = item.get("name")
        if not name or form not in item.parents or item.get("disabled") is not None:
            continue
        if item.tag == "input" and item.get("type") in ("checkbox", "radio"):
            if item.get("checked") is not None:
                sent.setdefault(name, []).append(item.get("value") or "on")
        elif item.tag == "input":
            sent.setdefault(name, []).append(item.get("value") or "")
        elif item.tag == "textarea":
            sent.setdefault(name, []).append(item.text)
        elif item.tag == "select":
            options = [option for option in everything if option.tag == "option" and item in option.parents]
            chosen = [option for option in options if option.get("selected") is not None] or options[:1]
            sent[name] = [option.get("value") or "" for option in chosen]
    as_sent = {name: [CRLF.sub("\r\n", value) for value in values] for name, values in sent.items()}
    return {name: value for name, value in {**as_sent, **changes}.items() if value is not None}


def enter_presses(html: str, field: str) -> Element:
    """The button that Enter in a field presses: the first one of its form that sends it."""
    found = elements(html)
    (typed,) = (each for each in found if each.get("id") == field)
    form = next(parent for parent in typed.parents if parent.tag == "form")
    buttons = (each for each in found if each.tag == "button" and form in each.parents and each.get("form") is None)
    return next(each for each in buttons if each.get("type") in (None, "submit"))


def complaints(html: str) -> list[str]:
    """The sentences of the error summary."""
    return [
        words(item.text) for item in elements(html, "li")
        if any(parent.get("data-error-summary") is not None for parent in item.parents)
    ]  # fmt: skip


def toasts(html: str) -> list[str]:
    return [
        words(item.text) for item in elements(html, "p")
        if any((parent.get("class") or "").startswith("toast-note") and parent.get("data-fallback") is None for parent in item.parents)
    ]  # fmt: skip


def words(text: str) -> str:
    return " ".join(text.split())


def htmx(target: str) -> dict[str, str]:
    """The headers htmx sends when this element is to be replaced."""
    return {"HX-Request": "true", "HX-Target": target}


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    """The SELECT statements sent to the database meanwhile."""
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
