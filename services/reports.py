"""Sales per shop and day, and per SKU. They are counted from stored orders, which outlive the integration they came through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select

from extensions import db
from models import Integration, Order, OrderLine
from models.types import utcnow
from services.money import plain

PERIODS = {"7": 7, "30": 30, "90": 90, "365": 365}


@dataclass(frozen=True, slots=True)
class DaySales:
    """One day of one shop in one currency."""

    day: date
    shop: str
    orders: int
    pieces: int
    total: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class SkuSales:
    sku: str
    name: str
    orders: int
    pieces: int
    total: str
    currency: str


DAY_SORTS: dict[str, Callable[[DaySales], Any]] = {
    "": lambda row: -row.day.toordinal(), "oldest": lambda row: row.day.toordinal(),
    "shop": lambda row: (row.shop, -row.day.toordinal()), "pieces": lambda row: -row.pieces, "total": lambda row: -row.amount,
}  # fmt: skip
"""What rows are sorted by first; those that are equal come newest day first, then by shop and currency."""
UNITS, LINES_TOTAL = func.sum(OrderLine.quantity), func.sum(OrderLine.total)
SKU_SORTS: dict[str, Any] = {"": (UNITS.desc(),), "least": (UNITS,), "sku": (), "total": (LINES_TOTAL.desc(),)}


def shops() -> dict[int, str]:
    """Shop id -> the name of its newest integration, removed ones marked, for shops that have orders."""
    query = (
        select(Integration.shop_id, Integration.name, Integration.removed_at)
        .where(Integration.shop_id.in_(select(Order.shop_id).distinct()))
        .order_by(Integration.removed_at.is_(None), Integration.id)
    )
    return {shop_id: f"{name} (removed)" if removed else name for shop_id, name, removed in db.session.execute(query)}


def start_of(days: int, zone: tzinfo) -> datetime:
    """The start of the first of so many days, today being the last, in the reader's zone."""
    return datetime.combine(utcnow().astimezone(zone).date() - timedelta(days=days - 1), time.min, zone)


def sales_by_day(days: int, zone: tzinfo, shop_id: int | None = None, sort: str = "") -> list[DaySales]:
    """Newest day first unless ``sort`` is another of ``DAY_SORTS``. Cancelled orders are left out; a day is a day in the reader's zone."""
    names = shops()
    query = (
        select(Order.id, Order.placed_at, Order.shop_id, Order.currency, Order.decimals, Order.total)
        .where(Order.placed_at >= start_of(days, zone), Order.state != "cancelled", Order.number != "")
    )  # fmt: skip
    pieces = select(OrderLine.order_id, func.sum(OrderLine.quantity)).join(Order).where(
        Order.placed_at >= start_of(days, zone), Order.state != "cancelled"
    ).group_by(OrderLine.order_id)  # fmt: skip
    if shop_id is not None:
        query, pieces = query.where(Order.shop_id == shop_id), pieces.where(Order.shop_id == shop_id)
    count = {order_id: int(units or 0) for order_id, units in db.session.execute(pieces)}
    sums: dict[tuple[date, int, str], list] = defaultdict(lambda: [0, 0, Decimal(0), 2])
    for order_id, placed_at, shop, currency, decimals, total in db.session.execute(query.execution_options(yield_per=2000)):
        found = sums[(placed_at.astimezone(zone).date(), shop, currency)]
        found[0] += 1
        found[1] += count.get(order_id, 0)
        found[2] += total
        found[3] = decimals
    rows = [
        DaySales(day, names.get(shop, ""), orders, units, plain(total, decimals), currency, total)
        for (day, shop, currency), (orders, units, total, decimals) in sorted(
            sums.items(), key=lambda each: (-each[0][0].toordinal(), names.get(each[0][1], ""), each[0][2])
        )
    ]
    return sorted(rows, key=DAY_SORTS.get(sort, DAY_SORTS[""]))


def sales_by_sku(days: int, zone: tzinfo, shop_id: int | None = None, sort: str = "") -> list[SkuSales]:
    """Most pieces first unless ``sort`` is another of ``SKU_SORTS``. Cancelled orders are left out."""
    query = (
        select(OrderLine.sku, func.max(OrderLine.name), func.count(func.distinct(Order.id)), UNITS, LINES_TOTAL, Order.currency,
               func.max(Order.decimals))
        .join(Order)
        .where(Order.placed_at >= start_of(days, zone), Order.state != "cancelled")
        .group_by(OrderLine.sku, Order.currency)
        .order_by(*SKU_SORTS.get(sort, SKU_SORTS[""]), OrderLine.sku, Order.currency)
    )  # fmt: skip
    if shop_id is not None:
        query = query.where(Order.shop_id == shop_id)
    return [
        SkuSales(sku, name, orders, int(pieces), plain(Decimal(total), decimals), currency)
        for sku, name, orders, pieces, total, currency, decimals in db.session.execute(query)
    ]
