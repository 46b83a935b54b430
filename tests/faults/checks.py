"""What has to be true after every schedule: the words of issue 7 as questions to our database and to the shop's own books.

Each check answers with sentences, none where all is well. They are called inside an application context."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, text

from extensions import db
from models import Integration, LinePart, Listing, Order, OrderLine, Shipment, StockEntry, StockItem, SyncRun, WriteBack
from models.order import OPEN_STATES
from models.types import utcnow
from practice_shop import Store
from services import push

ASKS_A_PERSON = ("cancelled", "refused", "no_status")
"""Write-backs that may end as failed: a person has to decide."""

LONGEST_WAIT = timedelta(hours=1, minutes=15)
"""How long the next run of a connected shop may be away: the longest backing off."""


@dataclass(frozen=True)
class Site:
    """A shop and its place in our database."""

    name: str
    store: Store
    shop_id: int


def books(only: set[int] | None = None) -> Iterator[str]:
    """Ledger sums equal levels, reservations equal what orders hold, nothing is negative. Cheap enough to ask all the time."""
    sums = {
        item_id: (on_hand, reserved)
        for item_id, on_hand, reserved in db.session.execute(
            select(StockEntry.stock_item_id, func.sum(StockEntry.on_hand_change), func.sum(StockEntry.reserved_change)).group_by(
                StockEntry.stock_item_id
            )
        )
    }
    held: Counter[int] = Counter()
    lacking: Counter[int] = Counter()
    lines = select(OrderLine.stock_item_id, OrderLine.reserved, OrderLine.quantity - OrderLine.shipped, Order.state, Order.number)
    for item_id, reserved, left, state, number in db.session.execute(
        lines.join(Order).where(OrderLine.stock_item_id.is_not(None))
    ):
        held[item_id] += reserved
        if state in OPEN_STATES:
            lacking[item_id] += max(0, left - reserved)
        elif reserved:
            yield f"order {number} is {state} and still reserves {reserved}"
    parts = select(LinePart.stock_item_id, func.sum(LinePart.reserved)).group_by(LinePart.stock_item_id)
    for item_id, reserved in db.session.execute(parts):
        held[item_id] += reserved
    for item in db.session.scalars(select(StockItem)):
        if only is not None and item.id not in only:
            continue
        if (item.on_hand, item.reserved) != sums.get(item.id, (0, 0)):
            yield f"{item.sku}: levels {item.on_hand}/{item.reserved}, ledger {sums.get(item.id, (0, 0))}"
        if item.on_hand - item.reserved < 0 or item.available < 0:
            yield f"{item.sku}: available is negative: {item.on_hand} on hand, {item.reserved} reserved"
        if held[item.id] != item.reserved:
            yield f"{item.sku}: {item.reserved} reserved, but its orders hold {held[item.id]}"
        if lacking[item.id] and item.on_hand > item.reserved:
            yield f"{item.sku}: {item.on_hand - item.reserved} lie there while orders lack {lacking[item.id]}"


def orders(site: Site) -> Iterator[str]:
    """Every order of the shop's is held exactly once, and says what the shop's says."""
    held: dict[str, list[Order]] = {}
    for row in db.session.scalars(select(Order).where(Order.shop_id == site.shop_id)):
        held.setdefault(row.external_id, []).append(row)
    with site.store.lock:
        there = {str(order.id): order for order in site.store.orders.values()}
        for external_id in sorted(held.keys() - there.keys()):
            yield f"{site.name}: order {external_id} is held here and not known there"
        for external_id, order in there.items():
            rows = held.get(external_id, [])
            if len(rows) != 1:
                yield f"{site.name}: order {external_id} is held {len(rows)} times"
                continue
            yield from _one_order(site, rows[0], order)


def _one_order(site: Site, row: Order, order: Any) -> Iterator[str]:
    payment, shipping = site.store.status("payment", order.payment_id), site.store.status("shipping", order.shipping_id)
    ours, theirs = (row.payment_status, row.shipping_status), (payment.code if payment else "", shipping.code if shipping else "")
    if ours != theirs:
        yield f"{site.name}: order {row.external_id} is {ours} here and {theirs} there"
    here = Counter()
    for line in row.lines:
        here[line.sku] += line.quantity
    shelf = Counter()
    for item in order.items:
        shelf[item.sku] += item.amount
    # What was shipped here stays on record though the shop has taken the line out since.
    shipped = Counter()
    for line in row.lines:
        shipped[line.sku] += line.shipped
    if any(here[sku] != shelf[sku] and here[sku] != shipped[sku] for sku in {*here, *shelf}):
        yield f"{site.name}: order {row.external_id} has {dict(here)} here and {dict(shelf)} there"
    if round(float(row.total), 2) != round(order.total, 2):
        yield f"{site.name}: order {row.external_id} costs {row.total} here and {order.total} there"


def stock(site: Site) -> Iterator[str]:
    """Every stock level has been delivered, or is visibly pending: refused with a reason, or waiting for a yes."""
    integration = _present(site)
    for listing in db.session.scalars(select(Listing).where(Listing.shop_id == site.shop_id, Listing.gone_at.is_(None))):
        present = amount_there(site.store, listing.external_id)
        if not listing.pushable or present is None:
            continue
        if not listing.links:
            if not listing.push_error:
                yield f"{site.name}: {listing.sku} takes its quantity from nothing, and nobody is told"
            continue
        wanted = push.wanted_quantity(listing)
        pending = listing.push_error or (integration is not None and integration.waiting_run_id is not None)
        if present != wanted and not pending:
            yield f"{site.name}: {listing.sku} has {present} there and should have {wanted} (stale: {listing.stale})"


def amount_there(store: Store, external_id: str) -> int | None:
    kind, _, number = external_id.partition(":")
    number = number.rpartition("/")[2]
    with store.lock:
        if kind == "product":
            return store.amount(int(number)) if int(number) in store.products else None
        return store.variant_amount(int(number)) if int(number) in store.variants else None


def shipments(site: Site) -> Iterator[str]:
    """Every shipment was told to the shop exactly once, or is visibly pending."""
    by_order: dict[int, list[WriteBack]] = {}
    for row in db.session.scalars(select(WriteBack).where(WriteBack.shop_id == site.shop_id).order_by(WriteBack.id)):
        by_order.setdefault(row.order_id, []).append(row)
        if row.state == "sending":
            yield f"{site.name}: the write-back of order {row.order.external_id} is being sent by nobody"
        if row.state == "waiting":
            yield f"{site.name}: the write-back of order {row.order.external_id} still waits: {row.error}"
        if row.state == "failed" and row.error_code not in ASKS_A_PERSON:
            yield f"{site.name}: the write-back of order {row.order.external_id} failed: {row.error}"
    shipped = db.session.scalars(select(Shipment).join(Order).where(Order.shop_id == site.shop_id)).all()
    numbers: dict[str, list[Shipment]] = {}
    for shipment in shipped:
        numbers.setdefault(shipment.order.external_id, []).append(shipment)
    with site.store.lock:
        for order in site.store.orders.values():
            tracking = [each.value for each in order.trackings]
            for value, times in Counter(tracking).items():
                if times > 1:
                    yield f"{site.name}: order {order.id} has the tracking number {value} {times} times"
            told = status_changes(order)
            if told > 1:
                yield f"{site.name}: order {order.id} was marked {told} times"
            ours = numbers.get(str(order.id), [])
            if told and not ours:
                yield f"{site.name}: order {order.id} was marked, and nothing of it was shipped here"
            for shipment in ours:
                yield from _one_shipment(site, order, shipment, tracking, by_order.get(shipment.order_id, []))


def _one_shipment(site: Site, order: Any, shipment: Shipment, tracking: list[str], told: list[WriteBack]) -> Iterator[str]:
    failed = any(row.state == "failed" for row in told)
    whole = all(line.shipped >= line.quantity for line in shipment.order.lines)
    if shipment.tracking_number and shipment.tracking_number not in tracking and not (shipment.note or failed):
        yield f"{site.name}: order {order.id} lacks the tracking number {shipment.tracking_number}, and nobody is told"
    shown = site.store.status("shipping", order.shipping_id)
    past = shown is not None and shown.code in ("S", "D", "R", "WND")
    if whole and not past and not failed:
        yield f"{site.name}: order {order.id} was shipped here and is {shown.code if shown else ''} there"


def status_changes(order: Any) -> int:
    """How often an API marked the order shipped. (A person's own changes have a person as their author.)"""
    return sum(
        event.code == "CHANGE SHIPPING STATUS ORDER" and event.author in ("REST API", "API") and event.codes[1] == "S"
        for event in order.events
    )


def runs(patience: timedelta | None = None) -> Iterator[str]:
    """No run is stuck, no lease is held by the dead, no stranger has committed. Where workers work on meanwhile, a run is
    stuck that is older than ``patience``."""
    stuck = [SyncRun.live] if patience is None else [SyncRun.live, SyncRun.created_at < utcnow() - patience]
    for run in db.session.scalars(select(SyncRun).where(*stuck)):
        yield f"run {run.id} ({run.kind}, by {run.actor}) is still {run.state}, lease until {run.lease_until}"
    for run in db.session.scalars(select(SyncRun).where(SyncRun.state != "running", SyncRun.lease_token != "")):
        yield f"run {run.id} is {run.state} and holds a lease"
    yield from strangers()
    now = utcnow()
    for integration in db.session.scalars(select(Integration).where(Integration.removed_at.is_(None), Integration.enabled)):
        for kind in ("orders", "stock"):
            due = getattr(integration, f"{kind}_due_at")
            if due is None or due > now + LONGEST_WAIT:
                yield f"{integration.name}: the next {kind} run is far away, at {due} (now {now})"


def strangers() -> Iterator[str]:
    for run_id, state, place in db.session.execute(text("SELECT run_id, state, place FROM faults_stranger")):
        yield f"a stranger has written {place} rows for run {run_id}, which was {state}"


def _present(site: Site) -> Integration | None:
    return db.session.scalar(
        select(Integration).where(Integration.shop_id == site.shop_id, Integration.removed_at.is_(None))
    )  # fmt: skip


def everything(sites: list[Site], patience: timedelta | None = None) -> list[str]:
    """All of it. ``patience`` as in ``runs``."""
    db.session.rollback()
    found = [*books(), *runs(patience)]
    for site in sites:
        for check in (orders, stock, shipments):
            found.extend(check(site))
    db.session.rollback()
    return found
