"""Sales per shop and day, and per SKU, from the rows that services/orders/daily_sales.py keeps. They outlive the integration they came through.

A day is one of the shop's time zone. Cancelled orders are left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, literal, select, union_all
from sqlalchemy.orm import aliased

from extensions import db, reading
from models import Integration, OrderLine, SalesOfDay, SalesOfSku
from services.common.paging import Page
from services.order_basics.money import plain
from services.reports.periods import Period

PERIODS = {"7": 7, "30": 30, "90": 90, "365": 365}
BATCH = 500


@dataclass(frozen=True, slots=True)
class DaySales:
    """One day of one shop in one currency. ``integration_id`` is that of its newest integration."""

    day: date
    shop_id: int
    integration_id: int = field(compare=False)
    shop: str
    currency: str
    orders: int
    pieces: int
    amount: Decimal
    decimals: int

    @property
    def total(self) -> str:
        return plain(self.amount, self.decimals)


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
ORDERS, PIECES, LINES_TOTAL = func.sum(SalesOfSku.orders), func.sum(SalesOfSku.pieces), func.sum(SalesOfSku.total)
SKU_SORTS: dict[str, Any] = {"": (PIECES.desc(),), "least": (PIECES,), "sku": (), "total": (LINES_TOTAL.desc(),)}


def shops() -> dict[int, str]:
    """Shop id -> the name of its newest integration, removed ones marked, for shops that have sold something."""
    return {shop_id: name for shop_id, (name, _) in _newest_integrations().items()}


def _newest_integrations() -> dict[int, tuple[str, int]]:
    """Shop id -> name and id, as in ``shops``."""
    query = (
        select(Integration.shop_id, Integration.name, Integration.removed_at, Integration.id)
        .where(select(SalesOfDay.day).where(SalesOfDay.shop_id == Integration.shop_id).exists())
        .order_by(Integration.removed_at.is_(None), Integration.id)
    )
    return {
        shop_id: (f"{name} (removed)" if removed else name, integration_id)
        for shop_id, name, removed, integration_id in db.session.execute(query)
    }


def sales_by_day(period: Period, shop_id: int | None = None, sort: str = "") -> list[DaySales]:
    """Newest day first unless ``sort`` is another of ``DAY_SORTS``."""
    return sorted_days(rows_between(period, shop_id), sort)


def sorted_days(rows: Sequence[DaySales], sort: str) -> list[DaySales]:
    ordered = sorted(rows, key=lambda row: (-row.day.toordinal(), row.shop, row.currency))
    return sorted(ordered, key=DAY_SORTS[sort]) if sort and sort in DAY_SORTS else ordered


def rows_between(period: Period, shop_id: int | None = None) -> list[DaySales]:
    """The sales of a period by day, shop and currency, in no order."""
    newest, sold = _newest_integrations(), SalesOfDay.__table__.c
    query = select(sold.day, sold.shop_id, sold.currency, sold.orders, sold.pieces, sold.total, sold.decimals).where(
        sold.shop_id.in_(newest if shop_id is None else [shop_id]), sold.day.between(period.first, period.last), sold.orders > 0
    )
    rows = []
    for day, shop, *sums in db.session.execute(query):
        name, integration_id = newest.get(shop, ("", 0))
        rows.append(DaySales(day, shop, integration_id, name, *sums))
    return rows


def sku_page(period: Period, shop_id: int | None, sort: str, number: int, size: int) -> Page[SkuSales]:
    """A page of ``sales_by_sku``. The rows are not counted: that would sum all of them a second time."""
    number = max(1, number)
    query = _skus(period, shop_id, sort).limit(size + 1).offset((number - 1) * size)
    found = db.session.execute(query).all()
    goes_on = len(found) > size
    return Page(_named(found[:size]), len(found), number, number + goes_on, more=goes_on, goes_on=goes_on)


def sales_by_sku(period: Period, shop_id: int | None = None, sort: str = "") -> Iterator[SkuSales]:
    """Most pieces first unless ``sort`` is another of ``SKU_SORTS``. Read at once, and named in batches while they are taken."""
    with reading():
        found = db.session.execute(_skus(period, shop_id, sort)).all()
    for start in range(0, len(found), BATCH):
        with reading():
            named = _named(found[start : start + BATCH])
        yield from named


def _skus(period: Period, shop_id: int | None, sort: str) -> Select[*tuple[Any, ...]]:
    shown = list(shops()) if shop_id is None else [shop_id]
    return (
        select(SalesOfSku.sku_key, SalesOfSku.currency, ORDERS, PIECES, LINES_TOTAL)
        .where(SalesOfSku.shop_id.in_(shown), SalesOfSku.day.between(period.first, period.last))
        .group_by(SalesOfSku.sku_key, SalesOfSku.currency)
        .having(ORDERS > 0)
        .order_by(*SKU_SORTS.get(sort, SKU_SORTS[""]), SalesOfSku.sku_key, SalesOfSku.currency)
    )


def _named(found: Sequence[Any]) -> list[SkuSales]:
    """Rows with the SKU and the name that the newest order line has."""
    names, decimals = _names({row[0] for row in found}), _decimals({row[1] for row in found})
    rows = []
    for key, currency, orders, pieces, total in found:
        sku, name = names.get(key, (key, ""))
        rows.append(SkuSales(sku, name, int(orders), int(pieces), plain(Decimal(total), decimals[currency]), currency))
    return rows


def _names(keys: Collection[str]) -> dict[str, tuple[str, str]]:
    if not keys:
        return {}
    wanted = union_all(*(select(literal(key).label("key")) for key in sorted(keys))).subquery()
    newest = select(OrderLine.id).where(OrderLine.sku_key == wanted.c.key).order_by(OrderLine.id.desc()).limit(1)
    line = aliased(OrderLine)
    query = select(wanted.c.key, line.sku, line.name).join(line, line.id == newest.correlate(wanted).scalar_subquery())
    return {key: (sku, name) for key, sku, name in db.session.execute(query)}


def _decimals(currencies: Collection[str]) -> dict[str, int]:
    """How many decimals each currency was last sold with."""
    return {
        currency: db.session.scalar(
            select(SalesOfDay.decimals).where(SalesOfDay.currency == currency).order_by(SalesOfDay.day.desc()).limit(1)
        )
        or 0
        for currency in currencies
    }
