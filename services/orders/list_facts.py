"""What the list of orders shows beside the orders' own columns: how many orders are in each state, and what was ordered, in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, Text, cast, func, literal, select

from extensions import db
from models import Integration, Order, OrderLine
from services.common.paging import MOST_COUNTED
from services.common.text import isolated
from services.order_basics import holds
from services.orders import first_reading, queries

STATES = ("ready", "on_hold", "awaiting_payment", "part_shipped", "shipped", "cancelled", "cancel_unseen", "by_hand")
NAMED = 4
"""Lines of an order that are named; the others are counted."""


def is_present() -> ColumnElement[bool]:
    """Whether an order's shop is connected. Asked order by order: a list of shops would have the database sort all their orders
    where the newest fifty are wanted."""
    return select(Integration.id).where(Integration.shop_id == Order.shop_id, Integration.removed_at.is_(None)).exists()


def counts(states: Sequence[str] = STATES) -> dict[str, int]:
    """How many orders of present integrations are in each state, each counted up to one more than ``MOST_COUNTED``: an old shop has a
    hundred thousand that were shipped."""
    columns = []
    for state in states:
        some = select(literal(1)).select_from(Order).where(queries.in_state(state), is_present()).limit(MOST_COUNTED + 1)
        columns.append(select(func.count()).select_from(some.subquery()).scalar_subquery().label(state))
    return dict(db.session.execute(select(*columns)).one()._mapping)


def held_causes() -> dict[str, int]:
    """How many orders of present integrations each cause holds, by its code, the most first. An order may have several causes. Those that wait
    for the first reading of their shop come last, under a code of their own."""
    held_by = cast(Order.held_codes, Text)
    found: Counter[str] = Counter()
    for codes, number in db.session.execute(select(held_by, func.count()).where(Order.held, is_present()).group_by(held_by)):
        found.update(dict.fromkeys(msgspec.json.decode(codes), number))
    waiting = first_reading.count()
    found[holds.UNKNOWN_SKU] -= waiting
    causes = {code: number for code, number in found.most_common() if number > 0}
    return causes | {first_reading.CODE: waiting} if waiting else causes


def ordered_goods(ids: Sequence[int]) -> dict[int, list[str]]:
    """What these orders are for, by the id of the order: ``2 × Cup`` for each of their first lines."""
    query = (
        select(OrderLine.order_id, OrderLine.name, OrderLine.sku, OrderLine.quantity)
        .where(OrderLine.order_id.in_(ids), OrderLine.position < NAMED)
        .order_by(OrderLine.order_id, OrderLine.position)
    )
    found: dict[int, list[str]] = {}
    for order_id, name, sku, quantity in db.session.execute(query):
        called = isolated(name or sku)
        found.setdefault(order_id, []).append(f"{quantity} × {called}" if quantity != 1 else called)
    return found
