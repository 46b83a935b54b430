"""Sales per shop and day, and per SKU, from the rows that services/orders/daily_sales.py keeps. They outlive the integration they came through.

A day is one of the shop's time zone. Cancelled orders are left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Date, Integer, Select, and_, column, func, or_, select, true, values
from sqlalchemy.orm import aliased

from extensions import db, reading
from models import Integration, OrderLine, SalesOfDay, SalesOfSku, Shop
from models.types import each_text, utcnow
from services.common import zones
from services.common.batches import sums_in_batches
from services.common.paging import Page, numbered
from services.order_basics.money import plain
from services.reports.periods import Period
from services.shops.finding import marked_name

PERIODS = {"7": 7, "30": 30, "90": 90, "365": 365}


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


SKU_SORTS = ("", "least", "sku", "total")

_keys, _line = each_text("keys"), aliased(OrderLine)
_newest = select(OrderLine.id).where(OrderLine.sku_key == _keys.c.value).order_by(OrderLine.id.desc()).limit(1)
NAMES = select(_keys.c.value, _line.sku, _line.name).join(_line, _line.id == _newest.correlate(_keys).scalar_subquery())
"""The SKU and the name of the newest order line of each SKU key in ``keys``."""


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
        shop_id: (marked_name(name, removed), integration_id)
        for shop_id, name, removed, integration_id in db.session.execute(query)
    }


def _reported(shop_id: int | None) -> dict[int, tuple[str, int]]:
    """As ``_newest_integrations``: of all shops, or of the one that is asked for."""
    newest = _newest_integrations()
    return newest if shop_id is None else {shop_id: newest.get(shop_id, ("", 0))}


def known_since(shop_id: int | None = None) -> dict[int, date]:
    """Shop id -> the first day whose orders are known: that of the first sale, or the start of the shop's orders where that is earlier."""
    sold = (SalesOfDay.shop_id == Shop.id, SalesOfDay.orders > 0)
    # The first row in the index of each shop; a minimum would read all of its days.
    first_day = select(SalesOfDay.day).where(*sold).order_by(SalesOfDay.day).limit(1).correlate(Shop).scalar_subquery()
    query = (
        select(Shop.id, Shop.zone, first_day, func.min(Integration.orders_since))
        .join(Integration, Integration.shop_id == Shop.id)
        .where(true() if shop_id is None else Shop.id == shop_id)
        .group_by(Shop.id, Shop.zone)
    )
    return {
        shop: min(day, start.astimezone(zones.zone_of(zone)).date())
        for shop, zone, day, start in db.session.execute(query)
        if day
    }


def zone_of_days(shop_id: int | None, reader: tzinfo) -> tzinfo:
    """The time zone in which the last days of a report end: that of the shops whose day is furthest ahead, as their newest orders are of that
    day. The reader's where no shop has sold anything."""
    sold = select(SalesOfDay.day).where(SalesOfDay.shop_id == Shop.id).exists()
    query = select(Shop.zone).where(sold if shop_id is None else Shop.id == shop_id).distinct()
    now = utcnow()
    return max(
        (zones.zone_of(name) for name in db.session.scalars(query)), key=lambda zone: now.astimezone(zone).date(), default=reader
    )


def sales_by_day(period: Period, shop_id: int | None = None, sort: str = "") -> list[DaySales]:
    """Newest day first, or sorted by ``oldest`` (day), ``shop``, ``pieces`` or ``total`` first; those that are equal come newest day first,
    then by shop and currency."""
    shown = _reported(shop_id)
    return _days(_in_order(period, shown, sort), shown)


def day_page(period: Period, shop_id: int | None, sort: str, number: int, size: int) -> Page[DaySales]:
    """A page of ``sales_by_day``."""
    shown = _reported(shop_id)
    total = db.session.scalar(select(func.count()).select_from(SalesOfDay).where(*_sold(period, shown))) or 0
    number, pages = numbered(total, number, size)
    query = _in_order(period, shown, sort).limit(size).offset((number - 1) * size)
    return Page(_days(query, shown), total, number, pages, goes_on=number < pages)


