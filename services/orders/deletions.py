"""Open orders that were deleted in the shop: requested by id if no reading has shown them for a while, then marked and blocked.

Lists silently leave out a deleted order, so its absence proves nothing. Requested by id, X-Cart 5.4 answers 200 ``null`` and
5.5 answers 404 with problem JSON (both observed); any other failure says nothing about the order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import selectinload

from channels.base import Channel
from errors import ChannelError, NotFound, ShopBroken, ShopTimeout
from extensions import db, reading, writing
from models import FlowKind, Integration, Order, Shop, WriteBack
from models.order import GONE_CODE, STILL_OPEN, SUSPECTED
from models.types import utcnow
from services.common.deadlocks import retry_on_deadlock
from services.order_basics import holds
from services.order_basics.audited import SEEN, about_order
from services.order_basics.columns import Storing
from services.orders import store
from services.runs.lease import Lease
from services.security import audit
from services.security.audit import About, record_change
from services.shipping import called_off
from services.shops import flows
from services.stock import allocations, ledger

MANY_APPROVED = audit.kind("integration.deletions_approved", "Deletion of many orders in the shop approved")
UNSEEN = timedelta(hours=6)
"""An open order that no reading has shown for so long is asked for by its id."""

MOST_LOOKED_AT = 5000
"""Stored orders compared with what one reading by change showed."""

MOST_ASKED = 20
"""Orders asked for in one run, those that were not seen for longest first."""

APPROVED_FOR = timedelta(days=1)
"""How long a person's approval of many deletions counts."""

GONE = (GONE_CODE, "The shop no longer has this order.", "Mark this as seen on the order; its stock is free then.")


def ask_unseen(lease: Lease, channel: Channel, pause: Callable[[], bool]) -> None:
    """Request open orders that were not seen for a while. Raises ChannelError if the whole shop has a problem, or RunStopped."""
    with reading():
        due = _due(lease.shop_id)
        if not due:
            return
        integration = db.session.get_one(Integration, lease.integration_id)
        storing = Storing.of(integration, lease.run_actor, lease.run_id)
    missing: list[int] = []
    for order_id, external_id in due:
        try:
            order = channel.read_order(external_id)
        except (ShopBroken, ShopTimeout):
            # An order that the shop cannot print is handled in services/orders/unreadable.py.
            order, there = None, True
        except ChannelError as trouble:
            if trouble.concerns != "row":
                raise
            order, there = None, True
        else:
            there = order is not None
        lease.requests = channel.requests
        if there:
            with lease.page() as session:
                if order is not None:
                    store.store_orders(storing, [order], {})
                session.execute(
                    update(Order)
                    .where(Order.id == order_id)
                    .values(seen_at=utcnow())
                    .execution_options(synchronize_session=False)
                )
        else:
            missing.append(order_id)
        if pause():
            break
    _found_missing(lease, storing, missing)


def _due(shop_id: int) -> Sequence[tuple[int, str]]:
    query = (
        select(Order.id, Order.external_id)
        .where(Order.shop_id == shop_id, STILL_OPEN, Order.seen_at < utcnow() - UNSEEN)
        .order_by(Order.seen_at, Order.id)
        .limit(MOST_ASKED)
    )
    suspected = (
        select(Order.id, Order.external_id).where(Order.shop_id == shop_id, SUSPECTED).order_by(Order.id).limit(MOST_ASKED)
    )
    found = [*db.session.execute(suspected), *db.session.execute(query)]
    return [(order_id, external_id) for order_id, external_id in found[:MOST_ASKED]]


def _found_missing(lease: Lease, storing: Storing, missing: Sequence[int]) -> None:
    """Mark the missing orders as deleted. Above the safety limit a person has to approve it first."""
    with lease.page() as session:
        shop = session.get_one(Shop, lease.shop_id, with_for_update=True)
        open_ones = session.scalar(select(func.count()).select_from(Order).where(Order.id.in_(missing), STILL_OPEN)) or 0
        if open_ones and _are_many(lease.integration_id, shop, open_ones):
            shop.many_gone = open_ones
            lease.warn(f"The shop no longer has {open_ones} open orders. A person has to approve that before they are marked.")
            return
        shop.many_gone = 0
    for order_id in missing:
        with lease.page():
            mark_gone(storing.holds, order_id)
        lease.count("deleted_in_shop")


