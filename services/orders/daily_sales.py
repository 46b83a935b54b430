"""Sales per day, and per day and SKU: rows that are changed in the transaction that changes an order, so that reports need not count orders.

A day is one of the shop's time zone, as for the daily reconciliation. Cancelled orders and orders that could not be read count nothing. ``check`` compares
the rows with the orders again and corrects them; that also fills in the days from before the rows existed, and all days of a shop whose
time zone was changed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from extensions import db, reading, writing
from models import Order, OrderLine, SalesOfDay, SalesOfSku, Shop
from models.types import utcnow
from services.common import zones
from services.common.bulk import Bulk

log = logging.getLogger(__name__)

DAYS_AT_ONCE = 7
"""Days that are checked in one transaction."""
LOOK_BACK = timedelta(days=31)
"""Days that are checked each night. Of the days before, as many are checked each night that a year takes twelve nights."""
OLDER_PARTS = 12

DayKey = tuple[int, date, str]
SkuKey = tuple[int, date, str, str]


class Sold(NamedTuple):
    """What one order adds to the sales of its day. ``lines`` are (SKU key, pieces, total)."""

    shop_id: int
    day: date
    currency: str
    decimals: int
    total: Decimal
    lines: Sequence[tuple[str, int, Decimal]]


@dataclass(slots=True)
class Sums:
    orders: int = 0
    pieces: int = 0
    total: Decimal = Decimal(0)
    decimals: int = 2

    def __bool__(self) -> bool:
        return bool(self.orders or self.pieces or self.total)


@dataclass(frozen=True, slots=True)
class Sales:
    """Sums by day, and by day and SKU."""

    days: Mapping[DayKey, Sums]
    skus: Mapping[SkuKey, Sums]


def difference(before: Iterable[Sold], after: Iterable[Sold]) -> Sales:
    """What has to be added to the rows if these orders were counted as ``before`` and are now as ``after``. Pure."""
    days: dict[DayKey, Sums] = defaultdict(Sums)
    skus: dict[SkuKey, Sums] = defaultdict(Sums)
    for sign, orders in ((-1, before), (1, after)):
        for sold in orders:
            of_day = days[sold.shop_id, sold.day, sold.currency]
            of_day.decimals = sold.decimals
            _add(of_day, sign, sum([pieces for _, pieces, _ in sold.lines]), sold.total)
            seen = set[str]()
            for key, pieces, total in sold.lines:
                _add(skus[sold.shop_id, sold.day, key, sold.currency], sign, pieces, total, orders=int(key not in seen))
                seen.add(key)
    return Sales({key: sums for key, sums in days.items() if sums}, {key: sums for key, sums in skus.items() if sums})


def _add(sums: Sums, sign: int, pieces: int, total: Decimal, *, orders: int = 1) -> None:
    sums.orders += sign * orders
    sums.pieces += sign * pieces
    sums.total += sign * total


def counts(state: str, number: str) -> bool:
    """Whether an order counts as a sale."""
    return state != "cancelled" and number != ""


def day_of(placed_at: datetime, zone: ZoneInfo) -> date:
    return placed_at.astimezone(zone).date()


def zone_of(shop_id: int) -> ZoneInfo:
    """The time zone of a shop's days."""
    shops = Shop.__table__.c
    name = db.session.connection().scalar(select(shops.zone).where(shops.id == shop_id))
    return zones.zone_of(name or "")


def _adding(dialect: Any, model: Any) -> Any:
    """Add to rows that are there, or insert them."""
    table = model.__table__
    statement = dialect.insert(table)
    new = statement.excluded
    summed = {name: table.c[name] + new[name] for name in ("orders", "pieces", "total")}
    if "decimals" in table.c:
        summed["decimals"] = new.decimals
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=summed)


ADD = {
    dialect.dialect.name: (Bulk(_adding(dialect, SalesOfDay)), Bulk(_adding(dialect, SalesOfSku))) for dialect in (sqlite, postgresql)
}  # fmt: skip
# The modules are named for their dialects; ``dialect.dialect`` is the class, which knows its name.


