"""Orders that a report leaves out because their shop could not print them: no amount of them is known (services/orders/daily_sales.py counts
them for nothing)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import select, true

from extensions import db
from models import Order, Shop
from services.common import zones
from services.order_basics.identity import placed_of
from services.orders import daily_sales
from services.reports.periods import Period

MOST, NAMED = 1000, 5
"""Orders that are counted, and those that are named."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """``more`` is true where there are more than are counted. ``undated`` of them were placed at a time that is not known: they are of the day of
    their download. ``named`` are the newest, as (id, id in the shop)."""

    orders: int
    more: bool
    undated: int
    named: Sequence[tuple[int, str]]


def of_period(period: Period, shop_id: int | None = None) -> LeftOut:
    """They are found by their number, which is empty and has an index: few orders have none, however many there are."""
    found = _numberless(period, shop_id)
    rows = [row for row in found if daily_sales.day_of(row.placed_at, zones.zone_of(row.zone)) in period][:MOST]
    newest = sorted(rows, key=lambda row: (row.placed_at, row.id), reverse=True)
    undated = sum(placed_of(row) is None for row in rows)
    return LeftOut(len(rows), len(found) > MOST, undated, [(row.id, row.external_id) for row in newest[:NAMED]])


def _numberless(period: Period, shop_id: int | None) -> Sequence[Any]:
    """From a day earlier to a day later: a shop's days are those of its time zone. Not sorted here: it would be read by date."""
    start = datetime.combine(period.first, time(), UTC) - timedelta(days=1)
    query = (
        select(Order.id, Order.external_id, Order.number, Order.placed_at, Order.first_seen_at, Order.problems, Shop.zone)
        .join(Shop, Shop.id == Order.shop_id)
        .where(Order.number == "", Order.state != "cancelled", true() if shop_id is None else Order.shop_id == shop_id)
        .where(Order.placed_at >= start, Order.placed_at < start + timedelta(days=period.days + 2))
        .limit(MOST + 1)
    )
    return db.session.execute(query).all()
