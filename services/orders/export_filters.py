"""Which orders a saved export holds, and in which order: the filter of the orders list, as it is stored with the export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from extensions import db
from models import Tag
from services.orders import tags
from services.orders.views import Wanted

FIELDS = ("integration_id", "search", "state", "age", "sort")


def as_stored(wanted: Wanted) -> dict[str, Any]:
    """What is kept of a filter. A tag is kept by its name: one that no order has any more is deleted, and its id may be used again."""
    kept = {name: value for name in FIELDS if (value := getattr(wanted, name))}
    if wanted.tag is not None:
        kept["tag"] = db.session.scalar(select(Tag.name).where(Tag.id == wanted.tag)) or ""
    return kept


def wanted_of(stored: Mapping[str, Any], *, with_customers: bool) -> Wanted:
    """The filter as it is meant now. A tag or shop that is gone fits no order."""
    values = {name: value for name in FIELDS if (value := stored.get(name))}
    wanted = replace(Wanted(customers=with_customers), **values)
    return replace(wanted, tag=tags.find_tag(stored["tag"])) if "tag" in stored else wanted
