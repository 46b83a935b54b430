"""Orders read again from the shop, and evaluated again from their stored copy: the two verbs for an order that looks wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select, update

from channels.base import Channel
from channels.base import Order as ShopOrder
from errors import ChannelError
from extensions import db, writing
from models import Integration, Order, RunItem
from models.types import utcnow
from services import evaluation, order_store
from services.money import KnownRates, learn_rates, needs_rows
from services.order_columns import Storing, surcharge_columns
from services.runs import Lease

MOST_ROWS = 200
"""Orders whose money rows are read in one run: a change of settings is no reason to keep a shop busy for an hour."""
MOST_MARKED = 2000
"""Orders looked at for that in one run."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How many orders are to be read again, of which integrations."""

    orders: int
    integration_ids: tuple[int, ...]


def ask_again(order_ids: Sequence[int]) -> Asked:
    """Mark orders to be read from their shops again; the order runs that are due by it are started by the caller."""
    with writing() as session:
        shop_ids = set(session.scalars(select(Order.shop_id).where(Order.id.in_(order_ids))))
        marked = session.execute(
            update(Order).where(Order.id.in_(order_ids)).values(reread_due=True).execution_options(synchronize_session=False)
        )
        present = session.scalars(
            select(Integration).where(Integration.shop_id.in_(shop_ids), Integration.removed_at.is_(None)).with_for_update()
        ).all()
        for integration in present:
            integration.orders_due_at = utcnow()
        return Asked(marked.rowcount, tuple(sorted(integration.id for integration in present)))


def read_again(lease: Lease, channel: Channel) -> None:
    """Read the marked orders of a shop, one request each, at the end of its order run. One that the shop has no more, or that
    cannot be read, is noted and stops no other. Raises ChannelError for a trouble of the shop, or RunStopped."""
    query = select(Order.id, Order.external_id).where(Order.shop_id == lease.shop_id, Order.reread_due).order_by(Order.id)
    marked = db.session.execute(query).all()
    if not marked:
        db.session.rollback()
        return
    integration = db.session.get_one(Integration, lease.integration_id)
    storing = Storing.of(integration, lease.run_actor, lease.run_id)
    db.session.rollback()
    for order_id, external_id in marked:
        reason = ""
        order = None
        try:
            order = channel.read_order(external_id)
            rows = _rows(channel, storing, order) if order is not None else {}
        except ChannelError as trouble:
            if trouble.retryable or trouble.code in ("wrong_key", "addon_missing"):
                raise
            reason = trouble.message
        lease.requests = channel.requests
        with lease.page() as session:
            if order is not None:
                stored = order_store.store_orders(storing, [order], rows)
                lease.count("changed", stored.changed)
            else:
                reason = reason or "The shop has this order no more."
                session.add(RunItem(run_id=lease.run_id, external_id=external_id, result="unreadable", reason=reason))
            session.execute(
                update(Order).where(Order.id == order_id).values(reread_due=False).execution_options(synchronize_session=False)
            )
            lease.count("read_again")


def read_rows(lease: Lease, channel: Channel, pause: Callable[[], bool]) -> None:
    """Read the single money rows of orders that a change of settings has made need them, one request each, the newest first:
    at most MOST_ROWS a run, and none where what other orders show explains the sums. The rest stays due for the next run.

    Raises ChannelError for a trouble of the shop, or RunStopped."""
    query = select(Order.id, Order.external_id, Order.raw).where(Order.shop_id == lease.shop_id, Order.rows_due)
    marked = db.session.execute(query.order_by(Order.placed_at.desc()).limit(MOST_MARKED)).all()
    if not marked:
        db.session.rollback()
        return
    storing = Storing.of(db.session.get_one(Integration, lease.integration_id), lease.run_actor, lease.run_id)
    db.session.rollback()
    known = KnownRates()
    read: list[int] = []
    for order_id, external_id, raw in marked:
        if len(read) >= MOST_ROWS or pause():
            break
        rows = None
        try:
            order = channel.parse_stored(msgspec.json.decode(raw))
            if needs_rows(order, storing.money, known):
                rows = channel.read_surcharges(external_id)
                learn_rates(order, storing.money, rows, known)
        except ChannelError as trouble:
            if trouble.retryable or trouble.code in ("wrong_key", "addon_missing"):
                raise
            lease.warn(f"The surcharges of the shop's order {external_id} could not be read. {trouble.message}")
        lease.requests = channel.requests
        with lease.page() as session:
            row = session.get_one(Order, order_id, with_for_update=True)
            row.rows_due = False
            if rows is not None and row.raw == raw:
                row.surcharge_rows = [surcharge_columns(each) for each in rows]
                read.append(order_id)
                lease.count("extra_reads")
    if read:
        evaluation.evaluate_again(lease.integration_id, lease.run_actor, order_ids=read)


def _rows(channel: Channel, storing: Storing, order: ShopOrder) -> order_store.Rows:
    if order.surcharges is not None or not needs_rows(order, storing.money, KnownRates()):
        return {}
    return {order.external_id: channel.read_surcharges(order.external_id)}


def evaluate_later(order_ids: Sequence[int]) -> list[int]:
    """Leave it to a worker: all stored orders of their integrations are evaluated again. Answers with the integrations' ids, for
    the queue; a tick enqueues what is lost on the way."""
    with writing() as session:
        shop_ids: set[int] = set()
        for start in range(0, len(order_ids), 500):
            chunk = order_ids[start : start + 500]
            shop_ids |= set(session.scalars(select(Order.shop_id).where(Order.id.in_(chunk)).distinct()))
        present = session.scalars(
            select(Integration)
            .where(Integration.shop_id.in_(shop_ids), Integration.removed_at.is_(None))
            .order_by(Integration.id)
            .with_for_update()
        ).all()
        for integration in present:
            integration.evaluate_due_at = utcnow()
        return [integration.id for integration in present]


def evaluate_orders(order_ids: Sequence[int], actor: str) -> evaluation.Evaluated:
    """Evaluate stored copies under the present settings, whichever shops they are of; removed ones are left out."""
    by_integration: dict[int, list[int]] = defaultdict(list)
    query = (
        select(Integration.id, Order.id)
        .join(Order, Order.shop_id == Integration.shop_id)
        .where(Order.id.in_(order_ids), Integration.removed_at.is_(None))
    )
    for integration_id, order_id in db.session.execute(query):
        by_integration[integration_id].append(order_id)
    db.session.rollback()
    orders = released = 0
    for integration_id, ids in by_integration.items():
        done = evaluation.evaluate_again(integration_id, actor, order_ids=ids)
        orders, released = orders + done.orders, released + done.released
    return evaluation.Evaluated(orders, released)