def _sold(period: Period, shops: Collection[int]) -> tuple[ColumnElement[bool], ...]:
    return SalesOfDay.shop_id.in_(shops), SalesOfDay.day.between(period.first, period.last), SalesOfDay.orders > 0


def _in_order(period: Period, shown: Mapping[int, tuple[str, int]], sort: str) -> Select[*tuple[Any, ...]]:
    sold = SalesOfDay
    by_name = sorted(shown, key=lambda each: (shown[each][0], each))
    places = values(column("shop_id", Integer), column("place", Integer), name="by_name")
    place = places.data([(shop, number) for number, shop in enumerate(by_name)] or [(0, 0)]).cte("by_name")
    first = {
        "oldest": sold.day.asc(), "shop": place.c.place.asc(), "pieces": sold.pieces.desc(), "total": sold.total.desc(),
    }.get(sort, sold.day.desc())  # fmt: skip
    return (
        select(sold.day, sold.shop_id, sold.currency, sold.orders, sold.pieces, sold.total, sold.decimals)
        .join(place, place.c.shop_id == sold.shop_id)
        .where(*_sold(period, shown))
        .order_by(first, sold.day.desc(), place.c.place, sold.currency)
    )


def _days(query: Select[*tuple[Any, ...]], shown: Mapping[int, tuple[str, int]]) -> list[DaySales]:
    rows = []
    for day, shop, *sums in db.session.execute(query):
        name, integration_id = shown[shop]
        rows.append(DaySales(day, shop, integration_id, name, *sums))
    return rows


@dataclass(frozen=True, slots=True)
class StepSales:
    """The sales of one shop in one currency on the days of one step of a period, which begins with ``first``."""

    first: date
    shop_id: int
    integration_id: int
    shop: str
    currency: str
    orders: int
    pieces: int
    amount: Decimal
    decimals: int


def sales_by_step(starts: Sequence[date], last: date, shop_id: int | None = None) -> list[StepSales]:
    """The sales from the first of ``starts`` to ``last``, summed from each start to the day before the next, in no order. The database
    sums: a year of twenty shops has seven thousand rows. An outer join, so that SQLite goes from each step to its days in the index: it would
    compare each day with each step otherwise."""
    shown, sold = _reported(shop_id), SalesOfDay
    ends = [*(start - timedelta(days=1) for start in starts[1:]), last]
    steps = (
        values(column("first", Date), column("last", Date), name="step").data(list(zip(starts, ends, strict=True))).cte("step")
    )
    query = (
        select(
            steps.c.first, sold.shop_id, sold.currency, func.sum(sold.orders), func.sum(sold.pieces), func.sum(sold.total),
            func.max(sold.decimals),
        )
        .select_from(steps)
        .outerjoin(sold, and_(sold.day.between(steps.c.first, steps.c.last), sold.shop_id.in_(shown), sold.orders > 0))
        .group_by(steps.c.first, sold.shop_id, sold.currency)
    )  # fmt: skip
    rows = []
    for first, shop, currency, orders, pieces, total, decimals in db.session.execute(query):
        if shop is None:
            continue
        name, integration_id = shown[shop]
        rows.append(StepSales(first, shop, integration_id, name, currency, int(orders), int(pieces), Decimal(total), decimals))
    return rows


def sku_page(period: Period, shop_id: int | None, sort: str, number: int, size: int) -> Page[SkuSales]:
    """A page of ``sales_by_sku``. The rows are not counted: that would sum all of them a second time."""
    number = max(1, number)
    query = _skus(period, shop_id, sort).limit(size + 1).offset((number - 1) * size)
    return page_of_skus(db.session.execute(query).all(), number, size)


def page_of_skus(found: Sequence[Any], number: int, size: int) -> Page[SkuSales]:
    """``found`` are the rows of the page and, if there is one, the first of the next page."""
    goes_on = len(found) > size
    return Page(_named(found[:size]), len(found), number, number + goes_on, more=goes_on, goes_on=goes_on)