def add(sales: Sales) -> None:
    """Add sums to the rows. Call it inside ``writing()``."""
    connection = db.session.connection()
    add_days, add_skus = ADD[connection.dialect.name]
    # In one order everywhere, so that two transactions do not wait for each other.
    if sales.days:
        add_days.execute(
            connection,
            [{"shop_id": shop_id, "day": day, "currency": currency, "orders": sums.orders, "pieces": sums.pieces, "total": sums.total,
              "decimals": sums.decimals} for (shop_id, day, currency), sums in sorted(sales.days.items(), key=_by_key)],
        )  # fmt: skip
    if sales.skus:
        add_skus.execute(
            connection,
            [{"shop_id": shop_id, "day": day, "sku_key": key, "currency": currency, "orders": sums.orders, "pieces": sums.pieces, "total": sums.total}
             for (shop_id, day, key, currency), sums in sorted(sales.skus.items(), key=_by_key)],
        )  # fmt: skip


def _by_key(item: tuple[Any, Sums]) -> Any:
    return item[0]


def stored(*where: Any) -> list[Sold]:
    """What stored orders add to the sales; ``where`` are conditions on the table of orders. Reads past the session, so that what it has
    not written yet is not in it."""
    connection = db.session.connection()
    orders, lines = Order.__table__.c, OrderLine.__table__.c
    conditions = (*where, orders.state != "cancelled", orders.number != "")
    wanted = connection.execute(
        select(orders.id, orders.shop_id, orders.placed_at, orders.currency, orders.decimals, orders.total).where(*conditions)
    ).all()
    if not wanted:
        return []
    of_lines: dict[int, list[tuple[str, int, Decimal]]] = defaultdict(list)
    joined = select(lines.order_id, lines.sku_key, lines.quantity, lines.total).join(Order.__table__, orders.id == lines.order_id)
    for order_id, key, quantity, total in connection.execute(joined.where(*conditions)):
        of_lines[order_id].append((key, quantity, total))
    zone_by_shop = {shop_id: zone_of(shop_id) for shop_id in {row.shop_id for row in wanted}}
    return [
        Sold(
            row.shop_id, day_of(row.placed_at, zone_by_shop[row.shop_id]), row.currency, row.decimals, row.total, of_lines[row.id]
        )
        for row in wanted
    ]


def is_check_due() -> bool:
    """Whether a shop has days that were not compared with its orders since they ended."""
    return db.session.scalar(select(Shop.id).where(_due()).limit(1)) is not None


def _due() -> Any:
    return or_(Shop.sales_checked_to.is_(None), Shop.sales_checked_to < utcnow().date() - timedelta(days=1))


def check(stopping: Callable[[], bool] = lambda: False) -> int:
    """Compare the sales of all shops that are due with their orders, and correct what differs; returns how many rows were corrected.
    Goes on with the next shop, and the next days, where it was stopped."""
    corrected = 0
    while not stopping():
        with reading():
            shop_id = db.session.scalar(select(Shop.id).where(_due()).order_by(Shop.id).limit(1))
        if shop_id is None:
            break
        corrected += _check_shop(shop_id, stopping)
    return corrected


def _check_shop(shop_id: int, stopping: Callable[[], bool]) -> int:
    with reading() as session:
        zone, shop = zone_of(shop_id), session.get_one(Shop, shop_id)
        known, zone_name, corrected = shop.sales_checked_to, shop.zone, 0
        placed = session.execute(
            select(func.min(Order.placed_at), func.max(Order.placed_at)).where(Order.shop_id == shop_id)
        ).one()  # fmt: skip
        kept = session.execute(
            select(func.min(SalesOfDay.day), func.max(SalesOfDay.day)).where(SalesOfDay.shop_id == shop_id)
        ).one()  # fmt: skip
    yesterday = utcnow().date() - timedelta(days=1)
    days = [yesterday, *(day_of(moment, zone) for moment in placed if moment), *(day for day in kept if day)]
    for start, end in _parts(known, min(days), max(days), yesterday):
        for day in range(start.toordinal(), end.toordinal() + 1, DAYS_AT_ONCE):
            if stopping():
                return corrected
            first = date.fromordinal(day)
            last = min(end, first + timedelta(days=DAYS_AT_ONCE - 1))
            corrected += _check_days(shop_id, zone, first, last)
            if known is None or last > known:
                # Where it is stopped, it goes on from here.
                _note_checked(shop_id, zone_name, min(last, yesterday))
    _note_checked(shop_id, zone_name, yesterday)
    return corrected


