"""Daily reconciliation: what a shop says it took on a day, compared with what is stored here. Differences are named and kept.

A day is one of the shop's time zone, which a person sets: shops do not say which zone they count in. A day that was missed,
because the shop was away, is made up for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select, text

from channels.base import Channel
from extensions import db, reading
from models import DailyReconciliation, FlowKind, Integration, Order, SyncRun
from models.types import utcnow
from services.common import zones
from services.common.batches import in_batches
from services.common.paging import Page, page_of
from services.order_basics.money import plain
from services.orders import deletions, download
from services.orders import unreadable as unprinted
from services.runs.lease import Lease
from services.shops import flows

AFTER_MIDNIGHT = timedelta(minutes=20)
MOST_DIFFERENCES = 200
MOST_DAYS = 7
"""How far back missed days are compared later."""
PAGE_SIZE = 30
NOT_STORED = "It is not stored here."
_DAY, _SHOP, _ID = DailyReconciliation.day, Integration.name_key, DailyReconciliation.id
SORTS: dict[str, Any] = {
    "": (_DAY.desc(), _SHOP, _ID), "oldest": (_DAY, _SHOP, _ID), "shop": (_SHOP, _DAY.desc(), _ID),
    "different": (DailyReconciliation.difference_count.desc(), _DAY.desc(), _ID.desc()),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Row:
    number: str
    total: Decimal
    currency: str
    decimals: int
    placed_at: datetime


def being_compared() -> list[str]:
    """The integrations whose days are being compared now, or are about to be."""
    query = select(Integration.name).join(SyncRun, SyncRun.integration_id == Integration.id).where(
        SyncRun.kind == FlowKind.RECONCILIATION, SyncRun.live
    )  # fmt: skip
    return list(db.session.scalars(query.order_by(Integration.name_key)))


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The moment a day begins there."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def next_due(now: datetime, zone: str) -> datetime:
    """When the next daily reconciliation is due: a little after the shop's next midnight."""
    there = zones.zone_of(zone)
    return start_of(now.astimezone(there).date() + timedelta(days=1), there) + AFTER_MIDNIGHT


def reconcile(lease: Lease, channel: Channel, fresh_orders: Callable[[], None]) -> str:
    """Compare yesterday, and the days before that were not compared yet. Raises ChannelError, or RunStopped from the lease."""
    with reading():
        integration = db.session.get_one(Integration, lease.integration_id)
        zone, orders_since = zones.zone_of(integration.shop.zone), integration.orders_since
        days = _due_days(lease.shop_id, max(integration.created_at, orders_since).astimezone(zone).date(), zone)
    since, end = max(start_of(days[0], zone), orders_since), start_of(days[-1] + timedelta(days=1), zone)
    if since >= end:
        return "done"
    download.look_back(lease)
    fresh_orders()
    theirs, unreadable = _theirs(lease, channel, since, end)
    ours = _ours(lease.shop_id, since, end)
    bad = [{"number": external_id, "reason": reason, "ours": "", "theirs": ""} for external_id, reason in unreadable]
    with lease.page():
        for day in days:
            # What could not be read says not even when it was placed: it is named with the newest day.
            _keep(lease, day, zone, _placed_on(day, zone, theirs), _placed_on(day, zone, ours), bad if day == days[-1] else [])
    return "done"


def _due_days(shop_id: int, first: date, zone: ZoneInfo) -> list[date]:
    """Yesterday, and what is missing before it, oldest first."""
    yesterday = utcnow().astimezone(zone).date() - timedelta(days=1)
    days = [yesterday - timedelta(days=back) for back in range(MOST_DAYS - 1, -1, -1)]
    kept = set(
        db.session.scalars(
            select(DailyReconciliation.day).where(DailyReconciliation.shop_id == shop_id, DailyReconciliation.day >= days[0])
        )
    )
    return [day for day in days if day == yesterday or (day >= first and day not in kept)]


def _placed_on(day: date, zone: ZoneInfo, rows: Mapping[str, _Row]) -> dict[str, _Row]:
    start, end = start_of(day, zone), start_of(day + timedelta(days=1), zone)
    return {external_id: row for external_id, row in rows.items() if start <= row.placed_at < end}


def _keep(
    lease: Lease, day: date, zone: ZoneInfo, theirs: dict[str, _Row], ours: dict[str, _Row], bad: list[dict[str, str]]
) -> None:
    differences = _differences(ours, theirs) + bad
    deletions.suspect(lease.shop_id, sorted(ours.keys() - theirs.keys()))
    _ask_for(lease, sorted(theirs.keys() - ours.keys()))
    kept = db.session.scalar(
        select(DailyReconciliation)
        .where(DailyReconciliation.shop_id == lease.shop_id, DailyReconciliation.day == day)
        .with_for_update()
    )
    if kept is None:
        kept = DailyReconciliation(shop_id=lease.shop_id, day=day)
        db.session.add(kept)
    kept.zone, kept.checked_at, kept.run_id = zone.key, utcnow(), lease.run_id
    kept.shop_orders, kept.our_orders = len(theirs) + len(bad), len(ours)
    kept.shop_totals, kept.our_totals = _totals(theirs), _totals(ours)
    kept.differences = differences[:MOST_DIFFERENCES]
    lease.count("compared", len(theirs))
    lease.count("differences", len(differences))


