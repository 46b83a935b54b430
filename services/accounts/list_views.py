"""How each user sees the lists: views saved under a name, and the columns they chose. Nobody sees those of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, select

from errors import InvalidInput, NameTaken, NotFound
from extensions import db, writing
from models import ListView
from services.common.text import one_line

LONGEST_NAME = 60
MOST_VIEWS = 30
"""Saved views of one list for each user: as many as a menu can show."""


@dataclass(frozen=True, slots=True)
class SavedView:
    id: int
    name: str
    filters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """How a user sees one list. ``columns`` are the names of the columns they chose; empty where they have not."""

    columns: list[str] = field(default_factory=list)
    views: list[SavedView] = field(default_factory=list)


def of_list(user_id: int, name: str) -> Seen:
    query = select(ListView.id, ListView.name, ListView.filters, ListView.columns).where(
        ListView.user_id == user_id, ListView.list_name == name
    )  # fmt: skip
    seen = Seen()
    for row in db.session.execute(query.order_by(ListView.name_key)):
        if row.name:
            seen.views.append(SavedView(row.id, row.name, row.filters))
        else:
            seen.columns.extend(row.columns)
    return seen


def view_named(user_id: int, list_name: str, name: str) -> SavedView | None:
    """The view of a list that has this name, whatever its letter case."""
    known = _find(user_id, list_name, " ".join(name.split()).casefold())
    return SavedView(known.id, known.name, known.filters) if known is not None and known.name else None


def save_view(user_id: int, list_name: str, name: str, filters: Mapping[str, Any], *, replace: bool = False) -> bool:
    """Save filters under a name; returns whether that replaced other filters. Raises InvalidInput, and NameTaken where a view of this name
    has other filters and ``replace`` is False."""
    name = one_line(name, LONGEST_NAME, "name", "name")
    if not name:
        raise InvalidInput("Give the view a name.", field="name")
    with writing() as session:
        known = _find(user_id, list_name, name.casefold())
        replaces = known is not None and known.filters != dict(filters)
        if known is not None and replaces and not replace:
            raise NameTaken(f"A view named ‘{known.name}’ exists.", "Replace it, or choose another name.")
        if known is None:
            saved = select(func.count()).where(
                ListView.user_id == user_id, ListView.list_name == list_name, ListView.name_key != ""
            )
            if (session.scalar(saved) or 0) >= MOST_VIEWS:
                raise InvalidInput(f"There are {MOST_VIEWS} saved views.", "Remove one first.", field="name")
            known = ListView(user_id=user_id, list_name=list_name, name_key=name.casefold())
            session.add(known)
        known.name, known.filters = name, dict(filters)
    return replaces


def remove_view(user_id: int, view_id: int) -> None:
    """Raises NotFound."""
    with writing() as session:
        query = delete(ListView).where(ListView.id == view_id, ListView.user_id == user_id, ListView.name_key != "")
        if not session.execute(query.returning(ListView.id)).all():
            raise NotFound("There is no such view.")


def choose_columns(user_id: int, list_name: str, columns: Sequence[str]) -> None:
    """Empty: those that everybody sees at first."""
    with writing() as session:
        known = _find(user_id, list_name, "")
        if known is None:
            known = ListView(user_id=user_id, list_name=list_name)
            session.add(known)
        known.columns = list(columns)


def _find(user_id: int, list_name: str, key: str) -> ListView | None:
    query = select(ListView).where(ListView.user_id == user_id, ListView.list_name == list_name, ListView.name_key == key)
    return db.session.scalar(query)