def _are_many(integration_id: int, shop: Shop, found: int) -> bool:
    """Whether deletions exceed the safety limit of stock updates."""
    if shop.gone_approved_at is not None and shop.gone_approved_at > utcnow() - APPROVED_FOR:
        return False
    open_orders = db.session.scalar(select(func.count()).select_from(Order).where(Order.shop_id == shop.id, STILL_OPEN)) or 0
    waiting = Order.gone_at.is_not(None), Order.gone_seen_at.is_(None), Order.superseded_at.is_(None)
    before = db.session.scalar(select(func.count()).select_from(Order).where(Order.shop_id == shop.id, *waiting)) or 0
    integration = db.session.get_one(Integration, integration_id)
    return found + before > max(integration.safety_limit_least, (open_orders + before) * integration.safety_limit_percent // 100)


def mark_gone(rules: holds.Rules, order_id: int) -> None:
    """Mark an order that the shop no longer has. It keeps its stock and cannot be shipped until a person has seen that. Call it
    inside a page."""
    order = _locked(order_id)
    if order is None or order.gone_at is not None or order.superseded_at is not None:
        return
    order.gone_at = utcnow()
    if rules.stage_of(order) != "open":
        # Shipped or cancelled there: no person has to see that, and nothing is left to send.
        order.gone_seen_at = order.gone_at
        # What was stopped because the order was called off stays for a person, who may have a parcel to hold back.
        _close_write_backs(order_id, WriteBack.error_code != called_off.CODE)
    holds.apply(order, holds.evaluate(order, order.lines, rules))
    code, error, advice = GONE
    db.session.execute(
        update(WriteBack)
        .where(WriteBack.order_id == order_id, WriteBack.state == "waiting")
        .values(state="failed", finished_at=order.gone_at, error_code=code, error=error, advice=advice)
        .execution_options(synchronize_session=False)
    )


def _close_write_backs(order_id: int, *which: ColumnElement[bool]) -> None:
    """Have nothing more sent about an order that is gone, and ask no person about it."""
    db.session.execute(
        update(WriteBack)
        .where(WriteBack.order_id == order_id, WriteBack.state.in_(("waiting", "failed")), *which)
        .values(state="replaced", finished_at=utcnow(), note=GONE[1])
        .execution_options(synchronize_session=False)
    )


@retry_on_deadlock
def mark_seen(order_ids: Sequence[int], actor: str) -> int:
    """Mark the deletion of these orders as seen by a person: their stock is released. Returns how many were new."""
    with reading():
        wanted = list(db.session.scalars(select(Order.id).where(Order.id.in_(order_ids), *_unseen())))
    return sum(_mark_one_seen(order_id, actor) for order_id in wanted)


def _mark_one_seen(order_id: int, actor: str) -> bool:
    with writing():
        items = allocations.load_items_of(Order.id == order_id)
        order = _locked(order_id)
        if order is None or order.gone_at is None or order.gone_seen_at is not None:
            return False
        order.gone_seen_at = utcnow()
        record_change(SEEN, about_order(order), {"deletion_in_the_shop": (None, "seen")}, actor)
        freed = allocations.release_order(order, items, actor=actor)
        rules = holds.rules_for_shop(order.shop_id)
        if rules is not None:
            holds.apply(order, holds.evaluate(order, order.lines, rules))
        _close_write_backs(order_id)
        allocations.pass_on([items[item_id] for item_id in sorted(freed)], actor=actor)
        ledger.request_push(freed)
        return True


def approve_many(integration_id: int, actor: str) -> int:
    """Approve that many open orders were deleted in the shop: the next order run marks them. Returns how many
    were waiting for it. Raises NotFound."""
    with writing() as session:
        integration = session.get(Integration, integration_id, with_for_update=True)
        if integration is None or integration.removed_at is not None:
            raise NotFound("That integration has been removed.")
        shop = session.get_one(Shop, integration.shop_id, with_for_update=True)
        waiting, shop.many_gone = shop.many_gone, 0
        if waiting:
            record_change(MANY_APPROVED, About(integration.id, "", integration.id), {"orders": (None, waiting)}, actor)
            shop.gone_approved_at = utcnow()
            flows.make_due(flows.of_integration(integration_id), FlowKind.ORDERS)
        return waiting


def not_shown(shop_id: int, shown: Collection[str], since: datetime) -> None:
    """Suspect orders that a reading by change should have shown and did not: placed and changed since a time up to which it showed all. They
    were deleted, or the shop was restored from a backup. This run requests them. Call it inside a page."""
    query = select(Order.id, Order.external_id).where(
        Order.shop_id == shop_id, Order.placed_at >= since, Order.changed_at >= since, Order.superseded_at.is_(None),
        Order.gone_at.is_(None), Order.number != "",
    )  # fmt: skip
    ids = [order_id for order_id, external_id in db.session.execute(query.limit(MOST_LOOKED_AT)) if external_id not in shown]
    if ids:
        db.session.execute(
            update(Order).where(Order.id.in_(ids[:MOST_ASKED])).values(seen_at=None).execution_options(synchronize_session=False)
        )


def suspect(shop_id: int, external_ids: Sequence[str]) -> None:
    """Have the next order run request these orders, which the daily reconciliation did not find in the shop. Call it inside a page."""
    db.session.execute(
        update(Order)
        .where(Order.shop_id == shop_id, Order.external_id.in_(external_ids), STILL_OPEN)
        .values(seen_at=None)
        .execution_options(synchronize_session=False)
    )


def _unseen() -> tuple[ColumnElement[bool], ...]:
    return Order.gone_at.is_not(None), Order.gone_seen_at.is_(None)


def _locked(order_id: int) -> Order | None:
    query = select(Order).where(Order.id == order_id).options(selectinload(Order.lines))
    return db.session.scalar(query.with_for_update())
