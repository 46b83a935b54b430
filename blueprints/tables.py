"""The tables of lists: which columns they have, by which headings they are sorted, and the views that a user saved.
``templates/macros/tables.html`` draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import url_for

from blueprints.actors import current_person
from blueprints.columns import Column
from blueprints.forms import ListFilter
from services.accounts import list_views
from services.accounts.list_views import Seen


@dataclass(frozen=True, slots=True)
class Heading:
    """``address`` is where a click leads, empty where the list cannot be sorted by the column; ``direction`` is in which it is sorted by it,
    empty where it is not."""

    column: Column
    address: str
    direction: str


@dataclass(frozen=True, slots=True)
class Table:
    """A list as its page shows it to a user: ``name`` and ``endpoint`` are the list's, ``form`` is what it is filtered by, ``chosen`` are the
    filters that are set, ``seen`` is how the user wants to see it."""

    name: str
    endpoint: str
    form: ListFilter
    chosen: Mapping[str, Any]
    seen: Seen

    @property
    def columns(self) -> Sequence[Column]:
        return self.form.table_columns()

    @property
    def shown(self) -> list[Column]:
        wanted = self.seen.columns
        return [
            column for column in self.columns
            if column.fixed or (column.name in wanted if wanted else not column.extra)
        ]  # fmt: skip

    @property
    def headings(self) -> list[Heading]:
        sort = str(self.form.data.get("sort") or self.form.DEFAULTS.get("sort", ""))
        return [self._heading(column, sort) for column in self.shown]

    def _heading(self, column: Column, sort: str) -> Heading:
        direction = dict(column.sorts).get(sort, "")
        others = [value for value, _ in column.sorts if value != sort]
        return Heading(column, self.link(sort=others[0]) if others else "", direction)

    def shows(self, name: str) -> bool:
        return any(column.name == name for column in self.shown)

    def link(self, **changes: Any) -> str:
        """The address of the list with other filters, from its beginning. None takes a filter away."""
        defaults = self.form.DEFAULTS
        wanted = {name: value for name, value in {**self.chosen, **changes}.items() if value and value != defaults.get(name)}
        return url_for(self.endpoint, **wanted)

    @property
    def address(self) -> str:
        """Of the list as it is filtered now, from its beginning."""
        return self.link()

    @property
    def query(self) -> str:
        """The filters that are set, as text for a form field."""
        return urlencode(self.chosen)

    def view_link(self, filters: Mapping[str, Any]) -> str:
        return url_for(self.endpoint, **filters)


def table_of(name: str, endpoint: str, form: ListFilter) -> Table:
    """The table of a list as the present user sees it."""
    person = current_person()
    seen = list_views.of_list(person.id, name) if person is not None else Seen()
    return Table(name, endpoint, form, form.chosen(), seen)