def sales_by_sku(period: Period, shop_id: int | None = None, sort: str = "") -> Iterator[SkuSales]:
    """Most pieces first unless ``sort`` is another of ``SKU_SORTS``. Summed once, and named in batches while they are taken."""
    for batch in sums_in_batches(_skus(period, shop_id, sort)):
        with reading():
            named = _named(batch)
        yield from named


def first_skus(period: Period, shop_id: int | None, most: int) -> dict[str, list[Any]]:
    """The first rows of each of ``SKU_SORTS``, as ``sku_page`` reads them. Summed once."""
    sums = _sums_of_skus(period, shop_id).subquery()
    places = [func.row_number().over(order_by=_sku_order(sort, sums.c)).label(f"place_{sort}") for sort in SKU_SORTS]
    placed = select(*sums.c, *places).subquery()
    rows = db.session.execute(select(placed).where(or_(*(placed.c[place.name] <= most for place in places)))).all()
    return {sort: sorted(rows, key=lambda row: row[at])[:most] for at, sort in enumerate(SKU_SORTS, start=len(sums.c))}


def sums_more_rows(period: Period, shop_id: int | None, than: int) -> bool:
    """Whether a report by SKU sums more stored rows than this. No more of them are counted."""
    some = select(SalesOfSku.day).where(*_skus_sold(period, shop_id)).limit(than + 1).subquery()
    return (db.session.scalar(select(func.count()).select_from(some)) or 0) > than


def _skus_sold(period: Period, shop_id: int | None) -> tuple[ColumnElement[bool], ...]:
    """The conditions for the stored rows that a report sums."""
    shown = list(shops()) if shop_id is None else [shop_id]
    return SalesOfSku.shop_id.in_(shown), SalesOfSku.day.between(period.first, period.last)


def _sums_of_skus(period: Period, shop_id: int | None) -> Select[*tuple[Any, ...]]:
    sold, orders = SalesOfSku, func.sum(SalesOfSku.orders)
    sums = orders.label("orders"), func.sum(sold.pieces).label("pieces"), func.sum(sold.total).label("total")
    kept = select(sold.sku_key, sold.currency, *sums).where(*_skus_sold(period, shop_id))
    return kept.group_by(sold.sku_key, sold.currency).having(orders > 0)


def _sku_order(sort: str, sums: Any) -> tuple[Any, ...]:
    """By which columns of ``sums`` the SKUs are sorted."""
    first = {"least": (sums.pieces,), "sku": (), "total": (sums.total.desc(),)}.get(sort, (sums.pieces.desc(),))
    return (*first, sums.sku_key, sums.currency)


def _skus(period: Period, shop_id: int | None, sort: str) -> Select[*tuple[Any, ...]]:
    sums = _sums_of_skus(period, shop_id).subquery()
    return select(*sums.c).order_by(*_sku_order(sort, sums.c))


def _named(found: Sequence[Any]) -> list[SkuSales]:
    """Rows with the SKU and the name that the newest order line has."""
    names, decimals = _names({row[0] for row in found}), _decimals({row[1] for row in found})
    rows = []
    for key, currency, orders, pieces, total in found:
        sku, name = names.get(key, (key, ""))
        rows.append(SkuSales(sku, name, int(orders), int(pieces), plain(Decimal(total), decimals[currency]), currency))
    return rows


def _names(keys: Collection[str]) -> dict[str, tuple[str, str]]:
    """By SKU key. One statement whatever the number of keys: a new statement for each number took longer than the database."""
    return {key: (sku, name) for key, sku, name in db.session.execute(NAMES, {"keys": sorted(keys)})}


def _decimals(currencies: Collection[str]) -> dict[str, int]:
    """How many decimals each currency was last sold with."""
    return {
        currency: db.session.scalar(
            select(SalesOfDay.decimals).where(SalesOfDay.currency == currency).order_by(SalesOfDay.day.desc()).limit(1)
        )
        or 0
        for currency in currencies
    }