def _ask_for(lease: Lease, missing: Sequence[str]) -> None:
    """Have the next order run request orders that the shop has and no reading by change has shown: an import leaves the time of their
    last change empty or long past."""
    if missing:
        wanted = [(external_id, NOT_STORED) for external_id in missing[:MOST_DIFFERENCES]]
        unprinted.note(lease.shop_id, wanted, at_once=True)
        flows.make_due(flows.of_integration(lease.integration_id), FlowKind.ORDERS)


def _theirs(lease: Lease, channel: Channel, since: datetime, end: datetime) -> tuple[dict[str, _Row], list[tuple[str, str]]]:
    found: dict[str, _Row] = {}
    unreadable: list[tuple[str, str]] = []
    for page in channel.iter_orders(placed_since=since):
        for order in page.orders:
            if since <= order.placed_at < end:
                found[order.external_id] = _Row(order.number, order.total, order.currency, order.decimals, order.placed_at)
        unreadable += [(row.external_id, f"It could not be read: {row.reason}") for row in page.bad]
        lease.done += len(page.orders)
        lease.requests = channel.requests
        lease.extend()
        if page.last:
            break
    return found, unreadable


def _ours(shop_id: int, since: datetime, end: datetime) -> dict[str, _Row]:
    query = select(Order.external_id, Order.number, Order.total, Order.currency, Order.decimals, Order.placed_at).where(
        Order.shop_id == shop_id,
        Order.placed_at >= since,
        Order.placed_at < end,
        Order.number != "",
        Order.superseded_at.is_(None),
    )
    with reading():
        return {row.external_id: _Row(*row[1:]) for row in db.session.execute(query)}


def _differences(ours: Mapping[str, _Row], theirs: Mapping[str, _Row]) -> list[dict[str, Any]]:
    found = []
    for external_id in sorted({*ours, *theirs}, key=lambda each: (len(each), each)):
        here, there = ours.get(external_id), theirs.get(external_id)
        if here is None and there is not None:
            found.append({"number": there.number, "reason": NOT_STORED, "ours": "", "theirs": _amount(there)})
        elif there is None and here is not None:
            found.append({"number": here.number, "reason": "The shop has it no more.", "ours": _amount(here), "theirs": ""})
        elif here is not None and there is not None and (here.total, here.currency) != (there.total, there.currency):
            found.append(
                {"number": there.number, "reason": "The totals differ.", "ours": _amount(here), "theirs": _amount(there)}
            )
    return found


def _amount(row: _Row) -> str:
    return f"{plain(row.total, row.decimals)} {row.currency}".strip()


def _totals(rows: Mapping[str, _Row]) -> dict[str, str]:
    """Sums by currency, as text."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    decimals: dict[str, int] = {}
    for row in rows.values():
        sums[row.currency] += row.total
        decimals[row.currency] = row.decimals
    return {currency: plain(total, decimals[currency]) for currency, total in sorted(sums.items())}


def list_page(
    integration_id: int | None = None, place: str = "", *, different: bool = False, since: date | None = None, sort: str = ""
) -> Page[tuple[DailyReconciliation, str]]:
    """Daily reconciliations of present integrations with their integration's name, newest day first unless ``sort`` is another of ``SORTS``;
    with ``different`` those alone that name a difference, with ``since`` those of that day and later."""
    query = _matching(integration_id, different, since)
    return page_of(query, SORTS.get(sort, SORTS[""]), place, PAGE_SIZE, lambda found: [(row[0], row[1]) for row in found])


def count_since(since: date) -> tuple[int, int]:
    """How many days of shops were compared, and how many of them differ, of ``since`` and later."""
    compared = _matching(None, False, since).subquery()
    differing = _matching(None, True, since).subquery()
    columns = [select(func.count()).select_from(each).scalar_subquery() for each in (compared, differing)]
    row = db.session.execute(select(*columns)).one()
    return row[0], row[1]


def iter_days(
    integration_id: int | None = None, *, different: bool = False, since: date | None = None, sort: str = ""
) -> Iterator[tuple[DailyReconciliation, str]]:
    """All of them, for a file."""
    ids = (
        _matching(integration_id, different, since)
        .with_only_columns(DailyReconciliation.id)
        .order_by(*SORTS.get(sort, SORTS[""]))
    )
    for batch in in_batches(ids, _load):
        yield from batch


def _load(ids: Sequence[int]) -> dict[int, tuple[DailyReconciliation, str]]:
    """With daily reconciliations that belong to no session: they are read while the next batch is not loaded yet."""
    query = _matching(None, False).where(DailyReconciliation.id.in_(ids))
    found = {row.id: (row, name) for row, name in db.session.execute(query)}
    for row, _ in found.values():
        db.session.expunge(row)
    return found


def _matching(integration_id: int | None, different: bool, since: date | None = None) -> Select[*tuple[Any, ...]]:
    query = select(DailyReconciliation, Integration.name).join(
        Integration, (Integration.shop_id == DailyReconciliation.shop_id) & Integration.removed_at.is_(None)
    )
    if integration_id is not None:
        query = query.where(Integration.id == integration_id)
    if since is not None:
        query = query.where(DailyReconciliation.day >= since)
    if different:
        # As the condition of the index stands: with a parameter it would not be used.
        query = query.where(DailyReconciliation.difference_count > text("0"))
    return query