def _note_checked(shop_id: int, zone_name: str, day: date) -> None:
    """Unless the zone was changed meanwhile: then all is to be counted again."""
    with writing() as session:
        session.execute(
            update(Shop)
            .where(Shop.id == shop_id, Shop.zone == zone_name)
            .values(sales_checked_to=day)
            .execution_options(synchronize_session=False)
        )


def _parts(known: date | None, first: date, last: date, yesterday: date) -> list[tuple[date, date]]:
    """The days to check: all of them the first time; later those since the last check with some before, and a part of the older ones."""
    if known is None:
        return [(first, last)]
    start = max(first, known - LOOK_BACK)
    part = yesterday.toordinal() % OLDER_PARTS + 1
    older = max(first, start - part * LOOK_BACK), start - (part - 1) * LOOK_BACK - timedelta(days=1)
    return [(start, last), older] if older[0] <= older[1] else [(start, last)]


def _check_days(shop_id: int, zone: ZoneInfo, first: date, last: date) -> int:
    """Compare some days, in one transaction that nothing changes sales in meanwhile."""
    start = datetime.combine(first, time.min, zone).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), time.min, zone).astimezone(UTC)
    orders = Order.__table__.c
    with writing() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("LOCK TABLE day_sales IN SHARE ROW EXCLUSIVE MODE"))
        right = difference((), stored(orders.shop_id == shop_id, orders.placed_at >= start, orders.placed_at < end))
        wrong = _kept(shop_id, first, last)
        changed = Sales(_lacking(right.days, wrong.days), _lacking(right.skus, wrong.skus))
        if changed.days or changed.skus:
            add(changed)
            for model in (SalesOfDay, SalesOfSku):
                # What another time zone or a cancelled order leaves behind.
                session.execute(delete(model).where(
                    model.shop_id == shop_id, model.day.between(first, last), model.orders == 0, model.pieces == 0, model.total == 0
                ).execution_options(synchronize_session=False))  # fmt: skip
    count = len(changed.days) + len(changed.skus)
    if changed.days.keys() & wrong.days.keys() or changed.skus.keys() & wrong.skus.keys():
        log.warning(
            "Sales of shop %d from %s to %s differed from its orders and were corrected: %d rows", shop_id, first, last, count
        )
    return count


def _kept(shop_id: int, first: date, last: date) -> Sales:
    day, sku = SalesOfDay.__table__.c, SalesOfSku.__table__.c
    days = db.session.execute(select(*day).where(day.shop_id == shop_id, day.day.between(first, last)))
    skus = db.session.execute(select(*sku).where(sku.shop_id == shop_id, sku.day.between(first, last)))
    return Sales(
        {(row.shop_id, row.day, row.currency): Sums(row.orders, row.pieces, row.total, row.decimals) for row in days},
        {(row.shop_id, row.day, row.sku_key, row.currency): Sums(row.orders, row.pieces, row.total) for row in skus},
    )


def _lacking(right: Mapping[Any, Sums], kept: Mapping[Any, Sums]) -> dict[Any, Sums]:
    """What has to be added to the rows that are kept."""
    found = {}
    for key in {*right, *kept}:
        wanted, had = right.get(key, Sums()), kept.get(key, Sums())
        sums = Sums(wanted.orders - had.orders, wanted.pieces - had.pieces, wanted.total - had.total, wanted.decimals)
        if sums:
            found[key] = sums
    return found
