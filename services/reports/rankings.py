"""The first SKUs of long sales reports, kept: a year of a large seller sums a million rows, which takes half a second of each page.

Every hour, and when a day ends, a job sums each report again that has more than ``LONG`` rows, once for all of its orders. Shorter reports, pages
after the kept SKUs, files and the API are summed when they are asked for (``sales.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import delete, select, tuple_

from extensions import db, reading, writing
from models import Shop, SkuRanking
from models.types import utcnow
from services.common import installation, zones
from services.common.bulk import insert_into
from services.common.paging import Page
from services.reports import sales
from services.reports.periods import Period, last_days

LONG = 20_000
"""Reports with more rows are kept. A page sums so many in about 15 ms."""
KEPT = 1_000
"""SKUs that are kept in each order. One more is stored, which says whether there is another page."""
EVERY = timedelta(hours=1)
GOOD_FOR = 2 * EVERY
"""How long a ranking is shown: one job may fail or wait for a worker. If two do, pages sum again: slow is better than old."""
DUE_AT = "rankings_due_at"
ALL_SHOPS = 0
"""In place of a shop's id."""


def sku_page(
    period: Period, shop_id: int | None, sort: str, number: int, size: int
) -> tuple[Page[sales.SkuSales], datetime | None]:
    """The page that ``sales.sku_page`` gives, and when it was summed: None if that was now, because nothing is kept for it."""
    now, ranking = utcnow(), SkuRanking
    mine = (
        ranking.shop_id == (shop_id or ALL_SHOPS), ranking.sort == (sort if sort in sales.SKU_SORTS else ""),
        ranking.first_day == period.first, ranking.last_day == period.last, ranking.made_at.between(now - GOOD_FOR, now),
    )  # fmt: skip
    kept = db.session.execute(select(ranking.made_at, ranking.skus).where(*mine).limit(1)).first()
    if kept is not None:
        number = max(1, number)
        found = kept.skus[(number - 1) * size : number * size + 1]
        if len(found) > size or len(kept.skus) <= KEPT:
            return sales.page_of_skus(found, number, size), kept.made_at
    return sales.sku_page(period, shop_id, sort, number, size), None


def is_due() -> bool:
    """Whether rankings have to be made. A due time more than ``EVERY`` ahead was written while the clock was wrong, and does not count."""
    due_at, now = installation.read_setting(DUE_AT), utcnow()
    return due_at is None or not now < datetime.fromisoformat(due_at) <= now + EVERY


def make(stopping: Callable[[], bool] = lambda: False) -> int:
    """Make all rankings again that are older than half an hour, and delete those of reports that are not long any more. Returns how many reports were
    summed. If ``stopping`` ends it early, the next call continues."""
    wanted, made = set[tuple[int, int]](), 0
    for shop_id, days, period in _long_reports():
        if stopping():
            return made
        wanted.add((shop_id, days))
        made += _make(shop_id, days, period)
    key = tuple_(SkuRanking.shop_id, SkuRanking.days)
    with reading() as session:
        useless = {tuple(each) for each in session.execute(select(SkuRanking.shop_id, SkuRanking.days).distinct())} - wanted
        due_at = _next_due()
    if useless:
        with writing() as session:
            session.execute(delete(SkuRanking).where(key.in_(useless)).execution_options(synchronize_session=False))
    installation.change_setting(DUE_AT, due_at.isoformat(), "schedule")
    return made


def _long_reports() -> Iterator[tuple[int, int, Period]]:
    """Shop, number of days and period of each long report, of all shops together and of each one."""
    lengths = sorted(sales.PERIODS.values(), reverse=True)
    if _long_period(ALL_SHOPS, lengths[0]) is None:
        return  # No shop has more.
    with reading():
        shops = [ALL_SHOPS, *sales.shops()]
    for shop_id in shops:
        for days in lengths:
            period = _long_period(shop_id, days)
            if period is None:
                break
            yield shop_id, days, period


def _long_period(shop_id: int, days: int) -> Period | None:
    """The last ``days`` days, if a report of them is long."""
    with reading():
        period = last_days(days, sales.zone_of_days(shop_id or None, UTC))
        return period if sales.sums_more_rows(period, shop_id or None, LONG) else None


def _make(shop_id: int, days: int, period: Period) -> bool:
    """Make the rankings of one report; returns False if there are new ones already."""
    now, mine = utcnow(), (SkuRanking.shop_id == shop_id, SkuRanking.days == days)
    fresh = (SkuRanking.last_day == period.last, SkuRanking.made_at.between(now - EVERY / 2, now))
    with reading() as session:
        if session.scalar(select(SkuRanking.sort).where(*mine, *fresh).limit(1)) is not None:
            return False
        first = {sort: list(map(_plain, rows)) for sort, rows in sales.first_skus(period, shop_id or None, KEPT + 1).items()}
    with writing() as session:
        session.execute(delete(SkuRanking).where(*mine).execution_options(synchronize_session=False))
        # Another worker, whose job was given to this one too, may have made it in this moment.
        session.execute(
            insert_into(SkuRanking.__table__).on_conflict_do_nothing(),
            [
                {
                    "shop_id": shop_id,
                    "days": days,
                    "sort": sort,
                    "first_day": period.first,
                    "last_day": period.last,
                    "made_at": now,
                    "skus": rows,
                }
                for sort, rows in first.items()
            ],
        )
    return True


def _plain(row: Any) -> list[Any]:
    """A row of ``sales.first_skus`` as it is stored in JSON."""
    key, currency, orders, pieces, total = row[:5]
    return [key, currency, int(orders), int(pieces), str(total)]


def _next_due() -> datetime:
    """In an hour, or earlier if the day of a shop ends: then its reports are of other days."""
    now = utcnow()
    local = (now.astimezone(zones.zone_of(name)) for name in db.session.scalars(select(Shop.zone).distinct()))
    ends = [datetime.combine(each.date() + timedelta(days=1), time.min, each.tzinfo).astimezone(UTC) for each in local]
    return min([now + EVERY, *ends])
