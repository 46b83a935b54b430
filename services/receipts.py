"""The daily receipt: what a shop says it took yesterday against what is stored here, differences named and kept.

A day is a day of UTC: shops do not say which zone they count in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from channels.base import Channel
from extensions import db
from models import Integration, Order, Receipt
from models.types import utcnow
from services.money import plain
from services.runs import Lease

AFTER_MIDNIGHT = timedelta(minutes=20)
MOST_DIFFERENCES = 200


@dataclass(frozen=True, slots=True)
class _Row:
    number: str
    total: Decimal
    currency: str
    decimals: int


def next_due(now: datetime) -> datetime:
    """When the next receipt is due: a little after the next midnight of UTC."""
    return datetime.combine(now.date() + timedelta(days=1), time.min, UTC) + AFTER_MIDNIGHT


def take_receipt(lease: Lease, channel: Channel, fresh_orders: Callable[[], None], day: date | None = None) -> str:
    """Compare one day, yesterday by default, and keep the receipt. Raises ChannelError, or RunStopped from the lease."""
    day = day or utcnow().date() - timedelta(days=1)
    start = datetime.combine(day, time.min, UTC)
    end = start + timedelta(days=1)
    integration = db.session.get_one(Integration, lease.integration_id)
    since = max(start, integration.orders_since)
    db.session.rollback()
    if since >= end:
        return "done"
    fresh_orders()
    theirs, unreadable = _theirs(lease, channel, since, end)
    ours = _ours(lease.shop_id, since, end)
    differences = _differences(ours, theirs, lease.shop_id)
    differences += [{"number": external_id, "reason": reason, "ours": "", "theirs": ""} for external_id, reason in unreadable]
    with lease.page() as session:
        kept = session.scalar(select(Receipt).where(Receipt.shop_id == lease.shop_id, Receipt.day == day).with_for_update())
        if kept is None:
            kept = Receipt(shop_id=lease.shop_id, day=day)
            session.add(kept)
        kept.checked_at, kept.run_id = utcnow(), lease.run_id
        kept.shop_orders, kept.our_orders = len(theirs) + len(unreadable), len(ours)
        kept.shop_totals, kept.our_totals = _totals(theirs), _totals(ours)
        kept.differences = differences[:MOST_DIFFERENCES]
        lease.count("compared", len(theirs))
        lease.count("differences", len(differences))
    return "done"


def _theirs(lease: Lease, channel: Channel, since: datetime, end: datetime) -> tuple[dict[str, _Row], list[tuple[str, str]]]:
    found: dict[str, _Row] = {}
    unreadable: list[tuple[str, str]] = []
    for page in channel.iter_orders(placed_since=since):
        for order in page.orders:
            if since <= order.placed_at < end:
                found[order.external_id] = _Row(order.number, order.total, order.currency, order.decimals)
        unreadable += [(row.external_id, f"It could not be read: {row.reason}") for row in page.bad]
        lease.done += len(page.orders)
        lease.requests = channel.requests
        lease.extend()
        if page.last:
            break
    return found, unreadable


def _ours(shop_id: int, since: datetime, end: datetime) -> dict[str, _Row]:
    query = select(Order.external_id, Order.number, Order.total, Order.currency, Order.decimals).where(
        Order.shop_id == shop_id, Order.placed_at >= since, Order.placed_at < end, Order.number != ""
    )
    rows = {row.external_id: _Row(row.number, row.total, row.currency, row.decimals) for row in db.session.execute(query)}
    db.session.rollback()
    return rows


def _differences(ours: Mapping[str, _Row], theirs: Mapping[str, _Row], shop_id: int) -> list[dict[str, Any]]:
    found = []
    for external_id in sorted({*ours, *theirs}, key=lambda each: (len(each), each)):
        here, there = ours.get(external_id), theirs.get(external_id)
        if here is None and there is not None:
            found.append({"number": there.number, "reason": "It is not stored here.", "ours": "", "theirs": _amount(there)})
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


def list_receipts(shop_id: int | None = None, limit: int = 60) -> list[tuple[Receipt, str]]:
    """Receipts of present integrations with their integration's name, newest day first."""
    query = (
        select(Receipt, Integration.name)
        .join(Integration, (Integration.shop_id == Receipt.shop_id) & Integration.removed_at.is_(None))
        .order_by(Receipt.day.desc(), Integration.name_key)
        .limit(limit)
    )
    if shop_id is not None:
        query = query.where(Receipt.shop_id == shop_id)
    return [(receipt, name) for receipt, name in db.session.execute(query)]
