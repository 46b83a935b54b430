"""What has to be true after every schedule: questions to our database and to the shop's own books.

Each check answers with sentences, none where all is well. They are called inside an application context."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text

from extensions import db
from models import Integration, Listing, Order, Shipment, ShopTask, SyncRun, WriteBack
from models.order import OPEN_STATES
from models.types import utcnow
from practice_shop import PracticeShop, Store
from services.listings import stock_push
from tests.faults.watched import Watched
from tests.support.books import books

ASKS_A_PERSON = ("called_off", "cancelled", "refused", "no_status", "gone")
"""Write-backs that may end as failed: a person has to decide."""

LONGEST_WAIT = timedelta(hours=1, minutes=15)
"""How long the next run of a connected shop may be away: the longest backing off."""
LONGEST_POLLED = timedelta(hours=36)
"""For the run of a flow that is polled meanwhile."""


@dataclass(frozen=True)
class Site:
    """A shop and its place in our database."""

    name: str
    store: Store
    shop_id: int


def traffic(name: str, shop: PracticeShop, front: Watched) -> Iterator[str]:
    """No request broke the practice shop, none was a DELETE, and each write was allowed by the reads before it."""
    yield from (f"{name}: {each}" for each in front.complaints)
    yield from (f"{name}: the practice shop failed at {place}: {error}" for place, error in shop.failures)
    yield from (f"{name}: it was sent a DELETE" for request in shop.requests if request["method"] == "DELETE")


def orders(site: Site) -> Iterator[str]:
    """Every order of the shop's is held exactly once, and says what the shop's says."""
    held: dict[str, list[Order]] = {}
    current = select(Order).where(Order.shop_id == site.shop_id, Order.superseded_at.is_(None))
    for row in db.session.scalars(current):
        held.setdefault(row.external_id, []).append(row)
    with site.store.lock:
        there = {str(order.id): order for order in site.store.orders.values()}
        for external_id in sorted(held.keys() - there.keys()):
            if all(row.gone_at is not None or row.state not in OPEN_STATES for row in held[external_id]):
                continue
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
    placed, email = int(row.placed_at.timestamp()), order.profile.login if order.profile else ""
    if row.erased_at is None and (placed, row.email or email) != (order.date, email):
        yield f"{site.name}: order {row.external_id} is another one there: {row.email} at {placed} here, {email} at {order.date} there"
    if round(float(row.total), 2) != round(order.total, 2):
        yield f"{site.name}: order {row.external_id} costs {row.total} here and {order.total} there"


def order_here(shop_id: int, order_id: int) -> Order | None:
    """The order a shop knows by an id."""
    return db.session.scalar(
        select(Order).where(Order.shop_id == shop_id, Order.external_id == str(order_id), Order.superseded_at.is_(None))
    )


def stock(site: Site) -> Iterator[str]:
    """Every stock level has been delivered, or is visibly pending: refused with a reason, or waiting for a yes."""
    integration = _present(site)
    for listing in db.session.scalars(select(Listing).where(Listing.shop_id == site.shop_id, Listing.gone_at.is_(None))):
        present = amount_there(site.store, listing.external_id)
        if not listing.pushable or present is None:
            continue
        if not listing.links:
            if not listing.push_error:
                yield f"{site.name}: {listing.sku} takes its quantity from nothing, and nobody can see it"
            continue
        wanted = stock_push.wanted_quantity(listing)
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
    """Every shipment was sent to the shop exactly once, or is visibly pending."""
    by_order: dict[int, list[WriteBack]] = {}
    ours = select(WriteBack).join(Order, Order.id == WriteBack.order_id)
    for row in db.session.scalars(
        ours.where(WriteBack.shop_id == site.shop_id, Order.superseded_at.is_(None)).order_by(WriteBack.id)
    ):
        by_order.setdefault(row.order_id, []).append(row)
        if row.state == "sending":
            yield f"{site.name}: the write-back of order {row.order.external_id} is being sent by nobody"
        if row.state == "waiting":
            yield f"{site.name}: the write-back of order {row.order.external_id} still waits: {row.error}"
        if row.state == "failed" and row.error_code not in ASKS_A_PERSON:
            yield f"{site.name}: the write-back of order {row.order.external_id} failed: {row.error}"
    shipped = db.session.scalars(
        select(Shipment).join(Order).where(Order.shop_id == site.shop_id, Order.superseded_at.is_(None))
    ).all()
    numbers: dict[str, list[Shipment]] = {}
    for shipment in shipped:
        numbers.setdefault(shipment.order.external_id, []).append(shipment)
    with site.store.lock:
        for order in site.store.orders.values():
            tracking = [each.value for each in order.trackings]
            for value, times in Counter(tracking).items():
                if times > 1:
                    yield f"{site.name}: order {order.id} has the tracking number {value} {times} times"
            sent = status_changes(order)
            if sent > 1:
                yield f"{site.name}: order {order.id} was marked {sent} times"
            ours = numbers.get(str(order.id), [])
            if sent and all(shipment.undone for shipment in ours):
                yield f"{site.name}: order {order.id} was marked, and nothing of it was shipped here"
            kept = {shipment.tracking_number for shipment in ours if not shipment.undone}
            for shipment in ours:
                if shipment.undone and shipment.tracking_number in {*tracking} - kept - old_numbers(shipment.order_id):
                    yield f"{site.name}: order {order.id} has {shipment.tracking_number}, and that shipment was undone"
            for shipment in (each for each in ours if each.voided_at is None):
                yield from _one_shipment(site, order, shipment, tracking, by_order.get(shipment.order_id, []))


def _one_shipment(site: Site, order: Any, shipment: Shipment, tracking: list[str], sent: list[WriteBack]) -> Iterator[str]:
    failed = any(row.state in ("failed", "handled") for row in sent)
    whole = all(line.shipped >= line.quantity for line in shipment.order.lines)
    if shipment.tracking_number and shipment.tracking_number not in tracking and not (shipment.note or failed):
        yield f"{site.name}: order {order.id} lacks the tracking number {shipment.tracking_number}, and nobody can see it"
    shown = site.store.status("shipping", order.shipping_id)
    past = shown is not None and shown.code in ("S", "D", "R", "WND")
    if whole and not past and not failed:
        yield f"{site.name}: order {order.id} was shipped here and is {shown.code if shown else ''} there"


def old_numbers(order_id: int) -> set[str]:
    """The numbers that were sent about an order and changed or voided afterwards: the shop keeps them."""
    return set(db.session.scalars(select(ShopTask.value).where(ShopTask.order_id == order_id)))


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
            yield from _far_away(integration, kind, now)


def _far_away(integration: Integration, kind: str, now: datetime) -> Iterator[str]:
    flow = integration.flows[kind]
    longest = LONGEST_WAIT
    if flow.poll_due_at is not None:
        longest = LONGEST_POLLED
        for what, at in (("poll", flow.poll_due_at), ("full page", flow.page_due_at)):
            if at is None or at > now + LONGEST_WAIT:
                yield f"{integration.name}: the next {what} is far away, at {at} (now {now})"
    if flow.due_at is None or flow.due_at > now + longest:
        yield f"{integration.name}: the next {kind} run is far away, at {flow.due_at} (now {now})"


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
