"""Store the orders of a page: each exactly once, whole, with its stock reserved. Changes that the shop made are applied and noted.

Everything here runs inside one page's transaction (``lease.page()``); nothing here asks a shop.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

import msgspec
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import selectinload

from channels.base import NO_TIME, BadRow, Surcharge
from channels.base import Order as ShopOrder
from extensions import begin_again, db
from models import Allocation, Order, OrderLine
from models.types import among, utcnow
from services.common.deadlocks import is_bad_data
from services.order_basics import holds, identity
from services.order_basics.columns import Storing
from services.orders import changes, insertion, superseding
from services.orders.batch import Batch, Shown
from services.stock import ledger, oversells
from services.stock.line_sources import sources_of

log = logging.getLogger(__name__)

NOT_STORABLE = "A value in it is too large, or is not allowed. Correct the order in the shop."

Rows = dict[str, tuple[Surcharge, ...]]
"""The single money rows of the orders that needed them, by external id."""

# Asked for every page: made once, on the tables, they cost half as much.
_orders = Order.__table__.c
_NAMED = (
    _orders.shop_id == bindparam("shop_id"), among(_orders.external_id, "external_ids"), _orders.superseded_at.is_(None),
)  # fmt: skip
DIGESTS = select(_orders.external_id, _orders.digest).where(*_NAMED)
KNOWN = select(_orders.id, _orders.external_id, _orders.digest, _orders.seen_at, _orders.gone_at).where(*_NAMED)
SEEN_EVERY = timedelta(hours=1)
"""How exactly it is kept when a reading last showed an order (services/orders/deletions.py)."""


@dataclass(slots=True)
class Stored:
    """The result of storing, in numbers of orders; ``touched`` are the stock items whose numbers moved."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    before_start: int = 0
    held: int = 0
    unreadable: int = 0
    ids_used_again: int = 0
    touched: set[int] = field(default_factory=set)
    failed: list[BadRow] = field(default_factory=list)

    def add(self, other: Stored) -> None:
        for name in ("new", "changed", "unchanged", "before_start", "held", "unreadable", "ids_used_again"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.touched |= other.touched
        self.failed += other.failed


def digest_of(raw: dict[str, Any]) -> tuple[bytes, bytes]:
    """A payload as JSON bytes, and its digest."""
    payload = msgspec.json.encode(raw)
    return payload, blake2b(payload, digest_size=16).digest()


def stored_digests(shop_id: int, external_ids: Sequence[str]) -> dict[str, bytes]:
    """The digests of the shop's current orders with these external ids, by external id."""
    return dict(db.session.execute(DIGESTS, {"shop_id": shop_id, "external_ids": list(external_ids)}).all())


def store_orders(storing: Storing, orders: Sequence[ShopOrder], rows: Rows) -> Stored:
    """Store one page of orders, the oldest first: who ordered first gets the stock, also where a shop lists the newest first. Several have
    to be the first that their transaction writes: where storing them fails because of a value in them, it begins again and they are
    stored one by one, and the order with that value is kept as unreadable: it stops no other order."""
    orders = sorted(orders, key=_age)
    if len(orders) == 1:
        return _store_one(storing, orders[0], rows)
    try:
        stored = _store(storing, orders, rows)
        db.session.flush()
        return stored
    except Exception as error:
        if not is_bad_data(error):
            raise
        log.warning("%d orders could not be stored together: %s", len(orders), type(error).__name__)
    begin_again()
    stored = Stored()
    for order in orders:
        stored.add(_store_one(storing, order, rows))
    return stored


def _age(order: ShopOrder) -> tuple[datetime, int, str]:
    """The order in which a shop's orders were placed. Ids of one second are numbers that grow."""
    return order.placed_at, len(order.external_id), order.external_id


def _store_one(storing: Storing, order: ShopOrder, rows: Rows) -> Stored:
    try:
        with db.session.begin_nested():
            return _store(storing, [order], rows)
    except Exception as error:
        if not is_bad_data(error):
            raise
    bad = BadRow(order.external_id[:64], NOT_STORABLE)
    stored = Stored(failed=[bad])
    store_unreadable(storing, [bad], stored)
    _hold_known(storing, bad)
    db.session.flush()
    return stored


def _hold_known(storing: Storing, bad: BadRow) -> None:
    """Put a stored order that cannot be updated on hold."""
    row = db.session.scalar(
        select(Order).where(Order.shop_id == storing.shop_id, Order.external_id == bad.external_id, Order.superseded_at.is_(None))
    )
    if row is not None and row.lines:
        row.problems, row.digest = [bad.reason], b""
        holds.apply(row, holds.evaluate(row, row.lines, storing.holds))


def _store(storing: Storing, orders: Sequence[ShopOrder], rows: Rows) -> Stored:
    """Store one page of orders. An order that is stored already is updated where the shop has changed it; where its id is now
    another order's, it is closed and the other order is stored beside it (services/orders/superseding.py)."""
    stored = Stored()
    named = {"shop_id": storing.shop_id, "external_ids": [order.external_id for order in orders]}
    known = {row.external_id: row for row in db.session.execute(KNOWN, named)}
    fresh: dict[str, Shown] = {}
    changed: dict[str, Shown] = {}
    for order in orders:
        payload, digest = digest_of(order.raw)
        shown = Shown(order, payload, digest, rows.get(order.external_id))
        if order.external_id not in known:
            if order.placed_at < storing.since and NO_TIME not in order.problems:
                stored.before_start += 1
            else:
                fresh[order.external_id] = shown
        elif known[order.external_id].digest == digest and known[order.external_id].gone_at is None:
            stored.unchanged += 1
        else:
            changed[order.external_id] = shown
    _see(list(known.values()))
    if fresh or changed:
        _store_changes(storing, fresh, changed, stored)
    if stored.touched:
        db.session.flush()
        ledger.request_push(stored.touched)
    return stored


def _see(known: Sequence[Any]) -> None:
    """Note that a reading showed these stored orders, to the hour."""
    unseen = utcnow() - SEEN_EVERY
    again = [row.id for row in known if row.seen_at is None or row.seen_at < unseen]
    if again:
        seen = update(Order).where(Order.id.in_(again)).values(seen_at=utcnow())
        db.session.execute(seen.execution_options(synchronize_session=False))


def _store_changes(storing: Storing, fresh: dict[str, Shown], changed: dict[str, Shown], stored: Stored) -> None:
    """Insert the new orders and update the changed ones, all by external id."""
    if not storing.identity_key:
        storing = replace(storing, identity_key=identity.ensure_key(storing.shop_id))
    compared = superseding.compare(storing.shop_id, {name: shown.order for name, shown in changed.items()}, storing.identity_key)
    sources = sources_of(storing.shop_id, [line for shown in (*fresh.values(), *changed.values()) for line in shown.order.lines])
    items = ledger.load_items(sources.item_ids | _items_of_lines(storing.shop_id, changed))
    superseding.hold(storing, [changed.pop(name).order for name in compared.unclear])
    superseding.supersede(storing, compared.reused)
    fresh |= {name: changed.pop(name) for name in compared.reused}
    stored.ids_used_again = len(compared.reused)
    batch = Batch(storing, sources, items, stored.touched)
    with db.session.no_autoflush:
        inserted = insertion.insert_orders(batch, list(fresh.values()))
    stored.new += len(fresh)
    stored.held += inserted.held
    if changed:
        _update(batch, changed, stored)
    if inserted.short:
        oversells.detect(storing.shop_id, inserted.short)


def store_unreadable(storing: Storing, bad: Sequence[BadRow], stored: Stored) -> None:
    """Keep rows that could not be read, held for a person, under the shop's id where it is known."""
    named = [row for row in bad if row.external_id]
    if not named:
        stored.unreadable += len(bad)
        return
    known = stored_digests(storing.shop_id, [row.external_id for row in named])
    now = utcnow()
    for row in named:
        if row.external_id in known:
            continue
        known[row.external_id] = b""
        reason = holds.as_line(f"The order could not be read: {row.reason}")
        db.session.add(
            Order(
                shop_id=storing.shop_id, external_id=row.external_id, placed_at=now, changed_at=now, first_seen_at=now, state="on_hold",
                held_codes=["unreadable"], held_reason=reason, reason_codes=["unreadable"], problems=[reason],
                raw=msgspec.json.encode(row.raw or {}), tracking_numbers=[],
            )
        )  # fmt: skip
    stored.unreadable += len(bad)


def _items_of_lines(shop_id: int, external_ids: Iterable[str]) -> set[int]:
    """The stock items that lines of stored orders take from."""
    ids = list(external_ids)
    if not ids:
        return set()
    named = (Order.shop_id == shop_id, Order.external_id.in_(ids), Order.superseded_at.is_(None))
    return set(db.session.scalars(select(Allocation.stock_item_id).join(OrderLine).join(Order).where(*named).distinct()))


def _update(batch: Batch, changed: Mapping[str, Shown], stored: Stored) -> None:
    storing = batch.storing
    query = (
        select(Order)
        .where(Order.shop_id == storing.shop_id, Order.external_id.in_(changed), Order.superseded_at.is_(None))
        .options(selectinload(Order.lines))
        .with_for_update()
    )
    rows = db.session.scalars(query).all()
    batch.shipped_away = changes.shipped_away([row.id for row in rows])
    for row in rows:
        shown = changed[row.external_id]
        superseding.settle(row)
        if changes.bring_up_to_date(batch, row, shown.order, shown.surcharges):
            stored.changed += 1
        else:
            stored.unchanged += 1
        row.raw = shown.payload if row.erased_at is None else b""
        row.digest, row.updated_at = shown.digest, utcnow()
        row.seen_at, row.email_digest = row.updated_at, identity.email_digest(storing.identity_key, shown.order.email)
        stored.held += row.state == "on_hold"
