"""Ids in the order of a list: a page of any size, and the order to ship after another one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import select

from extensions import db
from models import Order
from services.common.paging import Page, first_after, page_of
from services.orders import views
from services.orders.views import Wanted

STATES = ("ready", "part_shipped")


def ids_page(wanted: Wanted, place: str, size: int) -> Page[int]:
    """A page of a list as ids, of any size."""
    query, order = views.query_of(wanted)
    return page_of(query, order, place, size, lambda found: [row[0] for row in found])


def next_to_ship(wanted: Wanted, order_id: int) -> int | None:
    """The id of the next order of a list that can be shipped; from its beginning where there is none after this one, None where there is
    none at all. A list of other states counts as a list of all."""
    kept = wanted if wanted.state in ("", "open", *STATES) else replace(wanted, state="")
    query, order = views.query_of(kept)
    query = query.where(Order.state.in_(STATES), Order.id != order_id, Order.superseded_at.is_(None), Order.gone_at.is_(None))
    columns: list[Any] = [getattr(each, "element", each) for each in order]
    values = db.session.execute(select(*columns).where(Order.id == order_id)).first()
    found = None if values is None else first_after(query, order, values)
    found = found or first_after(query, order, None)
    return None if found is None else int(found[0])
